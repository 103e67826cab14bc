"""The models that the benchmarks run: real bundles, of networks with random weights, since speed depends on none.

They are built once, by the project's own export, and kept in `build/benchmarks/bundles`.
"""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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


class Network(NamedTuple):
    """A model to time: of 15 classes, with random weights."""

    architecture: str
    precision: Precision
    rmcsam: bool = False
    size_px: int = SIZE_PX


LITE = "timm:tf_efficientnet_lite0"
NETWORKS = {
    "resnet50-rmcsam-fp32": Network("resnet50", "fp32", rmcsam=True),
    "resnet50-rmcsam-int8": Network("resnet50", "int8", rmcsam=True),
    "resnet18-int8": Network("resnet18", "int8"),
    "resnet18-fp32": Network("resnet18", "fp32"),
}
RECIPES = {
    "kardus-int8": Network(LITE, "int8"),
    "light-int8": Network(LITE, "int8", size_px=160),
}
"""The networks of the recipes: see tests.scripts.bundle_speed."""


def bundle_of(name: str, told: Callable[[str], None] = lambda _: None) -> Path:
    """The bundle of a model, built where it isn't there yet, or where it is of a version that isn't read any more.

    Raises:
        KeyError: there is no such model.
    """
    if name == LIGHT:
        return DEMO_BUNDLE
    network = (NETWORKS | RECIPES)[name]
    path = FOLDER / f"{name}.bundle"
    if not _can_be_read(path):
        FOLDER.mkdir(parents=True, exist_ok=True)
        told(f"building {path} (once)")
        _build(path, network)
    return path.resolve()


def _can_be_read(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        read_bundle(path)
    except BundleError:
        return False
    return True


def _build(path: Path, made: Network) -> None:
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
        config = make_config(arch=made.architecture, rmcsam=made.rmcsam, size=made.size_px, refit=0)
        torch.manual_seed(0)
        empty = template(prepare_split(read_data(photos), config), config)
        network = build_network(config, empty.classes)
        _settle(network, made.size_px)
        with torch.no_grad():
            embedding = network.explain(torch.zeros(1, 3, made.size_px, made.size_px)).embedding
        complete = dataclasses.replace(
            empty,
            weights=network.state_dict(),
            prototypes=embedding.repeat(len(empty.classes), 1),
            # as fitted on so many: fitted on these few, a fifth of random scores, and all of the benchmarks', would be
            # "low", and each such crop be judged by four more (`kardus.inference.multi_crop`)
            calibration=Calibration(rejection_score="distance", n=10_000),
        )
        save_checkpoint(Path(work) / CHECKPOINT, complete)
        build(
            Path(work), path, target=PrecisionTarget(made.precision, max_drop=100)
        )  # random weights have no accuracy to lose


def _settle(network: "CartonNet", size_px: int) -> None:
    """Bring values to the range of a trained network's: random ones grow until parity can't be held in FP32."""
    import torch

    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # a plain average
            layer.reset_running_stats()
    with torch.no_grad():
        network.head.weight.mul_(0.01)
        network.train()(torch.rand(8, 3, size_px, size_px) * 255)
    network.eval()
