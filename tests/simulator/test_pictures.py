"""Cartons are drawn, or shown from folders of photos."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kardus.support.errors import DataError
from simulator.pictures import DrawnPictures, PhotoPictures, Stock, draw_unknown, generator

COLOURS = {"Tea-Red": (200, 0, 0), "Tea-Green": (0, 200, 0), "Milk-Blue": (0, 0, 200)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes: two train photos and a brighter val photo each, and files that are no photos."""
    for name, colour in COLOURS.items():
        (tmp_path / name).mkdir()
        for index, file in enumerate(("train_0.png", "train_1.PNG", "val_0.png")):
            shade = tuple(value + 20 * index for value in colour)
            Image.new("RGB", (20, 16), shade).save(tmp_path / name / file)
        (tmp_path / name / "notes.txt").write_text("none")
    (tmp_path / "no-photos").mkdir()
    (tmp_path / "labels.csv").write_text("path,name\n")
    return tmp_path


def _shown(pictures: PhotoPictures, name: str) -> set[tuple[int, ...]]:
    """Every colour that is shown of a class in 30 draws."""
    return {tuple(np.asarray(pictures.show(name, generator(seed)))[0, 0].tolist()) for seed in range(30)}


def test_hidden_files_are_never_shown_and_empty_in_any_case_is_no_product(folder: Path) -> None:
    plain = PhotoPictures(folder).stock()
    (folder / "Tea-Red" / "._train_0.png").write_bytes(b"\0\5\x16\7")
    for name in ("Empty", "__MACOSX"):
        (folder / name).mkdir()
        Image.new("RGB", (20, 16)).save(folder / name / "0.png")
    pictures = PhotoPictures(folder)
    assert pictures.stock() == plain
    assert _shown(pictures, "Tea-Red") == _shown(PhotoPictures(folder, pattern="[tv]*"), "Tea-Red")


def test_every_drawn_class_can_be_shown() -> None:
    pictures = DrawnPictures()
    assert len(pictures.stock()) == 14
    assert len({stock.sku for stock in pictures.stock()}) == 11
    for stock in pictures.stock():
        assert pictures.show(stock.name, generator(0)).mode == "RGB"


def test_unknown_cartons_differ_from_one_another() -> None:
    drawn = {draw_unknown(generator(seed)).tobytes() for seed in range(8)}
    assert len(drawn) == 8
    assert DrawnPictures().show_unknown(generator(3)).tobytes() in drawn


def test_each_class_folder_with_photos_is_a_product(folder: Path) -> None:
    assert PhotoPictures(folder).stock() == (
        Stock("Milk-Blue", "Milk-Blue", "Milk"),
        Stock("Tea-Green", "Tea-Green", "Tea"),
        Stock("Tea-Red", "Tea-Red", "Tea"),
    )


def test_all_photos_of_the_class_and_no_others_are_shown(folder: Path) -> None:
    assert _shown(PhotoPictures(folder), "Tea-Red") == {(200, 0, 0), (220, 20, 20), (240, 40, 40)}


def test_the_pattern_chooses_the_photos(folder: Path) -> None:
    assert _shown(PhotoPictures(folder, pattern="val_*"), "Tea-Red") == {(240, 40, 40)}


def test_a_pattern_that_no_photo_matches_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match="no class folder holds a photo that matches 'test_"):
        PhotoPictures(folder, pattern="test_*")


def test_unknown_things_come_from_their_folder_or_are_drawn(folder: Path) -> None:
    things = folder / "Milk-Blue"
    shown = PhotoPictures(folder, unknown=things).show_unknown(generator(0))
    assert np.asarray(shown)[0, 0, 2] >= 200
    assert PhotoPictures(folder).show_unknown(generator(0)).tobytes() == draw_unknown(generator(0)).tobytes()


def test_a_folder_without_unknown_things_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match="no-photos: no photo of an unknown thing"):
        PhotoPictures(folder, unknown=folder / "no-photos")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone"):
        PhotoPictures(tmp_path / "gone")


def test_a_file_in_place_of_the_folder_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match=r"labels\.csv"):
        PhotoPictures(folder / "labels.csv")


def test_the_reserved_class_of_the_empty_location_is_no_product(folder: Path) -> None:
    (folder / "empty").mkdir()
    Image.new("RGB", (20, 16)).save(folder / "empty" / "val_0.png")
    assert "empty" not in {stock.sku for stock in PhotoPictures(folder).stock()}


@pytest.mark.parametrize("content", [b"", b"no photo", b"\xff\xd8\xff\xe0"])
def test_a_photo_that_cannot_be_read_is_named(folder: Path, content: bytes) -> None:
    for path in (folder / "Tea-Red").glob("*.[pP]*"):
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"Tea-Red/.*: not a readable picture .*: replace or remove it"):
        PhotoPictures(folder).show("Tea-Red", generator(0))


def test_generators_of_other_names_or_seeds_are_independent() -> None:
    draws = [generator(*key).integers(2**60) for key in ((1, "a"), (1, "b"), (2, "a"), (1, "a", 1), (1,))]
    assert len(set(draws)) == 5
    assert generator(1, "a").integers(2**60) == draws[0]
