"""Trusting proposals: networks that are really trained find the wrong ones, and the run says which and why."""

import csv
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kardus.contract.proposals import COLUMNS
from kardus.support.errors import DataError, UsageError
from tests.in_process import assert_nothing_written, assert_one_line, call
from tests.train.making import COLOURS, write_table
from train.__main__ import main
from train.config import TrainConfig, make_config
from train.data.data_set import read_data
from train.data.proposals import ProposedLabel
from train.data.proposals_report import JudgedProposal, proposals_of
from train.fitting.progress import ProgressCallbacks
from train.networks.checkpoint import load_checkpoint
from train.study.proposal_filter import FOLDS, LIGHT_PX, light_config, trust_proposed
from train.study.trusted_table import TRUSTED

Capture = pytest.CaptureFixture[str]
Row = dict[str, str]
EACH = 10
EASY: dict[str, object] = {"smallest_zoom": 0.9, "rotation": 0, "perspective": 0, "clutter": 0}
VALUES = {"arch": "resnet18", "size": 32, "epochs": 20, "batch": 8, "refit": 0} | EASY
SMALL = (
    "--recipe",
    "scratch",
    *(word for key, value in VALUES.items() for word in (f"--{key.replace('_', '-')}", value)),
)


def _photo(path: Path, name: str, index: int) -> None:
    """A photo that is like no other, in its class's colour."""
    rng = np.random.default_rng([index, len(name)])
    blocks = rng.normal(0, 25, (5, 5, 1)).repeat(8, axis=0).repeat(8, axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((np.array(COLOURS[name]) + blocks).clip(0, 255).astype(np.uint8)).save(path)


def _harvest(folder: Path, *more: Row) -> Path:
    """Three classes of proposals; the first of each is wrong, and one of red is confirmed."""
    names = list(COLOURS)
    rows = []
    for name in names:
        for index in range(EACH):
            path = f"photos/{name}/{index}.png"
            _photo(folder / path, name, index)
            proposed = names[(names.index(name) + 1) % 3] if index == 0 else name
            status = "confirmed" if (name, index) == ("red", 5) else "proposed"
            rows.append({"path": path, "status": status, "proposed": proposed})
    table = [[row.get(column, "") for column in COLUMNS] for row in [*rows, *more]]
    write_table(folder / "labels.csv", COLUMNS, *table)
    return folder


def _config(**changes: object) -> TrainConfig:
    return make_config(**(VALUES | changes))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run that trusts a harvest with three wrong labels, one that is wrongly confirmed, and two of no use."""
    folder = tmp_path_factory.mktemp("trust")
    few = {"path": "photos/red/3.png", "status": "proposed", "proposed": "Rarity"}
    gone = {"path": "photos/red/99.png", "status": "proposed", "proposed": "red"}
    data = _harvest(folder / "data", few, gone)
    table = data / "labels.csv"
    table.write_text(table.read_text().replace("photos/blue/7.png,,proposed", "photos/blue/7.png,green,confirmed"))
    words = ("kardus-train", "fit", data, "--trust-proposed", "--out", folder / "run", *SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [str(word) for word in words])
        with pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code
    return data, folder / "run"


def _judged(run: Path) -> dict[str, Row]:
    with (run / "proposals.csv").open(newline="", encoding="utf-8") as file:
        return {"/".join(row["path"].split("/")[-2:]) + row["proposed"]: row for row in csv.DictReader(file)}


@pytest.mark.slow
def test_wrong_labels_are_dropped_and_right_ones_are_trained_on(run: tuple[Path, Path]) -> None:
    rows = _judged(run[1])
    assert len(rows) == 3 * EACH - 2 + 2, "every proposal is told of, and no confirmed photo"
    wrong = {"blue/0.pnggreen", "green/0.pngred", "red/0.pngblue"}
    dropped = {key for key, row in rows.items() if row["why"] == "contradicted"}
    assert len(wrong & dropped) >= 2, "tiny networks on ten photos of each class may miss one"
    assert len(dropped - wrong) <= 4
    assert all((row["kept"] == "yes") == (row["why"] == "") for row in rows.values())
    for row in (rows[key] for key in dropped):
        assert row["answered"] != row["proposed"]
        assert float(row["likelihood"]) > float(row["of_proposed"])


@pytest.mark.slow
def test_what_cannot_be_checked_is_dropped_with_its_reason(run: tuple[Path, Path]) -> None:
    rows = _judged(run[1])
    assert rows["red/3.pngRarity"]["why"].startswith(f"fewer than {FOLDS} different photos")
    assert rows["red/99.pngred"]["why"] == "its photo is gone"


@pytest.mark.slow
def test_the_run_is_one_on_an_ordinary_data_set(run: tuple[Path, Path]) -> None:
    trusted = read_data(run[1] / TRUSTED)
    kept = [row for row in _judged(run[1]).values() if row["kept"] == "yes"]
    assert len(trusted.samples) == len(kept) + 2
    assert {info.name for info in trusted.classes} == set(COLOURS)
    checkpoint = load_checkpoint(run[1])
    assert checkpoint.data_source == str((run[1] / TRUSTED).resolve())
    assert (run[1] / "model.ckpt").is_file()


@pytest.mark.slow
def test_the_page_shows_what_was_dropped(run: tuple[Path, Path]) -> None:
    page = (run[1] / "report.html").read_text()
    assert "Labels that nobody has confirmed" in page
    contradicted = next(row for row in _judged(run[1]).values() if row["why"] == "contradicted")
    assert f"proposed {contradicted['proposed']} (" in page
    assert f"seen {contradicted['answered']} (" in page
    assert "fewer than 4 different photos" in page


def test_without_being_told_only_what_is_confirmed_is_trained_on(tmp_path: Path, capsys: Capture) -> None:
    data = _harvest(tmp_path / "data")
    refused = call(capsys, main, "fit", data, "--out", tmp_path / "run", *SMALL)
    assert_one_line(refused, 1, "class 'red'")
    assert_nothing_written(tmp_path, tmp_path / "run")


@pytest.mark.slow
def test_what_is_confirmed_is_never_dropped(run: tuple[Path, Path]) -> None:
    """Even where it is contradicted: somebody has looked at it."""
    named = {"/".join(sample.path.parts[-2:]): sample.name for sample in read_data(run[1] / TRUSTED).samples}
    assert named["blue/7.png"] == "green"
    assert named["red/5.png"] == "red"


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_with_the_folds_that_it_has(
    run: tuple[Path, Path], tmp_path: Path, capsys: Capture
) -> None:
    data, done = run
    out = tmp_path / "run"
    shutil.copytree(done / "trust", out / "trust")
    shutil.rmtree(out / "trust" / "seed0-fold4")
    words = ("fit", data, "--trust-proposed", "--out", out, *SMALL)
    assert_one_line(call(capsys, main, *words), 2, "holds an unfinished run: go on with --resume")
    went_on = call(capsys, main, *words, "--resume")
    assert went_on.returncode == 0, went_on.stderr
    assert went_on.stderr.count("epoch 1/10") == 1, "one fold of four"
    assert (out / "proposals.csv").read_text() == (done / "proposals.csv").read_text()
    assert (out / "model.ckpt").is_file()


def test_networks_that_have_learnt_nothing_contradict_nobody(tmp_path: Path) -> None:
    data = _harvest(tmp_path / "data")
    with pytest.raises(DataError, match=r"agree with \d+ of 29 proposals, too few to tell which are wrong"):
        trust_proposed(data, tmp_path / "run", _config(arch="timm:test_resnet", epochs=1), ProgressCallbacks())


def test_no_proposals_too_few_and_the_founding_protocol_are_refused(tmp_path: Path) -> None:
    data = _harvest(tmp_path / "data")
    with pytest.raises(UsageError, match="needs --protocol honest"):
        trust_proposed(data, tmp_path / "run", _config(protocol="founding", copies=2), ProgressCallbacks())
    table = data / "labels.csv"
    whole = table.read_text()
    table.write_text("".join(line for line in whole.splitlines(keepends=True) if "red" in line or "path" in line))
    with pytest.raises(DataError, match="fewer than two classes have 4 different photos: let more be collected"):
        trust_proposed(data, tmp_path / "run", _config(), ProgressCallbacks())
    table.write_text(whole.replace("proposed,", "confirmed,").replace("confirmed,seen", "proposed,seen"))
    with pytest.raises(DataError, match="no proposals in it: leave --trust-proposed out"):
        trust_proposed(data, tmp_path / "run", _config(), ProgressCallbacks())
    assert not (tmp_path / "run").exists()


ODD = ("TRUE", "2024-05-01", "Jan-24")
Judging = Callable[[Sequence[ProposedLabel]], list[bool]]


def _odd_harvest(folder: Path) -> Path:
    """Proposals of products whose names a spreadsheet program would change; two photos are of one carton each time."""
    rows: list[Row] = []
    for name, colour in zip(ODD, COLOURS, strict=True):
        for index in range(EACH):
            path = f"photos/{colour}/{index}.png"
            _photo(folder / path, colour, index)
            status = "confirmed" if index == 0 else "proposed"
            rows.append({"path": path, "status": status, "proposed": name, "group": f"{colour}{index // 2}"})
    columns = (*COLUMNS, "group")
    write_table(folder / "labels.csv", columns, *([row.get(column, "") for column in columns] for row in rows))
    return folder


def _trust(data: Path, out: Path, patch: pytest.MonkeyPatch, judging: Judging, **changes: object) -> list[str]:
    """Trust proposals, judged so in place of networks; returns the notes."""
    notes: list[str] = []

    def train_none(_: object, folder: Path, *__: object) -> list[object]:
        folder.mkdir()
        return []

    patch.setattr("train.study.proposal_filter.train_folds", train_none)

    def judge(pool: Any, _: object) -> list[JudgedProposal]:
        kept = judging(pool.proposals)
        return [
            JudgedProposal(p, kept=k, why="" if k else "contradicted", answered=p.sku if k else "other")
            for p, k in zip(pool.proposals, kept, strict=True)
        ]

    patch.setattr("train.study.proposal_filter._judge", judge)
    patch.setattr("train.study.proposal_filter.AGREEMENT", 0)
    trust_proposed(data, out, _config(**changes), ProgressCallbacks(note=notes.append))
    return notes


def test_names_and_groups_of_the_trusted_are_those_of_the_harvest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _odd_harvest(tmp_path / "data")
    _trust(data, tmp_path / "run", monkeypatch, lambda proposals: [True] * len(proposals))
    trusted = read_data(tmp_path / "run" / TRUSTED)
    assert {info.name for info in trusted.classes} == set(ODD)
    assert {info.sku for info in trusted.classes} == set(ODD)
    assert Counter(sample.group for sample in trusted.samples) == {
        f"{colour}{n}": 2 for colour in COLOURS for n in range(EACH // 2)
    }
    told = proposals_of(tmp_path / "run")
    assert told is not None
    assert sorted(sku for sku, _, _ in told["by_sku"]) == sorted(ODD)


@pytest.mark.parametrize(("folds", "kept"), [(0, 0), (3, 3)])  # with folds: two cartons are left of the three
def test_what_is_left_of_a_class_that_cannot_be_trained_is_dropped_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folds: int, kept: int
) -> None:
    data, out = _odd_harvest(tmp_path / "data"), tmp_path / "run"
    first = [f"{index}.png" for index in range(1, kept + 1)]
    notes = _trust(
        data,
        out,
        monkeypatch,
        lambda proposals: [p.sku != "TRUE" or p.path.name in first for p in proposals],
        folds=folds,
    )
    assert "class 'TRUE' is left out: too few photos of its class are left to train on" in notes
    trusted = read_data(out / TRUSTED)
    assert {sample.name for sample in trusted.samples} == {"2024-05-01", "Jan-24"}
    with (out / "proposals.csv").open(newline="", encoding="utf-8") as file:
        why = Counter(row["why"] for row in csv.DictReader(file) if row["proposed"] == '="TRUE"')
    few = "too few photos of its class are left to train on"
    assert why == Counter(contradicted=EACH - 1 - kept) + Counter({few: kept})


@pytest.mark.parametrize("folds", [0, 3])
def test_a_class_that_no_proposal_can_help_is_refused_before_anything_is_trained(tmp_path: Path, folds: int) -> None:
    data = _harvest(tmp_path / "data", {"path": "photos/red/3.png", "name": "Rarity"})
    with pytest.raises(DataError, match=f"class 'Rarity' has 1 of the {folds or 2} photos that training needs, and no"):
        trust_proposed(data, tmp_path / "run", _config(folds=folds), ProgressCallbacks())
    assert not (tmp_path / "run").exists()


def test_the_folds_are_lighter_than_the_run() -> None:
    whole = make_config(size=224, teacher="x")
    light = light_config(whole, 400)
    assert (light.size, light.folds, light.seeds, light.refit, light.teacher) == (LIGHT_PX, FOLDS, 1, 0.0, "")
    assert light.first_size <= LIGHT_PX
    assert light.epochs == round(whole.for_photos(300).epochs / 2)
    assert light_config(_config(size=64), 400).size == 64
