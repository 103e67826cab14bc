"""The page of an evaluation holds its figures, its cautions and its pictures, and needs no other file."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.in_process import assert_one_line, call
from train.__main__ import main
from train.evaluation.plots import confusion_plot, over_photo, risk_plot
from train.evaluation.selective_classification import risk_coverage

Capture = pytest.CaptureFixture[str]


def test_the_page_says_how_good_the_model_is_and_where_it_is_wrong(
    run_folder: Path, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    page = tmp_path / "report.html"
    result = call(capsys, main, "evaluate", run_folder, photos, "--split", "val", "--report", page, "--json")
    sku = json.loads(result.stdout)["accuracy"]["sku"]
    text = page.read_text()
    assert f"the right product was named on {round(sku['value'] * sku['n'])}" in text
    assert "the calibration error flatters" in text
    assert "taken for" in text
    assert text.count("data:image/png;base64,") == 2
    assert text.count("data:image/jpeg;base64,") == min(16, len(re.findall(r" taken for [^<]+ \(\d+ %\)", text)))
    assert not re.search(r"(src|href)=(?!.data:)", text)


def test_a_bundle_has_the_same_page_but_for_its_name(
    run_folder: Path, bundle_file: Path, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    for name, model in (("run", run_folder), ("bundle", bundle_file)):
        assert call(capsys, main, "evaluate", model, photos, "--report", tmp_path / name).returncode == 0
    run, bundle = ((tmp_path / name).read_text().split("<h2>")[0].split("</h1>")[1] for name in ("run", "bundle"))
    assert run == bundle


def test_fit_leaves_a_report_of_the_held_out_photos(photos: Path, tmp_path: Path, capsys: Capture) -> None:
    words = ("--recipe", "scratch", "--arch", "timm:test_resnet", "--size", 32, "--epochs", 1, "--batch", 16)
    assert call(capsys, main, "fit", photos, "--out", tmp_path / "run", *words).returncode == 0
    text = (tmp_path / "run" / "report.html").read_text()
    assert "run on the photos held out of photos" in text
    assert "The model was trained on" not in text


def test_two_models_are_compared_on_the_same_photos(
    run_folder: Path, bundle_file: Path, photos: Path, capsys: Capture
) -> None:
    words = ("evaluate", run_folder, photos, "--against", bundle_file)
    assert json.loads(call(capsys, main, *words, "--json").stdout)["against"] == {
        "only_first": 0,
        "only_second": 0,
        "p": 1.0,
    }
    assert "McNemar's p = 1.000" in " ".join(call(capsys, main, *words).stdout.split())


def test_a_folder_in_the_pages_place_is_refused(
    run_folder: Path, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    result = call(capsys, main, "evaluate", run_folder, photos, "--report", tmp_path)
    assert_one_line(result, 2, "--report", "is a folder: name a file")


def test_plots_are_pictures() -> None:
    curve = risk_coverage(np.array([0.9, 0.5]), np.array([True, False]))
    for png in (confusion_plot([0, 1, 1], [0, 1, 0], ["a", "b"]), risk_plot(curve)):
        with Image.open(io.BytesIO(png), formats=("PNG",)) as picture:
            assert min(picture.size) > 200


def test_evidence_reddens_the_place_that_it_is_at() -> None:
    crop = np.full((64, 64, 3), 100, dtype=np.uint8)
    evidence = np.zeros((4, 4), dtype=np.float32)
    evidence[0, 0] = 3
    shown = over_photo(crop, evidence).astype(int)
    assert shown[4, 4, 0] - shown[4, 4, 2] > 60
    assert np.abs(shown[50:, 50:] - 100).max() <= 1
    assert np.array_equal(over_photo(crop, np.zeros((4, 4), dtype=np.float32)), crop)
