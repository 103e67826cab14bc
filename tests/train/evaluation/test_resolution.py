"""How accuracy falls with pixels."""

import threading
import weakref
from pathlib import Path

import pytest

from kardus.inference.bundle import read_bundle
from kardus.inference.preprocess import Pixels, read_photo
from train.data.data_set import read_data
from train.evaluation.predictor import open_predictor
from train.evaluation.resolution import SIDES_PX, accuracy_by_pixels
from train.networks.checkpoint import load_checkpoint


def test_accuracy_falls_with_pixels_and_is_that_of_the_photos_at_their_size(run_folder: Path, photos: Path) -> None:
    samples = read_data(photos).select("train").samples
    curve = accuracy_by_pixels(open_predictor(run_folder), samples)
    assert [point.side_px for point in curve] == [side for side in SIDES_PX if side <= 96]  # the photos' own size
    values = [point.accuracy.value for point in curve]
    assert values[0] < values[-1]
    assert {point.accuracy.n for point in curve} == {90}


def test_run_and_bundle_carry_the_curve(run_folder: Path, bundle_file: Path) -> None:
    curve = load_checkpoint(run_folder).pixels
    assert read_bundle(bundle_file).manifest.pixels == curve
    assert curve[-1].accuracy.n == 30
    assert curve[-1].accuracy.value == pytest.approx(load_checkpoint(run_folder).metrics[0].value, abs=0.1)


def test_photos_are_reduced_as_they_are_read(run_folder: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 of 12 megapixels are 7 GB."""
    alive, most, lock = weakref.WeakValueDictionary[int, Pixels](), 0, threading.Lock()

    def read(path: Path) -> Pixels:
        nonlocal most
        pixels = read_photo(path).copy()
        with lock:
            alive[id(pixels)] = pixels
            most = max(most, len(alive))
        return pixels

    monkeypatch.setattr("train.evaluation.resolution.read_photo", read)
    samples = read_data(photos).select("train").samples
    assert accuracy_by_pixels(open_predictor(run_folder), samples)
    assert 1 <= most <= 8, f"{most} of {len(samples)} photos are held at once"
