"""The models that the benchmarks run: real bundles, of networks with random weights, since speed depends on none.

They are built once, by the project's own export, and kept in `build/benchmarks/bundles`.
"""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kardus.contract.manifest import Calibration, Precision
from kardus.inference.bundle import read_bundle
from kardus.support.errors import BundleError
from simulator.dataset import write_dataset
from simulator.demo.play import DEMO_BUNDLE

if TYPE_CHECKING:
    from train.networks.carton import CartonNet

FOLDER = Path("build/benchmarks/bundles")
SIZE_PX, PHOTOS_EACH = 224, 4
LIGHT = "light"
"""The model that ships with the demo: ShuffleNetV2 1.0, 112 px, FP32."""
NETWORKS: dict[str, tuple[str, bool, Precision]] = {
    "resnet50-rmcsam-fp32": ("resnet50", True, "fp32"),
    "resnet50-rmcsam-int8": ("resnet50", True, "int8"),
    "resnet18-int8": ("resnet18", False, "int8"),
    "resnet18-fp32": ("resnet18", False, "fp32"),
}
"""Architecture, with RMCSAM or without, and precision; all at 224 px, of 15 classes."""


def bundle_of(name: str, told: Callable[[str], None] = lambda _: None) -> Path:
    """The bundle of a model, built where it isn't there yet, or where it is of a version that isn't read any more.

    Raises:
        KeyError: there is no such model.
    """
    if name == LIGHT:
        return DEMO_BUNDLE
    architecture, rmcsam, precision = NETWORKS[name]
    path = FOLDER / f"{name}.bundle"
    if not _can_be_read(path):
        FOLDER.mkdir(parents=True, exist_ok=True)
        told(f"building {path} (once)")
        _build(path, architecture, precision, rmcsam=rmcsam)
    return path.resolve()


def _can_be_read(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        read_bundle(path)
    except BundleError:
        return False
    return True


def _build(path: Path, architecture: str, precision: Precision, *, rmcsam: bool) -> None:
    import torch

    from export.build import build
    from export.lower_precision import PrecisionTarget
    from train.config import make_config
    from train.data.data_set import read_data
    from train.fitting.finalise import template
    from train.fitting.prepare import prepare_split
    from train.networks.checkpoint import CHECKPOINT, build_network, save_checkpoint

    with tempfile.TemporaryDirectory() as work:
        photos = Path(work) / "photos"
        write_dataset(photos, seed=5, train=PHOTOS_EACH, val=2, side_px=256)
        config = make_config(arch=architecture, rmcsam=rmcsam, size=SIZE_PX, refit=0)
        torch.manual_seed(0)
        empty = template(prepare_split(read_data(photos), config), config)
        network = build_network(config, empty.classes)
        _settle(network)
        with torch.no_grad():
            embedding = network.explain(torch.zeros(1, 3, SIZE_PX, SIZE_PX)).embedding
        complete = dataclasses.replace(
            empty,
            weights=network.state_dict(),
            prototypes=embedding.repeat(len(empty.classes), 1),
            calibration=Calibration(rejection_score="distance"),
        )
        save_checkpoint(Path(work) / CHECKPOINT, complete)
        build(
            Path(work), path, target=PrecisionTarget(precision, max_drop=100)
        )  # random weights have no accuracy to lose


def _settle(network: "CartonNet") -> None:
    """Bring values to the range of a trained network's: random ones grow until parity can't be held in FP32."""
    import torch

    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # a plain average
            layer.reset_running_stats()
    with torch.no_grad():
        network.head.weight.mul_(0.01)
        network.train()(torch.rand(8, 3, SIZE_PX, SIZE_PX) * 255)
    network.eval()
