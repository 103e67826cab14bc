"""Other software on the same work: OpenVINO's runtime, Ultralytics' classifier, and timm's and Ultralytics' training.

    python -m tests.benchmarks.peers [--scale smoke|bench|full]

- OpenVINO: the very ONNX file of our bundle, the same crops in one batch, as many threads, its latency hint.
- Ultralytics predict: torchvision's ResNet-18 in Ultralytics' wrapper, exported to ONNX by Ultralytics at 224 px, run
  by its `predict` on the same crops in one batch; ours is the agent's classifier on our ResNet-18 FP32. Heads differ.
- Training step: forward, loss, backward and optimiser's step of a ResNet-18 on one batch of 32 at 224 px in FP32, of
  our network, timm's `resnet18`, and Ultralytics' model and criterion. Data loading is in `training`.

Ultralytics is AGPL and never a dependency: `bench` and `full` install it into `build/benchmarks/peers`, an environment
of its own that is used for this alone. Its side runs there, in a process that is measured round by round, in turn.
"""

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import openvino
import timm
import torch
from torch import nn

from kardus.inference.bundle import read_bundle
from kardus.inference.classifier import Classifier
from kardus.inference.graph_forms import INPUT, OUTPUTS
from kardus.inference.preprocess import Pixels
from tests.benchmarks.networks import LIGHT, bundle_of
from tests.benchmarks.pairs import Work, in_turn, median, ratio
from tests.benchmarks.report import Report
from tests.benchmarks.scale import Scale, run
from train.networks.carton import CartonNet

THREADS, SIZE_PX, CLASSES = 2, 224, 15
ENVIRONMENT = Path("build/benchmarks/peers")
ULTRALYTICS = "ultralytics==8.4.190"


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    models: tuple[str, ...]
    crops: int
    rounds: int
    steps: int
    """Training steps; 0: none, and no Ultralytics."""
    batch: int


SIZES: dict[Scale, Size] = {
    "smoke": Size((LIGHT,), 2, 2, 0, 2),
    "bench": Size(("resnet18-int8", "resnet18-fp32", "resnet50-rmcsam-int8"), 16, 10, 6, 32),
    "full": Size(("resnet18-int8", "resnet18-fp32", "resnet50-rmcsam-int8", "resnet50-rmcsam-fp32"), 16, 50, 20, 32),
}


def measure(scale: Scale, folder: Path) -> Report:
    """OpenVINO, then, beyond smoke, the rest."""
    size, report = SIZES[scale], Report("peers", scale)
    for model in size.models:
        _openvino(report, model, bundle_of(model, print), size)
    if size.steps:
        with ultralytics(folder, size) as peer:
            _predict(report, peer, size)
            _train(report, peer, size)
    return report


def _crops(count: int, side: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def _openvino(report: Report, name: str, path: Path, size: Size) -> None:
    bundle = read_bundle(path)
    crops = _crops(size.crops, bundle.manifest.input.size)
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = ort.InferenceSession(bundle.model, options, providers=["CPUExecutionProvider"])
    settings = {"INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    core = openvino.Core()
    request = core.compile_model(core.read_model(bundle.model), "CPU", settings).create_infer_request()
    classifier = Classifier(bundle, THREADS)
    times = in_turn(
        {
            "onnxruntime": lambda: session.run(OUTPUTS, {INPUT: crops}),
            "OpenVINO": lambda: request.infer({INPUT: crops}),
            "classifier": lambda: classifier.classify(crops),
        },
        size.rounds,
    )
    _tell(report, f"{name}, {size.crops} crops", times, "onnxruntime")


def _predict(report: Report, peer: "Peer", size: Size) -> None:
    bundle = read_bundle(bundle_of("resnet18-fp32", print))
    classifier, crops = Classifier(bundle, THREADS), _crops(size.crops, SIZE_PX)
    works: Mapping[str, Work] = {
        "classifier": lambda: classifier.classify(crops),
        "Ultralytics predict": lambda: peer.ask("predict"),
    }
    _tell(report, f"ResNet-18 FP32, {size.crops} crops", in_turn(works, size.rounds), "classifier")


def _train(report: Report, peer: "Peer", size: Size) -> None:
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    photos, labels = torch.rand(size.batch, 3, SIZE_PX, SIZE_PX) * 255, torch.arange(size.batch) % CLASSES
    works: Mapping[str, Work] = {
        "ours": _step(CartonNet("resnet18", CLASSES), photos, labels),
        "timm": _step(timm.create_model("resnet18", num_classes=CLASSES), photos / 255, labels),
        "Ultralytics": lambda: peer.ask("train"),
    }
    _tell(report, f"training step, ResNet-18, batch of {size.batch}", in_turn(works, size.steps), "ours")


def _step(network: nn.Module, photos: torch.Tensor, labels: torch.Tensor) -> Work:
    network = network.train().to(memory_format=torch.channels_last)
    photos = photos.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)

    def step() -> None:
        loss = nn.functional.cross_entropy(network(photos), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _tell(report: Report, what: str, times: Mapping[str, list[float]], base: str) -> None:
    report.add(f"{what}: {base}", median([1000 * seconds for seconds in times[base]]), "ms")
    for name, own in times.items():
        if name != base:
            report.add(f"{what}: {name} / {base}", ratio(own, times[base]), "")


class Peer:
    """Ultralytics in its own environment: a process that does one thing at a time, when asked, and times it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Keep the process, which is ready."""
        self._process = process

    def ask(self, what: str) -> float:
        """Let it do something once; its own seconds."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the peer has no pipes")
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:  # its libraries print too
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return float(answer["seconds"])
        raise RuntimeError(f"Ultralytics ended instead of an answer to '{what}'")


@contextmanager
def ultralytics(folder: Path, size: Size) -> Iterator[Peer]:
    """Install it where it isn't yet, and start it."""
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / "installed").exists():
        _install(python)
    script = Path(__file__).with_name("peer_ultralytics.py")
    words = [str(python.absolute()), str(script), str(size.crops), str(size.batch), str(CLASSES), str(THREADS)]
    settings = os.environ | {"YOLO_CONFIG_DIR": str(folder)}  # it writes nothing elsewhere
    process = subprocess.Popen(
        words, cwd=folder, env=settings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        peer = Peer(process)
        peer.ask("ready")
        yield peer
    finally:
        process.kill()
        process.wait()


def _install(python: Path) -> None:
    """Its own packages; torch and onnxruntime are the development environment's, so that versions are the same."""
    subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(ENVIRONMENT.resolve())}))
    (site / "development.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    options = ["--quiet", "--disable-pip-version-check", "-c", "constraints.txt"]
    subprocess.run([str(python), "-m", "pip", "install", *options, ULTRALYTICS], check=True)
    (ENVIRONMENT / "installed").touch()


if __name__ == "__main__":
    run(measure)
