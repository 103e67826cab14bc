"""Recipes are read, refused where they are wrong, and left behind by every run."""

from pathlib import Path

import pytest
import torch

from kardus.support.errors import UsageError
from tests.in_process import assert_one_line, call
from tests.train.making import labelled
from train.__main__ import main
from train.config import TrainConfig, make_config
from train.networks.carton import CartonNet
from train.networks.checkpoint import load_checkpoint
from train.networks.macs import multiply_adds
from train.networks.packaged_weights import PACKAGED
from train.recipe import FILE, read_recipe, recipe_names, write_recipe

Capture = pytest.CaptureFixture[str]
TINY = ("--arch", "shufflenet_v2_x0_5", "--size", 32, "--epochs", 1, "--batch", 4, "--refit", 0)


@pytest.mark.parametrize("name", recipe_names())
def test_the_recipes_that_come_with_kardus_can_be_used(name: str) -> None:
    assert make_config(**read_recipe(name))


def test_values_that_a_recipe_does_not_give_are_those_of_scratch() -> None:
    assert make_config(**read_recipe("scratch")) == TrainConfig()


@pytest.mark.parametrize(("name", "most"), [("kardus", 0.9e9), ("light", 0.4e9)])
def test_a_pretrained_recipe_starts_from_packaged_weights_and_keeps_to_its_cost(name: str, most: float) -> None:
    config = make_config(**read_recipe(name))
    assert config.init == "imagenet"
    assert config.arch in PACKAGED
    assert multiply_adds(CartonNet(config.arch, 28), config.size) <= most


def test_a_network_that_is_pretrained_sees_many_photos_less_often() -> None:
    scratch, pretrained = make_config(), make_config(init="imagenet")
    assert [scratch.for_photos(count).epochs for count in (60, 637, 100_000)] == [1200, 90, 30]
    assert [pretrained.for_photos(count).epochs for count in (60, 637, 100_000)] == [1200, 64, 20]
    assert make_config(epochs=7, init="imagenet").for_photos(60).epochs == 7


def test_a_configuration_comes_back_as_it_was_written(tmp_path: Path) -> None:
    config = make_config(rmcsam=True, rmcsam_kernels=(9, 3), lr=1e-9, init='a "b" ü.pth', cutmix=0.5)
    write_recipe(tmp_path / FILE, config)
    for source in (tmp_path, tmp_path / FILE):
        assert make_config(**read_recipe(str(source))) == config


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch = 3\n", "epoch: no such key: see the options"),
        ("epochs = -1\n", "--epochs -1: input should be greater"),
        ("epochs = ", "not valid TOML"),
    ],
)
def test_a_recipe_that_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(UsageError, match=said):
        read_recipe(str(tmp_path / "r.toml"))


def test_no_such_recipe_is_wrong_use(tmp_path: Path, capsys: Capture) -> None:
    result = call(capsys, main, "fit", tmp_path, "--out", tmp_path / "run", "--recipe", "best")
    assert_one_line(
        result,
        2,
        "--recipe best: no such recipe: use founding, kardus, light, scratch, a .toml file, or a run's folder",
    )


def test_options_go_before_the_recipe(tmp_path: Path, capsys: Capture) -> None:
    data = labelled(tmp_path / "data")
    (tmp_path / "r.toml").write_text("dropout = 0.5\nepochs = 7\nrmcsam_kernels = [3]\n")
    words = ("fit", data, "--out", tmp_path / "run", "--recipe", tmp_path / "r.toml", *TINY)
    assert call(capsys, main, *words, "--rmcsam", "--rmcsam-kernels", "5,3").returncode == 0
    config = load_checkpoint(tmp_path / "run").config
    assert (config.dropout, config.epochs, config.rmcsam, config.rmcsam_kernels) == (0.5, 1, True, (5, 3))


def test_a_run_is_made_again_from_its_own_folder(tmp_path: Path, capsys: Capture) -> None:
    data = labelled(tmp_path / "data")
    assert (
        call(capsys, main, "fit", data, "--out", tmp_path / "a", "--recipe", "scratch", *TINY, "--seed", 4).returncode
        == 0
    )
    assert call(capsys, main, "fit", data, "--out", tmp_path / "b", "--recipe", tmp_path / "a").returncode == 0
    first, second = (load_checkpoint(tmp_path / name) for name in ("a", "b"))
    assert first.config == second.config
    assert all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)
