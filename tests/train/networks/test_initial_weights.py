"""Weights to begin with: what fits is taken over, and what doesn't is refused in one line."""

import pickle
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from kardus.contract.manifest import ClassInfo
from kardus.support.errors import DataError, UsageError
from tests.train.making import labelled
from train.config import make_config
from train.fitting.fit import fit
from train.fitting.progress import ProgressCallbacks
from train.networks.carton import IMAGENET_STATISTICS, CartonNet, InputStatistics
from train.networks.checkpoint import build_network, load_checkpoint
from train.networks.initial_weights import initialise

ARCH = "shufflenet_v2_x0_5"
CLASSES = [ClassInfo(name=n, category=n, sku=n) for n in ("a", "b", "c")]


def _network(arch: str = ARCH, **config: object) -> CartonNet:
    return build_network(make_config(arch=arch, **config), CLASSES)


def _published(arch: str, seed: int = 5) -> dict[str, torch.Tensor]:
    """What torchvision would publish: a whole network's weights, the head for 1,000 classes included."""
    torch.manual_seed(seed)
    state: dict[str, torch.Tensor] = models.get_model(arch, weights=None).state_dict()
    return state


def _agrees(network: CartonNet, state: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, state[name]) for name, value in network.features.state_dict().items())


@pytest.mark.parametrize(
    ("arch", "kind"),
    [
        ("resnet18", "pth"),
        ("mobilenet_v3_small", "pth"),
        (ARCH, "pth"),
        (ARCH, "safetensors"),
        ("efficientnet_b0", "pth"),
        ("regnet_y_400mf", "safetensors"),
    ],
)
def test_a_state_dict_of_torchvision_fills_everything_but_the_head(tmp_path: Path, arch: str, kind: str) -> None:
    state, file = _published(arch), tmp_path / f"weights.{kind}"
    if kind == "pth":
        torch.save(state, file)
    else:
        save_file(state, file)
    network = _network(arch)
    head = network.head.weight.detach().clone()
    origin = initialise(network, arch, str(file))
    assert _agrees(network, state)
    assert torch.equal(network.head.weight, head)
    assert (origin.source, len(origin.sha256)) == (str(file), 64)
    assert origin.tensors == len(network.features.state_dict())


def test_a_state_dict_of_timm_fills_its_backbone(tmp_path: Path) -> None:
    import timm

    whole = timm.create_model("resnet10t", pretrained=False, num_classes=1000)
    torch.save({"state_dict": {f"module.{k}": v for k, v in whole.state_dict().items()}}, tmp_path / "w.pth")
    network = _network("timm:resnet10t")
    initialise(network, "timm:resnet10t", str(tmp_path / "w.pth"))
    inner = network.features.network
    assert isinstance(inner, torch.nn.Module)
    assert all(torch.equal(v, whole.state_dict()[k]) for k, v in inner.state_dict().items())


@pytest.mark.parametrize("rmcsam", [True, False])
def test_an_earlier_run_fills_features_and_attention(tmp_path: Path, rmcsam: bool) -> None:  # noqa: FBT001
    arch = "timm:test_resnet"
    config = make_config(arch=arch, size=32, epochs=1, batch=4, rmcsam=rmcsam, category_weight=0.3, refit=0)
    fit(labelled(tmp_path / "data"), tmp_path / "run", config)
    weights = load_checkpoint(tmp_path / "run").weights
    network = _network(arch, rmcsam=rmcsam)
    initialise(network, arch, str(tmp_path / "run"))
    ours = network.state_dict()
    assert all(torch.equal(ours[name], weights[name]) for name in ours if not name.startswith(("head.", "space.")))


def test_fit_says_where_the_weights_came_from_and_begins_there(tmp_path: Path) -> None:
    torch.save(_published(ARCH), tmp_path / "w.pth")
    notes: list[str] = []
    config = make_config(arch=ARCH, size=32, epochs=1, batch=4, init=str(tmp_path / "w.pth"), lr=1e-9, refit=0)
    checkpoint = fit(labelled(tmp_path / "data"), tmp_path / "run", config, ProgressCallbacks(note=notes.append))
    assert "tensors from" in notes[1]
    assert "SHA-256" in notes[1]
    kept = checkpoint.weights["features.conv1.0.weight"]
    assert torch.allclose(kept, _published(ARCH)["conv1.0.weight"], atol=1e-6)


def _truncated(path: Path) -> None:
    torch.save(_published(ARCH), path)
    path.write_bytes(path.read_bytes()[:-5000])


def _flipped(path: Path) -> None:
    torch.save(_published(ARCH), path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


class _Surprise:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("this must never be printed",)


@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        (
            "w.pth",
            lambda p: torch.save(_published("resnet18"), p),
            r"weights of another network: no 'conv1\.0\.weight'",
        ),
        ("w.pth", lambda p: torch.save(_published("shufflenet_v2_x1_0"), p), r"is \(.*\) and should be"),
        ("w.pth", lambda p: torch.save(_published(ARCH) | {"more": torch.zeros(1)}, p), "'more' is too much"),
        ("w.pth", _truncated, "not a file of weights, or damaged"),
        ("w.pth", _flipped, "not a file of weights, or damaged"),
        ("w.pth", lambda p: p.write_bytes(pickle.dumps(_Surprise())), "holds more than tensors"),
        ("w.pth", lambda p: torch.save({"w": _Surprise()}, p), "holds more than tensors"),
        ("w.pth", lambda p: torch.save(torch.zeros(3), p), "not a file of weights"),
        ("w.pth", lambda p: p.write_bytes(b""), "damaged"),
        ("w.safetensors", lambda p: p.write_bytes(b"\x09" * 40), "not a file of weights, or damaged"),
    ],
)
def test_a_file_that_is_no_use_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, write: object, said: str
) -> None:
    assert callable(write)
    write(tmp_path / name)
    network = _network()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(DataError, match=said) as refusal:
        initialise(network, ARCH, str(tmp_path / name))
    assert str(tmp_path / name) in str(refusal.value)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert capsys.readouterr().out == ""


def test_no_such_file_is_wrong_use() -> None:
    with pytest.raises(UsageError, match=r"--init gone\.pth: no such file: name a file of weights"):
        initialise(_network(), ARCH, "gone.pth")


def test_imagenet_without_a_network_names_the_file_and_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setenv("TORCH_HOME", "/nowhere-at-all")
    with pytest.raises(UsageError, match=r"--init imagenet: resnet18-\w+\.pth can't be .*name your copy with --init"):
        initialise(_network("resnet18"), "resnet18", "imagenet")


def test_imagenet_takes_what_torchvision_downloads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    state = _published("resnet18")
    name = models.get_model_weights("resnet18").DEFAULT.url.rsplit("/", 1)[-1]
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(state, tmp_path / "hub" / "checkpoints" / name)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    network = _network("resnet18")
    assert initialise(network, "resnet18", "imagenet").source == "imagenet"
    assert _agrees(network, state)


@pytest.mark.parametrize("kept", [True, False])
def test_a_run_of_a_timm_network_brings_the_statistics_that_it_was_trained_with(tmp_path: Path, kept: bool) -> None:  # noqa: FBT001
    """Runs from before they were kept were trained with ImageNet's, whatever timm says of its own weights."""
    arch = "timm:tf_efficientnet_lite0"  # timm's own want 127.5
    earlier = _network(arch)
    own = InputStatistics((127.0,) * 3, (128.0,) * 3)
    earlier.use_statistics(own)
    state = {name: value for name, value in earlier.state_dict().items() if kept or name not in ("mean", "std")}
    torch.save(state, tmp_path / "run.pth")
    network = _network(arch)
    initialise(network, arch, str(tmp_path / "run.pth"))
    wanted = own if kept else IMAGENET_STATISTICS
    assert network.statistics.mean == pytest.approx(wanted.mean)
    assert network.statistics.std == pytest.approx(wanted.std)


def test_a_file_of_timm_s_names_brings_what_timm_says_of_it(tmp_path: Path) -> None:
    import timm

    arch = "timm:tf_efficientnet_lite0"
    torch.save(timm.create_model("tf_efficientnet_lite0").state_dict(), tmp_path / "w.pth")
    network = _network(arch)
    initialise(network, arch, str(tmp_path / "w.pth"))
    assert network.statistics == InputStatistics((127.5,) * 3, (127.5,) * 3)
