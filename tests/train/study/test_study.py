"""The founding study's command, on drawn cartons and few photos."""

import json
from pathlib import Path

import pytest

from kardus.support.errors import UsageError
from tests.in_process import assert_one_line, call
from tests.train.making import class_folders
from train.__main__ import main
from train.evaluation.metrics import proportion
from train.fitting.progress import ProgressCallbacks
from train.study import study
from train.study.study import CONFIGURATIONS, Configuration, RunResult, Study, run_study
from train.study.study_report import write_study

Capture = pytest.CaptureFixture[str]
TINY = {"arch": "timm:test_resnet", "size": 32, "epochs": 1, "batch": 8, "precision": "32"}


def _last(asked: Study, told: ProgressCallbacks | None = None) -> list[RunResult]:
    return list(run_study(asked, told or ProgressCallbacks()))[-1]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quick study, quicker still; folds and protocols are the real ones."""
    monkeypatch.setattr(study, "QUICK", TINY)
    monkeypatch.setattr(study, "FOLDS", 2)


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_the_study_lays_its_tables_beside_ours(tmp_path: Path, capsys: Capture) -> None:
    photos = class_folders(tmp_path / "photos", each=4)
    result = call(capsys, main, "study", photos, "--out", tmp_path / "s", "--quick")
    assert result.returncode == 0, result.stderr
    text = (tmp_path / "s" / "study.md").read_text()
    assert "kardus-train study photos --out DIR --quick" in text
    assert text.count("not run: no weights") == 4 * 3  # loss, test and honest figure of each
    for part in ("87.19 %", "99.42 %", "0.1145", "What the leak is worth", "Honest protocol", "n |"):
        assert part in text
    rows = json.loads((tmp_path / "s" / "study.json").read_text())
    assert [row["name"] for row in rows] == [c.name for c in CONFIGURATIONS]
    ran = [row for row in rows if row["test"]]
    assert [row["name"] for row in ran] == ["ResNetx10", "ResNetx20", "RMCSAMx10", "RMCSAMx20"]
    assert {row["test"]["n"] for row in ran} == {row["honest"]["n"] for row in ran} == {12}
    assert [row["validation"]["n"] for row in ran] == [30, 60, 30, 60]
    assert (tmp_path / "s" / "curves" / "RMCSAMx20.png").is_file()


@pytest.mark.usefixtures("tiny")
def test_a_study_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = class_folders(tmp_path / "photos", each=4)
    monkeypatch.setattr(study, "CONFIGURATIONS", CONFIGURATIONS[:1])
    asked = Study(photos, tmp_path / "s", quick=True)
    first = _last(asked)
    told: list[object] = []
    assert _last(asked, ProgressCallbacks(told.append)) == first
    assert not told
    monkeypatch.setattr(study, "QUICK", TINY | {"epochs": 2})
    with pytest.raises(UsageError, match="ResNetx10 was run with other values: name a new folder"):
        _last(asked)


@pytest.mark.usefixtures("tiny")
def test_a_study_that_is_stopped_leaves_its_page_and_says_what_it_has_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "CONFIGURATIONS", CONFIGURATIONS[:2])
    asked = Study(class_folders(tmp_path / "photos", each=4), tmp_path / "s", quick=True, precision="bf16")
    page = write_study(asked, next(run_study(asked, ProgressCallbacks())), "kardus-train study").read_text()
    first, second = (line for line in page.splitlines() if "87.21 %" in line or "97.67 %" in line)
    assert first.endswith("| 12 | not run yet |  |")
    assert second.endswith("| 97.67 % | not run: no weights |  | not run: no weights |  |")
    assert "the study: ResNet-50, 224, 60, 8. Precision: bf16." in page


@pytest.mark.usefixtures("tiny")
def test_a_study_that_is_refused_leaves_the_page_as_it_was(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "CONFIGURATIONS", CONFIGURATIONS[:1])
    words = ("study", class_folders(tmp_path / "photos", each=4), "--out", tmp_path / "s", "--quick")
    assert call(capsys, main, *words).returncode == 0
    page = (tmp_path / "s" / "study.md").read_text()
    assert "not run yet" not in page
    refused = call(capsys, main, *words, "--precision", "bf16")
    assert_one_line(refused, 2, "ResNetx10 was run with other values")
    assert (tmp_path / "s" / "study.md").read_text() == page


@pytest.mark.usefixtures("tiny")
def test_weights_may_stand_in_for_imagenets_and_are_named(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = class_folders(tmp_path / "photos", each=4)
    monkeypatch.setattr(study, "CONFIGURATIONS", CONFIGURATIONS[1:2])
    (result,) = _last(Study(photos, tmp_path / "s", quick=True, standin=str(run_folder)))
    assert result.note == "stand-in weights: run"
    assert result.test is not None


def test_the_eight_runs_differ_as_the_studys_did() -> None:
    whole = Study(Path("photos"), Path("s"))
    configs = [whole.configure(c, "imagenet" if c.pretrained else "") for c in CONFIGURATIONS]
    assert len({(c.rmcsam, c.copies, c.init) for c in configs}) == 8
    assert {(c.arch, c.size, c.epochs, c.batch, c.lr, c.protocol) for c in configs} == {
        ("resnet50", 224, 60, 8, 5e-4, "founding")
    }


def test_a_data_set_too_small_for_the_study_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    data = class_folders(tmp_path / "data", each=1)
    assert_one_line(call(capsys, main, "study", data, "--out", tmp_path / "s", "--quick"), 1, "one photo to train on")


@pytest.mark.slow
@pytest.mark.parametrize("pretrained", [False, True])
@pytest.mark.usefixtures("tiny")
def test_the_study_runs_with_another_network_from_packaged_weights_with_and_without_attention(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, *, pretrained: bool
) -> None:
    chosen = tuple(c for c in CONFIGURATIONS if c.pretrained is pretrained and c.copies == 10)
    assert [c.rmcsam for c in chosen] == [False, True]
    monkeypatch.setattr(study, "CONFIGURATIONS", chosen)
    monkeypatch.setattr(study, "_run_honest", lambda _, result, *__: result)  # it trains by folds as any network is
    photos = class_folders(tmp_path / "photos", each=2)
    words = ("study", photos, "--out", tmp_path / "s", "--quick", "--arch", "timm:tf_efficientnet_lite0")
    assert call(capsys, main, *words).returncode == 0
    rows = json.loads((tmp_path / "s" / "study.json").read_text())
    assert [(row["name"], row["test"]["n"], row["note"]) for row in rows] == [(c.name, 6, "") for c in chosen]
    page = (tmp_path / "s" / "study.md").read_text()
    assert "--out DIR --quick --arch timm:tf_efficientnet_lite0" in page
    assert "Scaled to a processor (`--quick`): arch timm:tf_efficientnet_lite0, size 32" in page


def test_the_studys_runs_are_of_the_network_that_is_asked_for(tmp_path: Path) -> None:
    asked = Study(tmp_path, tmp_path, arch="timm:tf_efficientnet_lite0")
    configs = [asked.configure(configuration, "imagenet") for configuration in CONFIGURATIONS]
    assert {config.arch for config in configs} == {"timm:tf_efficientnet_lite0"}
    assert [config.rmcsam for config in configs] == [False] * 4 + [True] * 4
    assert Study(tmp_path, tmp_path).configure(CONFIGURATIONS[0], "").arch == "resnet50"


def test_the_studys_size_and_length_are_those_that_are_asked_for_and_its_page_says_so(tmp_path: Path) -> None:
    asked = Study(tmp_path, tmp_path, size=128, epochs=20)
    configs = [asked.configure(configuration, "") for configuration in CONFIGURATIONS]
    assert {(config.size, config.epochs, config.batch) for config in configs} == {(128, 20, 8)}
    page = write_study(asked, [], "the command").read_text()
    assert (
        "Scaled to a processor: arch resnet50, size 128, epochs 20, batch 8; the study: ResNet-50, 224, 60, 8" in page
    )


def test_the_page_lays_what_pretraining_is_worth_beside_what_the_leak_is_worth(tmp_path: Path) -> None:
    def result(configuration: Configuration, test: int, honest: int) -> RunResult:
        return RunResult(configuration, test=proportion("class", test, 100), honest=proportion("class", honest, 100))

    plain = {c.pretrained: c for c in CONFIGURATIONS if not c.rmcsam and c.copies == 10}
    results = [result(plain[False], 93, 62), result(plain[True], 98, 81), RunResult(CONFIGURATIONS[2])]
    page = write_study(Study(tmp_path, tmp_path), results, "the command").read_text()
    assert "| ResNetx10 | 19.0 | 31.0 |" in page
    assert "ResNetx20 |" not in page[page.index("## What pretraining") : page.index("## Curves")]


def test_the_study_refuses_an_unknown_network(tmp_path: Path, capsys: Capture) -> None:
    words = ("study", class_folders(tmp_path / "photos"), "--out", tmp_path / "s", "--arch", "resnet19")
    assert_one_line(call(capsys, main, *words), 2, "--arch resnet19: not known")
    assert not (tmp_path / "s").exists()
