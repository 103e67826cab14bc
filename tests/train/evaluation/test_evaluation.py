"""The figures of an evaluation, on a model whose every answer is known beforehand."""

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kardus.contract.manifest import Calibration, ClassInfo, Metric
from kardus.inference.preprocess import Pixels
from kardus.inference.raw_outputs import RawOutputs
from kardus.support.errors import DataError
from kardus.support.proportions import wilson
from tests.train.making import Colour, class_folders, labelled, plain_photo, write_table
from train.config import make_config
from train.data.data_set import read_data
from train.data.splits import with_split
from train.evaluation.evaluation import Evaluation, evaluate, measure_rejection, write_predictions
from train.evaluation.metrics import calibration_error
from train.evaluation.predictor import ModelOrigin, open_predictor
from train.fitting.fit import fit

FACE, SIDE, ORANGE, BLUE = (200, 30, 30), (140, 20, 60), (240, 150, 20), (30, 40, 220)
CLASSES = {
    "cola": (FACE, ClassInfo(name="cola", sku="COLA", category="drinks", face="face")),
    "cola side": (SIDE, ClassInfo(name="cola side", sku="COLA", category="drinks", face="side")),
    "fanta": (ORANGE, ClassInfo(name="fanta", sku="FANTA", category="drinks")),
    "soap": (BLUE, ClassInfo(name="soap", sku="SOAP", category="washing")),
}


ORIGIN = ModelOrigin(data_sha256="of no data set")


@dataclass(frozen=True)
class ColourModel:
    """Knows each class by its colour; the logit is less the farther the colour is."""

    calibration: Calibration
    origin: ModelOrigin = ORIGIN
    size_px: int = 8
    classes: tuple[ClassInfo, ...] = tuple(info for _, info in CLASSES.values())

    @property
    def prototypes(self) -> NDArray[np.float32]:
        """The embedding is the mean colour."""
        return np.array([colour for colour, _ in CLASSES.values()], dtype=np.float32)

    def outputs(self, crops: Pixels) -> RawOutputs:
        """The logit is 10 for the very colour, less by 1 for each 10 steps of distance; there is no evidence."""
        known = np.array([colour for colour, _ in CLASSES.values()], dtype=np.float32)
        distance = np.abs(crops.mean(axis=(1, 2))[:, None] - known).sum(axis=2)
        logits: NDArray[np.float32] = (10 - distance / 10).astype(np.float32)
        nothing = np.zeros((len(crops), 2, 2), dtype=np.float32)
        return RawOutputs(logits, crops.mean(axis=(1, 2)).astype(np.float32), nothing)


MODEL = ColourModel(Calibration(rejection_threshold=5.0))
PHOTOS: tuple[tuple[str, Colour], ...] = (
    ("cola", FACE),
    ("cola", FACE),
    ("cola", SIDE),  # wrong class, right SKU
    ("cola side", SIDE),
    ("fanta", ORANGE),
    ("fanta", FACE),  # wrong SKU, right category
    ("soap", BLUE),
    ("soap", ORANGE),  # all wrong
    ("pasta", (90, 90, 90)),  # not known to the model
    ("pasta", (90, 90, 90)),
)


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """The photos above with labels.csv."""
    folder = tmp_path / "shelf"
    rows = []
    for number, (name, colour) in enumerate(PHOTOS):
        plain_photo(folder / f"{number}.png", colour)
        rows.append((f"{number}.png", name, "test" if number % 2 else "val"))
    write_table(folder / "labels.csv", ("path", "name", "split"), *rows)
    return folder


def _evaluate(shelf: Path, split: str = "all") -> Evaluation:
    return evaluate(MODEL, read_data(shelf), split)


def _by_name(metrics: tuple[Metric, ...]) -> dict[str, tuple[float, int]]:
    return {metric.name: (metric.value, metric.n) for metric in metrics}


def test_overall_figures_are_by_class_sku_and_category(shelf: Path) -> None:
    overall = _evaluate(shelf).overall
    assert {level: (metric.value, metric.n) for level, metric in overall.items()} == {
        "class": (5 / 8, 8),
        "sku": (6 / 8, 8),
        "category": (7 / 8, 8),
    }
    for level, hits in (("class", 5), ("sku", 6), ("category", 7)):
        assert (overall[level].low, overall[level].high) == wilson(hits, 8)


def test_figures_of_each_group_carry_n_and_interval(shelf: Path) -> None:
    result = _evaluate(shelf)
    assert _by_name(result.by_class) == {"cola": (2 / 3, 3), "cola side": (1, 1), "fanta": (0.5, 2), "soap": (0.5, 2)}
    assert _by_name(result.by_sku) == {"COLA": (1, 4), "FANTA": (0.5, 2), "SOAP": (0.5, 2)}
    assert _by_name(result.by_category) == {"drinks": (1, 6), "washing": (0.5, 2)}
    for metric in (*result.by_class, *result.by_sku, *result.by_category):
        assert (metric.low, metric.high) == wilson(round(metric.value * metric.n), metric.n)


def test_classes_unknown_to_the_model_are_named_and_left_out_of_every_figure(shelf: Path) -> None:
    result = _evaluate(shelf)
    assert result.left_out == {"pasta": 2}
    assert len(result.predictions) == 8
    assert "pasta" not in {p.sample.name for p in result.predictions}


def test_only_the_photos_of_the_split_count(shelf: Path) -> None:
    result = _evaluate(shelf, "val")
    assert [p.sample.path.name for p in result.predictions] == ["0.png", "2.png", "4.png", "6.png"]
    assert result.left_out == {"pasta": 1}


def test_data_set_of_unknown_classes_only_is_refused(tmp_path: Path) -> None:
    plain_photo(tmp_path / "pasta" / "0.png", BLUE)
    with pytest.raises(DataError, match=r"no photo is of a class that the model knows \(pasta\)"):
        _evaluate(tmp_path)


def test_prediction_holds_answer_confidence_and_largest_logit(shelf: Path) -> None:
    third = _evaluate(shelf).predictions[2]
    logits = np.array([10 - (60 + 10 + 30) / 10, 10, 10 - (100 + 130 + 40) / 10, 10 - (110 + 20 + 160) / 10])
    chances = np.exp(logits) / np.exp(logits).sum()
    assert (third.answer.name, third.answer.sku) == ("cola side", "COLA")
    assert third.score == pytest.approx(10)
    assert third.answer.confidence == pytest.approx(chances[0] + chances[1], abs=1e-5)


def test_calibration_error_is_that_of_the_skus(shelf: Path) -> None:
    data = read_data(shelf)
    result = evaluate(MODEL, replace(data, samples=data.samples * 10), "all")
    confidence = np.array([p.answer.confidence for p in result.predictions])
    right = np.array(
        [{"cola side": "cola"}.get(p.sample.name, p.sample.name).upper() == p.answer.sku for p in result.predictions]
    )
    assert result.calibration_error == pytest.approx(calibration_error(confidence, right))
    assert result.calibration_error > 0.15  # confidences of nearly 1, of which a quarter are wrong


def test_figures_on_the_photos_that_the_temperature_was_fitted_on_are_marked(
    run_folder: Path, photos: Path, shelf: Path
) -> None:
    model, data = open_predictor(run_folder), read_data(photos)
    assert evaluate(model, data, "val").calibrated_on_these
    assert not evaluate(model, data, "train").calibrated_on_these
    assert evaluate(model, data, "all").calibrated_on_these  # the held-out photos are among them
    assert not _evaluate(shelf).calibrated_on_these


def test_photos_that_the_model_was_trained_on_are_counted(run_folder: Path, photos: Path, shelf: Path) -> None:
    model, data = open_predictor(run_folder), read_data(photos)
    assert [evaluate(model, data, split).trained_on_these for split in ("val", "train", "all")] == [0, 90, 90]
    assert _evaluate(shelf).trained_on_these == 0


@pytest.mark.parametrize("form", ["folders", "labels.csv", "table"])
def test_the_held_out_photos_of_a_data_set_without_a_split_are_found_again(tmp_path: Path, form: str) -> None:
    source = class_folders(tmp_path / "data") if form == "folders" else labelled(tmp_path / "data")
    if form == "table":
        source /= "labels.csv"
    config = make_config(arch="timm:test_resnet", size=32, epochs=1, batch=4, val_fraction=0.5, seed=3, refit=0)
    fit(source, tmp_path / "run", config)
    model, data = open_predictor(tmp_path / "run"), read_data(source)
    held = {sample.path for sample in with_split(data, 0.5, 3).samples if sample.split == "val"}
    assert {p.sample.path for p in evaluate(model, data, "val").predictions} == held
    assert evaluate(model, data, "val").trained_on_these == 0
    assert evaluate(model, data, "all").trained_on_these == len(data.samples) - len(held)
    plain_photo(tmp_path / "data" / "blue" / "0.png", (1, 2, 3))  # another data set now: nothing of it is known
    with pytest.raises(DataError, match="marks no split"):
        evaluate(model, read_data(source), "val")


def test_rejection_counts_unknown_and_known_photos_below_the_threshold(shelf: Path, tmp_path: Path) -> None:
    strange = tmp_path / "strange"
    for number, colour in enumerate([(90, 200, 90), (250, 250, 250), FACE]):
        plain_photo(strange / f"{number}.png", colour)
    rejection = measure_rejection(MODEL, _evaluate(shelf), strange)
    assert rejection.rejected.value == pytest.approx(2 / 3)
    assert rejection.rejected.n == 3
    assert (rejection.false_alarms.value, rejection.false_alarms.n) == (0, 8)
    assert rejection.taken.value == pytest.approx(1 / 3)
    assert rejection.taken.n == 3
    assert rejection.doubted.value == 0
    assert rejection.doubted.n > 0
    assert rejection.auroc == pytest.approx((2 + 0.5) / 3)  # every known photo scores 10, as one strange one does


def test_unknown_photos_may_be_a_labelled_data_set(shelf: Path, tmp_path: Path) -> None:
    folder = labelled(tmp_path / "labelled", each=2)
    assert measure_rejection(MODEL, _evaluate(shelf), folder).rejected.n == 6


def test_unknown_folder_that_is_missing_or_empty_is_refused(shelf: Path, tmp_path: Path) -> None:
    result = _evaluate(shelf)
    with pytest.raises(DataError, match="no such data set"):
        measure_rejection(MODEL, result, tmp_path / "none")
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataError, match=r"no labels\.csv and no class folder"):
        measure_rejection(MODEL, result, tmp_path / "bare")


def test_predictions_table_has_exactly_its_five_columns(shelf: Path, tmp_path: Path) -> None:
    result = _evaluate(shelf)
    write_predictions(tmp_path / "p.csv", result.predictions)
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["path", "name", "predicted", "confidence", "score"]
    assert [row[1:3] for row in rows[3:5]] == [["cola", "cola side"], ["cola side", "cola side"]]
    for row, prediction in zip(rows[1:], result.predictions, strict=True):
        assert Path(row[0]) == prediction.sample.path
        assert float(row[3]) == pytest.approx(prediction.answer.confidence, abs=1e-6)
        assert float(row[4]) == pytest.approx(prediction.score, abs=1e-6)
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("form", ["labels only", "class folders", "marked"])
def test_what_fit_accepts_evaluate_accepts(tmp_path: Path, form: str) -> None:
    data = labelled(tmp_path / "data", val=1 if form == "marked" else 0)
    if form == "class folders":
        (data / "labels.csv").unlink()
    config = make_config(arch="timm:test_resnet", size=32, epochs=1, batch=4)
    fit(data, tmp_path / "run", config)
    result = evaluate(open_predictor(tmp_path / "run"), read_data(data), "all")
    assert {metric.name: metric.n for metric in result.by_class} == {"blue": 4, "green": 4, "red": 4}
    assert result.left_out == {}
