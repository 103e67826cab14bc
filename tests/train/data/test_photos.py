"""Photos in memory."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kardus.inference.preprocess import read_photo, rectify_whole
from kardus.inference.srgb import UNFIT_PROFILE
from kardus.support.errors import DataError
from tests.train.making import COLOURS, class_folders, plain_photo
from train.data.data_set import read_data
from train.data.photos import label_indices, load_crops


def test_crops_are_the_agents_own_in_the_order_of_the_samples(photos: Path) -> None:
    data = read_data(photos)
    data = replace(data, samples=data.samples[::17])
    crops = load_crops(data, 48, "Reading")
    assert crops.shape == (len(data.samples), 48, 48, 3)
    assert crops.dtype == np.uint8
    for crop, sample in zip(crops, data.samples, strict=True):
        assert np.array_equal(crop, rectify_whole(read_photo(sample.path), 48))


def test_plain_photo_keeps_its_colour(tmp_path: Path) -> None:
    data = read_data(class_folders(tmp_path / "data", each=1))
    crops = load_crops(data, 32, "Reading")
    for crop, sample in zip(crops, data.samples, strict=True):
        assert np.array_equal(crop, np.broadcast_to(np.array(COLOURS[sample.name], dtype=np.uint8), (32, 32, 3)))


@pytest.mark.parametrize("damage", ["text", "truncated"])
def test_unreadable_photo_is_named(tmp_path: Path, damage: str) -> None:
    data = read_data(class_folders(tmp_path / "data"))
    broken = data.samples[5].path
    broken.write_bytes(b"not a picture" if damage == "text" else broken.read_bytes()[:60])
    with pytest.raises(DataError) as failure:
        load_crops(data, 32, "Reading")
    assert str(failure.value).startswith(f"{broken}: not a readable picture")


def test_photo_that_vanished_is_named(tmp_path: Path) -> None:
    data = read_data(class_folders(tmp_path / "data"))
    data.samples[0].path.unlink()
    with pytest.raises(DataError, match=r"blue/0\.png: no such picture: replace it"):
        load_crops(data, 32, "Reading")


def test_label_indices_are_the_places_of_the_classes(tmp_path: Path) -> None:
    plain_photo(tmp_path / "b" / "0.png", (0, 0, 0))
    plain_photo(tmp_path / "a" / "0.png", (0, 0, 0))
    plain_photo(tmp_path / "b" / "1.png", (0, 0, 0))
    indices = label_indices(read_data(tmp_path), ["b", "a"])
    assert indices.dtype == np.int64
    assert indices.tolist() == [1, 0, 0]


def test_photos_whose_colours_may_be_wrong_are_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = read_data(class_folders(tmp_path / "data", each=1))
    for sample in data.samples:
        Image.new("RGB", (40, 40)).save(sample.path, icc_profile=b"no profile")
    load_crops(data, 32, "Reading")
    line, *more = capsys.readouterr().err.splitlines()
    assert UNFIT_PROFILE in line
    assert line.startswith("note: ")
    assert line.endswith("(and 2 more: kardus-train check-data names them)")
    assert not more


def test_progress_leaves_the_standard_output_to_the_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load_crops(read_data(class_folders(tmp_path / "data", each=1)), 32, "Reading")
    assert capsys.readouterr().out == ""
