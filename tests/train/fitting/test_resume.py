"""A run that is killed at any moment goes on to the same result; nothing good is ever lost."""

import os
import re
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from kardus.support.errors import DataError, KardusError, UsageError
from tests.conftest import BIN
from tests.in_process import call
from tests.train.making import labelled
from train.__main__ import main
from train.config import TrainConfig, make_config
from train.fitting.fit import fit
from train.fitting.loop import Epoch
from train.fitting.progress import ProgressCallbacks
from train.fitting.resume import LAST_STATE_FILE
from train.fitting.run_folder import REPORT
from train.networks.checkpoint import CHECKPOINT, MEASURED, load_checkpoint

Capture = pytest.CaptureFixture[str]
Weights = dict[str, torch.Tensor]


class Killed(Exception):  # noqa: N818 - it stands for a signal
    """Ends a run from within, wherever it is."""


@pytest.fixture(autouse=True)
def _keep_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.fitting.resume.SECONDS_BETWEEN", 0.0)


def _config(**changes: object) -> TrainConfig:
    values: dict[str, object] = {"arch": "timm:test_resnet", "size": 32, "epochs": 3, "batch": 4, "refit": 0.5}
    values["precision"] = "32"  # which one is faster is measured, and may be another each time
    return make_config(**(values | changes))


def _killed_at(place: int) -> ProgressCallbacks:
    """Ends the run when it tells of its `place`-th epoch."""
    told = 0

    def count(_: Epoch) -> None:
        nonlocal told
        told += 1
        if told == place:
            raise Killed

    return ProgressCallbacks(count)


def _same(one: Weights, other: Weights) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Weights]:
    """A data set, and the weights that an undisturbed run of it comes to."""
    folder = tmp_path_factory.mktemp("whole")
    data = labelled(folder / "data", each=5, val=1)
    return data, fit(data, folder / "run", _config()).weights


def test_a_refitted_run_keeps_the_network_that_was_measured(whole: tuple[Path, Weights]) -> None:
    data, weights = whole
    measured = load_checkpoint(data.parent / "run" / MEASURED)
    assert not measured.refitted
    assert measured.photos == 12
    assert not _same(measured.weights, weights)
    assert measured.calibration == load_checkpoint(data.parent / "run").calibration


@pytest.mark.parametrize("place", [1, 3, 4])  # the first epoch, the last, and the first of the refit
def test_a_run_that_was_ended_goes_on_to_the_same_weights(
    whole: tuple[Path, Weights], tmp_path: Path, place: int
) -> None:
    data, weights = whole
    with pytest.raises(Killed):
        fit(data, tmp_path / "run", _config(), _killed_at(place))
    checkpoint = fit(data, tmp_path / "run", _config(), resume=True)
    assert _same(weights, checkpoint.weights)
    assert not list((tmp_path / "run").glob("last*")) + list((tmp_path / "run").glob("refit*"))


def _ended_in_its_report(*_: object) -> None:
    raise Killed


@pytest.mark.parametrize("refit", [0, 0.5])
@pytest.mark.parametrize("place", ["accuracy_by_pixels", "report_run"])
def test_a_run_that_was_ended_in_its_report_goes_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refit: float, place: str
) -> None:
    data, out = labelled(tmp_path / "data", each=5, val=1), tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(f"train.fitting.fit.{place}", _ended_in_its_report)
        with pytest.raises(Killed):
            fit(data, out, _config(refit=refit))
    trained = load_checkpoint(out).weights
    with pytest.raises(UsageError, match="holds an unfinished run: go on with --resume"):
        fit(data, out, _config(refit=refit))
    checkpoint = fit(data, out, _config(refit=refit), resume=True)
    assert (out / REPORT).exists()
    assert checkpoint.pixels
    assert load_checkpoint(out).pixels == checkpoint.pixels
    assert _same(checkpoint.weights, trained) == (refit == 0), "it isn't trained again"
    with pytest.raises(UsageError, match="holds a run already"):
        fit(data, out, _config(refit=refit), resume=True)


def test_a_report_that_lacked_a_photo_is_written_once_it_is_back(tmp_path: Path) -> None:
    data, out = labelled(tmp_path / "data", each=5, val=1), tmp_path / "run"
    notes: list[str] = []
    photo = data / "blue" / "0.png"

    def take_away(_: Epoch) -> None:
        if photo.exists():
            photo.rename(tmp_path / "away.png")

    fit(data, out, _config(refit=0), ProgressCallbacks(take_away, notes.append))
    assert any(note.endswith(f"--resume writes {REPORT}") for note in notes)
    (tmp_path / "away.png").rename(photo)
    assert not (out / REPORT).exists()
    fit(data, out, _config(refit=0), resume=True)
    assert (out / REPORT).exists()


@pytest.fixture
def _one_thread() -> Iterator[None]:
    """As in a process of the environment OMP_NUM_THREADS=1: sums are taken in the same order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_one_thread")
def test_kill_9_and_resume_come_to_the_same_weights(tmp_path: Path, capsys: Capture) -> None:
    data = labelled(tmp_path / "data", each=5, val=1)
    options = (
        "--recipe",
        "scratch",
        "--arch",
        "timm:test_resnet",
        "--size",
        "32",
        "--epochs",
        "10",
        "--precision",
        "32",
        "--batch",
        "4",
        "--refit",
        "0",
        "--out",
    )
    command = [str(BIN / "kardus-train"), "fit", str(data), *options, str(tmp_path / "cut")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if b"epoch 3/" in line:  # the first epoch was kept; the next is only after a minute
                run.send_signal(signal.SIGSTOP)
                beside = call(capsys, main, "fit", data, *options, tmp_path / "cut", "--resume")
                run.send_signal(signal.SIGKILL)
                break
    assert beside.returncode == 2
    assert f"--out {tmp_path / 'cut'}: another process is training in it: wait for it, or stop it" in beside.stderr
    assert run.returncode == -signal.SIGKILL
    assert not (tmp_path / "cut" / CHECKPOINT).exists()
    refused = call(capsys, main, "fit", data, *options, tmp_path / "cut")
    assert refused.returncode == 2
    assert "holds an unfinished run: go on with --resume, or name a new folder" in refused.stderr
    assert call(capsys, main, "fit", data, *options, tmp_path / "cut", "--resume").returncode == 0
    assert call(capsys, main, "fit", data, *options, tmp_path / "whole").returncode == 0
    first, second = (load_checkpoint(tmp_path / name) for name in ("whole", "cut"))
    assert _same(first.weights, second.weights)
    assert first.calibration == second.calibration


def test_what_is_kept_can_be_evaluated(whole: tuple[Path, Weights], tmp_path: Path, capsys: Capture) -> None:
    data, _ = whole
    with pytest.raises(Killed):
        fit(data, tmp_path / "run", _config(), _killed_at(2))
    assert call(capsys, main, "evaluate", tmp_path / "run" / LAST_STATE_FILE, data).returncode == 0


@pytest.mark.parametrize(("changes", "named"), [({"lr": 0.5}, "--lr"), ({"epochs": 9}, "--epochs")])
def test_a_run_goes_on_with_its_own_values_only(
    whole: tuple[Path, Weights], tmp_path: Path, changes: dict[str, object], named: str
) -> None:
    data, _ = whole
    with pytest.raises(Killed):
        fit(data, tmp_path / "run", _config(), _killed_at(2))
    with pytest.raises(UsageError, match=rf"--resume: .*last\.ckpt was begun with another {named} \("):
        fit(data, tmp_path / "run", _config(**changes), resume=True)


def test_a_run_that_was_measured_goes_on_with_its_own_values_only(whole: tuple[Path, Weights], tmp_path: Path) -> None:
    data, _ = whole
    with pytest.raises(Killed):
        fit(data, tmp_path / "run", _config(), _killed_at(4))
    with pytest.raises(UsageError, match=r"--resume: .*model\.ckpt was begun with another --dropout"):
        fit(data, tmp_path / "run", _config(dropout=0.5), resume=True)


def test_a_run_goes_on_with_its_own_photos_only(whole: tuple[Path, Weights], tmp_path: Path) -> None:
    data, _ = whole
    with pytest.raises(Killed):
        fit(data, tmp_path / "run", _config(), _killed_at(2))
    other = labelled(tmp_path / "other", each=4, val=1)
    with pytest.raises(UsageError, match=r"last\.ckpt was begun with another data set"):
        fit(other, tmp_path / "run", _config(), resume=True)


def test_a_damaged_state_is_named(whole: tuple[Path, Weights], tmp_path: Path) -> None:
    data, _ = whole
    with pytest.raises(Killed):
        fit(data, tmp_path / "run", _config(), _killed_at(2))
    state = tmp_path / "run" / LAST_STATE_FILE
    state.write_bytes(state.read_bytes()[:-2000])
    with pytest.raises(DataError, match=r"last\.ckpt: not a Kardus checkpoint, or damaged"):
        fit(data, tmp_path / "run", _config(), resume=True)


def test_resume_where_nothing_was_begun_begins(whole: tuple[Path, Weights], tmp_path: Path) -> None:
    data, weights = whole
    assert _same(weights, fit(data, tmp_path / "run", _config(), resume=True).weights)


def test_a_finished_run_is_never_overwritten(tmp_path: Path) -> None:
    data = labelled(tmp_path / "data", each=4, val=1)
    fit(data, tmp_path / "run", _config(epochs=1))
    before = (tmp_path / "run" / CHECKPOINT).read_bytes()
    for resume in (False, True):
        with pytest.raises(UsageError, match="holds a run already"):
            fit(data, tmp_path / "run", _config(epochs=1), resume=resume)
    assert (tmp_path / "run" / CHECKPOINT).read_bytes() == before


def test_a_loss_that_is_no_number_keeps_the_last_good_state_and_names_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = labelled(tmp_path / "data", each=5, val=1)
    finite = torch.isfinite
    asked = 0

    def fail_at_eighth(value: torch.Tensor) -> torch.Tensor:
        nonlocal asked
        asked += value.ndim == 0 and value.requires_grad  # a loss
        return torch.tensor(data=False) if asked == 8 else finite(value)

    monkeypatch.setattr(torch, "isfinite", fail_at_eighth)
    said = r"the loss became .* in epoch 3, batch 2 of 3: lower --lr \(0\.002\); the last good state is .*last\.ckpt"
    with pytest.raises(KardusError, match=said):
        fit(data, tmp_path / "run", _config())
    monkeypatch.setattr(torch, "isfinite", finite)
    assert load_checkpoint(tmp_path / "run" / LAST_STATE_FILE).weights
    fit(data, tmp_path / "run", _config(), resume=True)


def test_a_state_with_weights_that_are_no_numbers_is_not_kept(tmp_path: Path) -> None:
    data = labelled(tmp_path / "data", each=5, val=1)
    with pytest.raises(KardusError, match="lower --lr"):
        fit(data, tmp_path / "run", _config(lr=1e25, clip=0, precision="32"))
    assert not (tmp_path / "run").exists()


@contextmanager
def _no_file_larger_than(most: int) -> Iterator[None]:
    """The kernel takes no larger file of this process, as a full disk takes none."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_takes_no_more_leaves_the_state_before_and_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    data = labelled(tmp_path / "data", each=5, val=1)
    with pytest.raises(Killed):
        fit(data, tmp_path / "run", _config(), _killed_at(2))
    before = (tmp_path / "run" / LAST_STATE_FILE).read_bytes()
    words = "--recipe scratch --arch timm:test_resnet --size 32 --epochs 3 --batch 4 --refit 0.5"
    options = words.split()
    with _no_file_larger_than(len(before) // 2):
        result = call(capsys, main, "fit", data, *options, "--out", tmp_path / "run", "--resume")
    errors = [line for line in result.stderr.splitlines() if line.startswith("error")]
    assert result.returncode == 1
    assert len(errors) == 1
    assert re.search(r"last\.ckpt: cannot be written \(File too large\): check the folder, .* its space", errors[0])
    assert (tmp_path / "run" / LAST_STATE_FILE).read_bytes() == before
    assert fit(data, tmp_path / "run", _config(), resume=True).refitted
