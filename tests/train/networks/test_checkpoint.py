"""What a run leaves behind."""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kardus.contract.manifest import ClassInfo
from kardus.support.errors import DataError
from train.config import make_config
from train.networks.carton import GeM
from train.networks.checkpoint import CHECKPOINT, FORMAT, build_network, load_checkpoint, save_checkpoint, write_json
from train.networks.rmcsam import RMCSAM


def test_checkpoint_comes_back_as_it_was_saved(run_folder: Path, tmp_path: Path) -> None:
    saved = load_checkpoint(run_folder)
    save_checkpoint(tmp_path / "copy.ckpt", saved)
    again = load_checkpoint(tmp_path / "copy.ckpt")
    assert all(torch.equal(saved.weights[name], again.weights[name]) for name in saved.weights)
    assert torch.equal(saved.prototypes, again.prototypes)
    tensors = ("weights", "prototypes")
    rest = [{k: v for k, v in vars(checkpoint).items() if k not in tensors} for checkpoint in (saved, again)]
    assert rest[0] == rest[1]
    assert [path.name for path in tmp_path.iterdir()] == ["copy.ckpt"]


def test_checkpoint_knows_everything_needed_to_use_it(run_folder: Path, photos: Path) -> None:
    checkpoint = load_checkpoint(run_folder)
    assert checkpoint.config.arch == "timm:test_resnet"
    assert len(checkpoint.classes) == 15
    assert checkpoint.photos == 90
    assert checkpoint.calibration.n == checkpoint.metrics[0].n == 30
    assert checkpoint.data_source == str(photos.resolve())
    assert {"kardus", "torch", "torchvision"} <= set(checkpoint.versions)


def test_model_has_the_trained_weights_and_is_in_evaluation_mode(run_folder: Path) -> None:
    checkpoint = load_checkpoint(run_folder / CHECKPOINT)
    model = checkpoint.model()
    assert not model.training
    assert all(torch.equal(tensor, checkpoint.weights[name]) for name, tensor in model.state_dict().items())


def test_network_is_the_one_that_the_configuration_describes() -> None:
    scales = {"rmcsam_recursions": 2, "rmcsam_reductions": (4, 64), "rmcsam_kernels": (9,)}
    config = make_config(
        arch="shufflenet_v2_x0_5", rmcsam=True, pooling="gem", dropout=0.4, category_weight=0.5, **scales
    )
    classes = [ClassInfo(name=f"n{i}", category=f"c{i % 2}", sku=f"n{i}") for i in range(9)]
    network = build_network(config, classes)
    assert isinstance(network.attention, RMCSAM)
    assert network.attention.recursions == 2
    assert [p[0].out_features for p in network.attention.channel.perceptrons] == [256, 16]  # type: ignore[index]
    assert [c[0].kernel_size for c in network.attention.spatial.convolutions] == [(9, 9)]  # type: ignore[index]
    assert network.category_head is not None
    assert network.category_head.out_features == 2
    assert isinstance(network.pool, GeM)
    assert network.dropout.p == 0.4
    assert network.head.out_features == 9


def _absent(file: Path, _: bytes) -> None:
    file.unlink()


def _truncated(file: Path, good: bytes) -> None:
    file.write_bytes(good[: len(good) // 2])


def _text(file: Path, _: bytes) -> None:
    file.write_text("hello")


def _empty(file: Path, _: bytes) -> None:
    file.write_bytes(b"")


def _other_list(file: Path, _: bytes) -> None:
    torch.save([1, 2, 3], file)


def _other_model(file: Path, _: bytes) -> None:
    torch.save({"state_dict": {}, "epoch": 3}, file)


def _bad_config(file: Path, _: bytes) -> None:
    content = torch.load(file, weights_only=True)
    content["config"]["size"] = -4
    torch.save(content, file)


def _future_format(file: Path, _: bytes) -> None:
    content = torch.load(file, weights_only=True)
    content["format"] = FORMAT + 1
    torch.save(content, file)


@pytest.mark.parametrize(
    "spoil", [_absent, _truncated, _text, _empty, _other_list, _other_model, _bad_config, _future_format]
)
def test_file_that_is_no_checkpoint_is_refused(
    run_folder: Path, tmp_path: Path, spoil: Callable[[Path, bytes], None]
) -> None:
    file = tmp_path / CHECKPOINT
    file.write_bytes((run_folder / CHECKPOINT).read_bytes())
    spoil(file, file.read_bytes())
    with pytest.raises(DataError) as failure:
        load_checkpoint(tmp_path)
    assert str(failure.value).startswith(f"{file}: ")
    assert "\n" not in str(failure.value)


class _Evil:
    """Would write a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("by", ["torch", "pickle"])
def test_checkpoint_cannot_run_code(tmp_path: Path, by: str) -> None:
    file, target = tmp_path / CHECKPOINT, tmp_path / "code ran"
    if by == "torch":
        torch.save({"format": FORMAT, "config": _Evil(target)}, file)
    else:
        file.write_bytes(pickle.dumps(_Evil(target)))
    with pytest.raises(DataError, match="not a Kardus checkpoint"):
        load_checkpoint(file)
    assert not target.exists()


@pytest.mark.parametrize("place", [0.001, 0.2, 0.5, 0.9, 0.999])
def test_a_flipped_byte_anywhere_is_noticed(run_folder: Path, tmp_path: Path, place: float) -> None:
    data = bytearray((run_folder / CHECKPOINT).read_bytes())
    data[int(place * len(data))] ^= 0x40
    (tmp_path / "bad.ckpt").write_bytes(data)
    with pytest.raises(DataError, match=r"bad\.ckpt: not a Kardus checkpoint, or damaged"):
        load_checkpoint(tmp_path / "bad.ckpt")


def test_weights_of_another_network_are_refused(run_folder: Path, tmp_path: Path) -> None:
    saved = load_checkpoint(run_folder)
    for changes in ({"arch": "resnet18"}, {"rmcsam": True}, {"arch": "none"}):
        other = replace(saved, config=saved.config.model_copy(update=changes))
        save_checkpoint(tmp_path / "other.ckpt", other)
        with pytest.raises(DataError, match=r"other\.ckpt: not a Kardus checkpoint"):
            load_checkpoint(tmp_path / "other.ckpt")
    torch.save(torch.zeros(3), tmp_path / "tensor.ckpt")
    with pytest.raises(DataError, match=r"tensor\.ckpt: not a Kardus checkpoint"):
        load_checkpoint(tmp_path / "tensor.ckpt")


def test_write_json_keeps_letters_readable(tmp_path: Path) -> None:
    write_json(tmp_path / "file.json", {"name": "Früchtetee 茶", "n": 3})
    text = (tmp_path / "file.json").read_text(encoding="utf-8")
    assert "Früchtetee 茶" in text
    assert json.loads(text) == {"name": "Früchtetee 茶", "n": 3}
