"""How many images a second the training loop learns from, beside what a user would write instead.

    python -m tests.benchmarks.training [ROUNDS]

The same network (ResNet-18, 224 px), batch (32) and drawn photos for all: ours as `kardus-train fit` runs it (decoded
photos cached, label-safe augmentation, gradient clipping, averaged weights); a plain torchvision loop (ImageFolder,
DataLoader with two workers, RandomResizedCrop, ColorJitter, RandomRotation); and a loop of timm's own parts as its
train.py puts them together (create_dataset, create_loader, create_optimizer_v2, ModelEmaV3), since the script itself
isn't in timm's package. Each trains for one epoch to warm up and one to be timed, in turn, ROUNDS times; the table
gives medians, and each round's ratio to ours.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from timm.data import create_dataset, create_loader
from timm.optim import create_optimizer_v2
from timm.utils import ModelEmaV3
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, models, transforms

from simulator.dataset import write_dataset
from train.augmentation.augmented_views import Photos
from train.cli import quiet_libraries
from train.config import make_config
from train.data.data_set import read_data
from train.fitting.loop import Epoch, train
from train.fitting.prepare import prepare_split
from train.networks.carton import CartonNet

SIZE_PX, BATCH, CLASSES, EACH, PHOTO_PX = 224, 32, 15, 20, 348
Loop = Callable[[], float]
"""Runs one epoch and gives its seconds."""


def ours(source: Path, precision: str) -> Loop:
    """The project's loop, on photos that it has decoded once."""
    config = make_config(epochs=2, size=SIZE_PX, first_size=0, batch=BATCH, precision=precision, clutter=0, ema=0.1)
    prepared = prepare_split(read_data(source), config)
    nothing = Photos(prepared.val.pixels[:0], prepared.val.labels[:0])

    def epoch() -> float:
        told: list[Epoch] = []
        train(CartonNet("resnet18", CLASSES), prepared.views(config), nothing, config, told.append)
        return told[-1].seconds

    return epoch


def torchvision_loop(folder: Path, precision: str) -> Loop:
    """What a tutorial shows."""
    looks = transforms.Compose(
        [
            transforms.RandomResizedCrop(SIZE_PX, scale=(0.3, 1.0)),
            transforms.RandomRotation(30),
            transforms.ColorJitter(0.35, 0.3, 0.25),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    data = datasets.ImageFolder(str(folder), looks)
    loader = DataLoader(data, BATCH, shuffle=True, drop_last=True, num_workers=2, persistent_workers=True)
    model = models.resnet18(num_classes=CLASSES)
    return _epoch(model, torch.optim.AdamW(model.parameters(), lr=1e-3), loader, precision, lambda: None)


def timm_loop(folder: Path, precision: str) -> Loop:
    """The parts of timm, with the settings of its train.py that fit."""
    data = create_dataset("", root=str(folder), split="train", is_training=True)
    loader = create_loader(
        data,
        input_size=(3, SIZE_PX, SIZE_PX),
        batch_size=BATCH,
        is_training=True,
        use_prefetcher=False,
        scale=(0.3, 1.0),
        color_jitter=0.35,
        num_workers=2,
        persistent_workers=True,
        device=torch.device("cpu"),
    )
    model = models.resnet18(num_classes=CLASSES).to(memory_format=torch.channels_last)
    average = ModelEmaV3(model, decay=0.999)
    optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.05)
    return _epoch(model, optimizer, loader, precision, lambda: average.update(model))


def _epoch(model: nn.Module, optimizer: Any, loader: Iterable[Any], precision: str, after: Callable[[], None]) -> Loop:
    def once() -> float:
        model.train()
        began = time.monotonic()
        for photos, labels in loader:
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                loss = nn.functional.cross_entropy(model(photos), labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            after()
        return time.monotonic() - began

    def epoch() -> float:
        once()
        return once()

    return epoch


def class_folders(source: Path, folder: Path) -> Path:
    """The photos to train on, linked as one folder a class."""
    for sample in read_data(source).select("train").samples:
        (folder / sample.name).mkdir(parents=True, exist_ok=True)
        (folder / sample.name / sample.path.name).symlink_to(sample.path.resolve())
    return folder


def main(rounds: int) -> None:
    """Draw the photos, run every loop in turn, print the table."""
    quiet_libraries()
    with tempfile.TemporaryDirectory() as work:
        source = Path(work) / "photos"
        write_dataset(source, seed=5, train=EACH, val=1, side_px=PHOTO_PX)
        folder = class_folders(source, Path(work) / "folders")
        makers = {
            "kardus-train": (ours, source),
            "timm's parts": (timm_loop, folder),
            "torchvision": (torchvision_loop, folder),
        }
        loops = {
            f"{name}, {kind}": make(data, kind) for kind in ("32", "bf16") for name, (make, data) in makers.items()
        }
        count = EACH * CLASSES // BATCH * BATCH
        rates = [{name: count / loop() for name, loop in loops.items()} for _ in range(rounds)]
    table = Table("loop, precision", "images a second (median)", "share of ours, by rounds")
    for name in loops:
        own = [rate[name] for rate in rates]
        kind = name.rsplit(", ", 1)[1]
        shares = ", ".join(f"{rate[name] / rate[f'kardus-train, {kind}']:.2f}" for rate in rates)
        table.add_row(name, f"{statistics.median(own):.1f}", shares)
    Console().print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
