"""A bundle checked on photos."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.enroll import Release, retire
from export.photo_checks import check_answers, check_parity
from kardus.inference.bundle import Bundle, read_bundle
from kardus.inference.classifier import Classifier
from kardus.inference.preprocess import Pixels
from kardus.inference.raw_outputs import RawOutputs
from kardus.support.errors import BundleError, UsageError
from tests.export.colours import COLOURS, SIDE, colour_bundle, photo
from train.data.data_set import DataSet, read_data
from train.data.photos import load_crops


@pytest.fixture
def colours(tmp_path: Path) -> Bundle:
    """Knows red, green and blue."""
    return read_bundle(colour_bundle(tmp_path / "colours.bundle"))


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    """Two photos of each colour, and two of red that are called green; two of a colour that isn't known."""
    shown = {**COLOURS, "pink": (250, 150, 200)}
    for name, colour in shown.items():
        for number in range(2):
            photo(tmp_path / "photos" / name / f"{number}.png", colour, number)
    for number in (2, 3):
        photo(tmp_path / "photos" / "green" / f"{number}.png", COLOURS["red"], number)
    return read_data(tmp_path / "photos")


def test_right_answers_are_counted_and_unknown_classes_told(colours: Bundle, data: DataSet) -> None:
    check = check_answers(colours, data, load_crops(data, SIDE, ""))
    assert (
        check.found == "6 of 8 named right, 0 doubted, 0 taken for no known product; 2 of classes that it doesn't know"
    )
    strict = colours.manifest.calibration.model_copy(update={"rejection_threshold": 1e6})
    shy = replace(colours, manifest=colours.manifest.model_copy(update={"calibration": strict}))
    assert check_answers(shy, data, load_crops(data, SIDE, "")).found.startswith(
        "0 of 8 named right, 0 doubted, 8 taken for no"
    )


def test_parity_is_over_every_crop(colours: Bundle) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (130, SIDE, SIDE, 3), dtype=np.uint8)
    check = check_parity(colours, Classifier(colours).run, crops)
    assert check.found.startswith("130 crops: largest logit difference 0.0e+00, mean 0.0e+00, same class on 100.0 %")


def test_another_model_is_refused_in_fp32_and_told_in_eight_bits(colours: Bundle) -> None:
    run = Classifier(colours).run

    def other(crops: Pixels) -> RawOutputs:
        outputs = run(crops)
        return replace(outputs, logits=outputs.logits + np.array([0.5, 0, 0], np.float32))

    crops = np.zeros((3, SIDE, SIDE, 3), np.uint8)
    with pytest.raises(BundleError, match=r"not the model of this run: 3 crops: largest logit difference 5\.0e-01"):
        check_parity(colours, other, crops)
    eight = replace(colours, manifest=colours.manifest.model_copy(update={"precision": "int8"}))
    assert "largest logit difference 5.0e-01" in check_parity(eight, other, crops).found


def test_a_changed_bundle_or_another_run_is_refused(colours: Bundle, tmp_path: Path) -> None:
    run, crops = Classifier(colours).run, np.zeros((3, SIDE, SIDE, 3), np.uint8)
    retire(colours, ["green"], Release(tmp_path / "less.bundle", "1.3.0"))
    with pytest.raises(UsageError, match="products were enrolled or retired since: compare the bundle before that"):
        check_parity(read_bundle(tmp_path / "less.bundle"), run, crops)

    def fewer(pixels: Pixels) -> RawOutputs:
        outputs = run(pixels)
        return replace(outputs, logits=outputs.logits[:, :2])

    with pytest.raises(UsageError, match="has 3 classes, the run has 2: name its own run"):
        check_parity(colours, fewer, crops)
