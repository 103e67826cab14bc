"""Ultralytics' side of `peers`, run by its own environment's Python: one line asks, one line of JSON answers.

    python peer_ultralytics.py CROPS BATCH CLASSES THREADS

`ready`, `predict` (its ONNX export of a ResNet-18, on CROPS pictures in one batch), `train` (a step on BATCH of them).
"""

import functools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZE_PX = 224
NETWORK = """nc: {classes}
backbone:
  - [-1, 1, TorchVision, [512, resnet18, null, True, 2]]
head:
  - [-1, 1, Classify, [nc]]
"""


def main(crops: int, batch: int, classes: int, threads: int) -> None:
    """Answer until the pipe is closed."""
    os.environ.update(YOLO_AUTOINSTALL="false", YOLO_OFFLINE="true", YOLO_VERBOSE="false", OMP_NUM_THREADS=str(threads))
    import numpy as np
    import torch
    from ultralytics import YOLO

    torch.set_num_threads(threads)
    Path("resnet18-cls.yaml").write_text(NETWORK.format(classes=classes), encoding="utf-8")
    model = YOLO("resnet18-cls.yaml", task="classify")
    trained = _step(model.model, torch.rand(batch, 3, SIZE_PX, SIZE_PX), torch.arange(batch) % classes)
    works: dict[str, Callable[[], object]] = {"ready": lambda: None, "train": trained}
    pictures = list(np.random.default_rng(0).integers(0, 256, (crops, SIZE_PX, SIZE_PX, 3), dtype=np.uint8))
    for line in sys.stdin:
        what = line.strip()
        if what == "predict" and what not in works:  # exported when it is first wanted
            path = YOLO("resnet18-cls.yaml", task="classify").export(format="onnx", imgsz=SIZE_PX, batch=crops)
            works[what] = functools.partial(YOLO(path).predict, pictures, imgsz=SIZE_PX, batch=crops, verbose=False)
        began = time.perf_counter()
        works[what]()
        sys.stdout.write(json.dumps({"seconds": time.perf_counter() - began}) + "\n")
        sys.stdout.flush()


def _step(network: Any, photos: Any, labels: Any) -> Callable[[], object]:
    """A training step with the criterion that Ultralytics trains by."""
    import torch

    network.train()
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)

    def step() -> None:
        loss, _ = network.loss({"img": photos, "cls": labels})
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    main(*map(int, sys.argv[1:5]))
