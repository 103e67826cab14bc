"""Which precision a run computes in, where that is left open."""

from pathlib import Path

import pytest
import torch

from tests.train.making import labelled
from train.config import TrainConfig, make_config
from train.fitting import precision
from train.fitting.fit import fit
from train.fitting.loop import Epoch
from train.fitting.precision import StepTimes, settle, step_times
from train.fitting.progress import ProgressCallbacks
from train.networks.carton import CartonNet
from train.networks.checkpoint import load_checkpoint


class Killed(Exception):  # noqa: N818 - it stands for a signal
    """Ends a run from within."""


def _config(**changes: object) -> TrainConfig:
    values: dict[str, object] = {"arch": "timm:test_resnet", "size": 32, "epochs": 2, "batch": 4, "refit": 0.5}
    return make_config(**(values | changes))


@pytest.fixture
def capable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor with instructions for bfloat16, whether this one has them or not."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})


def _measured(monkeypatch: pytest.MonkeyPatch, *times: StepTimes) -> None:
    given = iter(times)
    monkeypatch.setattr(precision, "step_times", lambda *_: next(given))


@pytest.mark.parametrize(
    ("times", "faster"), [((0.2, 0.1), "bf16"), ((0.1, 0.2), "32"), ((0.100, 0.098), "32"), ((0.100, 0.094), "bf16")]
)
def test_the_faster_is_taken_unless_the_difference_may_be_chance(times: tuple[float, float], faster: str) -> None:
    assert StepTimes(*times).faster == faster


def test_what_is_taken_is_said_with_both_times() -> None:
    assert StepTimes(0.2, 0.1).in_words().startswith("computing in bfloat16: 100 ms a step, 200 ms in 32 bits")
    assert StepTimes(0.1, 0.2).in_words().startswith("computing in 32 bits: 100 ms a step, 200 ms in bfloat16")


def test_steps_are_timed_on_a_copy_of_the_network() -> None:
    network = CartonNet("timm:test_resnet", 3).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    times = step_times(network, _config())
    assert min(times) > 0
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("asked", ["32", "bf16"])
@pytest.mark.usefixtures("capable")
def test_a_precision_that_is_asked_for_is_not_measured(tmp_path: Path, asked: str) -> None:
    told: list[str] = []
    config = _config(precision=asked)
    assert settle(config, CartonNet("timm:test_resnet", 3), tmp_path, told.append) == config
    assert not told


def test_without_instructions_for_bfloat16_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": False})
    _measured(monkeypatch)
    told: list[str] = []
    assert settle(_config(), CartonNet("timm:test_resnet", 3), tmp_path, told.append).precision == "32"
    assert not told


@pytest.mark.usefixtures("capable")
def test_a_run_that_goes_on_keeps_what_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.fitting.resume.SECONDS_BETWEEN", 0.0)
    _measured(monkeypatch, StepTimes(0.2, 0.1))  # once: measured again, it would be an error
    data, told = labelled(tmp_path / "data", each=5, val=1), list[str]()

    def end(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        fit(data, tmp_path / "run", _config(), ProgressCallbacks(end, told.append))
    assert sum("computing in bfloat16: 100 ms a step" in note for note in told) == 1
    checkpoint = fit(data, tmp_path / "run", _config(), resume=True)
    assert checkpoint.config.precision == "bf16"
    assert 'precision = "bf16"' in (tmp_path / "run" / "recipe.toml").read_text()
    assert load_checkpoint(tmp_path / "run").refit is not None
