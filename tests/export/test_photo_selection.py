"""Which photos an export compares, calibrates and judges on."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from export import photo_selection as export_photos
from export.photo_selection import examples, trained_and_unseen
from kardus.inference.preprocess import read_photo, rectify_whole
from kardus.support.errors import DataError, UsageError
from tests.train.making import write_table
from train.data.data_set import read_data
from train.data.splits import all_trained
from train.networks.checkpoint import Checkpoint, load_checkpoint


@pytest.fixture
def checkpoint(run_folder: Path) -> Checkpoint:
    """The small run's: 15 classes, 6 photos of each trained on and 2 held out."""
    return load_checkpoint(run_folder)


def _crop(path: Path) -> bytes:
    return rectify_whole(read_photo(path), 48).tobytes()


def test_examples_cover_every_class_even_where_there_are_more_than_crops_to_compare(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_photos, "PARITY_CROPS", 4)
    assert set(examples(checkpoint, None).names) == {info.name for info in checkpoint.classes}


def test_trained_photos_calibrate_and_held_out_ones_judge(checkpoint: Checkpoint, photos: Path) -> None:
    found = trained_and_unseen(checkpoint, None, None)
    calibration, unseen = found.calibration, found.judging
    data = read_data(photos)
    trained = {_crop(s.path) for s in data.select("train").samples}
    held_out = {_crop(s.path) for s in data.select("val").samples}
    assert {crop.tobytes() for crop in calibration.pixels} == trained
    assert {crop.tobytes() for crop in unseen.pixels} == held_out
    assert (len(calibration), len(unseen)) == (90, 30)


def test_every_class_is_calibrated_on_before_any_comes_twice(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_photos, "CALIBRATION_CROPS", 20)
    calibration = trained_and_unseen(checkpoint, None, None).calibration
    counts = Counter(calibration.names)
    assert len(counts) == 15
    assert set(counts.values()) == {1, 2}


def test_copies_and_bursts_of_trained_photos_do_not_judge(checkpoint: Checkpoint, photos: Path, tmp_path: Path) -> None:
    data = read_data(photos)
    trained, fresh = data.select("train").samples[0], data.select("val").samples[0]
    (tmp_path / "copy.jpg").write_bytes(trained.path.read_bytes())
    (tmp_path / "fresh.jpg").write_bytes(fresh.path.read_bytes())
    with Image.open(trained.path) as picture:
        ImageEnhance.Brightness(picture).enhance(1.05).save(tmp_path / "burst.jpg")
    rows = [("copy.jpg", trained.name), ("burst.jpg", trained.name), ("fresh.jpg", fresh.name)]
    write_table(tmp_path / "labels.csv", ("path", "name"), *rows)
    unseen = trained_and_unseen(checkpoint, tmp_path, None).judging
    assert unseen.names == [fresh.name]


def test_photos_that_were_calibrated_on_do_not_judge(checkpoint: Checkpoint, photos: Path, tmp_path: Path) -> None:
    held = read_data(photos).select("val").samples
    rows = [(sample.path, sample.name) for sample in held[:10]]
    table = write_table(tmp_path / "calibrate.csv", ("path", "name"), *rows)
    found = trained_and_unseen(checkpoint, None, table)
    calibration, unseen = found.calibration, found.judging
    assert len(calibration) == 10
    assert len(unseen) == len(held) - 10
    assert not {c.tobytes() for c in calibration.pixels} & {c.tobytes() for c in unseen.pixels}


@pytest.mark.parametrize("learnt", ["refitted", "folds", "founding"])
def test_a_model_that_has_learnt_every_photo_needs_others_to_be_judged_by(checkpoint: Checkpoint, learnt: str) -> None:
    if learnt == "refitted":
        whole = replace(checkpoint, refitted=True)
    else:
        sha256 = all_trained(read_data(Path(checkpoint.data_source))).sha256()
        changes = {"folds": 3} if learnt == "folds" else {"protocol": "founding"}
        whole = replace(checkpoint, config=checkpoint.config.model_copy(update=changes), data_sha256=sha256)
    with pytest.raises(UsageError, match=r"no photo in it that was neither trained nor calibrated on.*--data"):
        trained_and_unseen(whole, None, None)


def test_other_photos_in_place_of_the_trained_ones_are_refused(checkpoint: Checkpoint) -> None:
    other = replace(checkpoint, data_sha256="0" * 64)
    with pytest.raises(DataError, match=r"not the photos that were trained on \(SHA-256\)"):
        trained_and_unseen(other, None, None)


def test_trained_photos_that_have_moved_are_found_with_data(checkpoint: Checkpoint, photos: Path) -> None:
    moved = replace(checkpoint, data_source="/gone/photos")
    found = trained_and_unseen(moved, photos, None)
    calibration, unseen = found.calibration, found.judging
    assert (len(calibration), len(unseen)) == (90, 30)
    with pytest.raises(DataError, match="/gone/photos: the data set that was trained on is not there"):
        trained_and_unseen(moved, None, None)


def test_crops_are_those_of_the_agents_own_preprocessing(checkpoint: Checkpoint, photos: Path) -> None:
    shown = examples(checkpoint, photos)
    assert shown.pixels.dtype == np.uint8
    assert shown.pixels.shape == (len(shown), 48, 48, 3)
    own = {_crop(sample.path) for sample in read_data(photos).samples}
    assert all(crop.tobytes() in own for crop in shown.pixels)


def test_photos_to_judge_by_need_not_cover_every_class_or_be_many(
    checkpoint: Checkpoint, photos: Path, tmp_path: Path
) -> None:
    fresh = read_data(photos).select("val").samples[0]
    (tmp_path / "fresh.jpg").write_bytes(fresh.path.read_bytes())
    (tmp_path / "strange.jpg").write_bytes(read_data(photos).samples[-1].path.read_bytes())
    rows = [("fresh.jpg", fresh.name), ("strange.jpg", "no class of the model's")]
    write_table(tmp_path / "labels.csv", ("path", "name"), *rows)
    found = trained_and_unseen(checkpoint, tmp_path, None)
    assert found.judging.names == [fresh.name]
    assert found.origin == f"{read_data(tmp_path).sha256()}:unseen"
    shown = examples(checkpoint, tmp_path)
    assert _crop(tmp_path / "fresh.jpg") in {crop.tobytes() for crop in shown.pixels}
    assert set(shown.names) == {info.name for info in checkpoint.classes}
