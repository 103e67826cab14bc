"""The drawn data set has the form that training reads."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kardus.contract.manifest import EMPTY_CLASS
from kardus.inference.preprocess import read_photo
from simulator.catalogue import catalogue
from simulator.dataset import draw_photo, write_dataset, write_unknown
from simulator.pictures import DrawnPictures, generator

PICTURES = DrawnPictures()


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_labels_name_every_photo_once_with_class_and_split(photos: Path) -> None:
    rows = _rows(photos / "labels.csv")
    assert list(rows[0]) == ["path", "name", "split"]
    on_disk = {str(p.relative_to(photos)) for p in (photos / "images").rglob("*.jpg")}
    assert {row["path"] for row in rows} == on_disk
    assert len(rows) == len(on_disk) == 15 * 8
    assert all(row["path"].startswith(f"images/{row['name']}/{row['split']}_") for row in rows)
    counted = Counter((row["name"], row["split"]) for row in rows)
    names = [drawn.name for drawn in catalogue()] + [EMPTY_CLASS]
    assert counted == {(name, split): n for name in names for split, n in (("train", 6), ("val", 2))}


def test_classes_name_category_and_product(photos: Path) -> None:
    rows = _rows(photos / "classes.csv")
    assert list(rows[0]) == ["class", "name", "category", "sku", "variant", "face"]
    assert [row["class"] for row in rows] == [str(code) for code in range(15)]
    assert [(r["name"], r["category"], r["sku"], r["face"]) for r in rows[:-1]] == [
        (drawn.name, drawn.product.category, drawn.product.sku, drawn.face) for drawn in catalogue()
    ]
    assert (rows[-1]["name"], rows[-1]["category"], rows[-1]["sku"]) == (EMPTY_CLASS, EMPTY_CLASS, EMPTY_CLASS)


def test_photos_are_squares_of_the_size_asked_for(photos: Path) -> None:
    assert read_photo(photos / "images" / EMPTY_CLASS / "val_0007.jpg").shape == (96, 96, 3)


def test_the_same_seed_gives_the_same_files_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert write_dataset(tmp_path / name, seed, train=1, val=0, side_px=48) == 15
    first, second, other = (_files(tmp_path / name) for name in "abc")
    assert first == second
    pictures = [name for name in first if name.endswith(".jpg")]
    assert all(first[name] != other[name] for name in pictures)


def test_the_folder_appears_whole_and_nothing_else_does(tmp_path: Path) -> None:
    write_dataset(tmp_path / "a", seed=1, train=1, val=0, side_px=32)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for write in (lambda p: write_dataset(p, 1, 1, 0), lambda p: write_unknown(p, 1, 1)):
        with pytest.raises(FileExistsError):
            write(tmp_path / "a")
    assert list(tmp_path.rglob("*")) == [tmp_path / "a"]


def test_the_rest_of_an_interrupted_run_does_not_get_in(tmp_path: Path) -> None:
    left = tmp_path / "a.part" / "images" / EMPTY_CLASS
    left.mkdir(parents=True)
    (left / "train_0099.jpg").write_bytes(b"half")
    write_dataset(tmp_path / "a", seed=1, train=1, val=0, side_px=32)
    assert {str(p.relative_to(tmp_path / "a")) for p in (tmp_path / "a" / "images").rglob("*.jpg")} == {
        row["path"] for row in _rows(tmp_path / "a" / "labels.csv")
    }


def test_unknown_cartons_are_photos_without_labels(tmp_path: Path) -> None:
    write_unknown(tmp_path / "u", seed=5, count=4, side_px=64)
    files = _files(tmp_path / "u")
    assert list(files) == [f"unknown_{number:04d}.jpg" for number in range(4)]
    assert len(set(files.values())) == 4
    assert read_photo(tmp_path / "u" / "unknown_0000.jpg").shape == (64, 64, 3)


def test_one_photo_is_drawn_by_its_generator_alone() -> None:
    first, second, other = (draw_photo(PICTURES, "Tea-Lemon", generator(s), 64).tobytes() for s in (1, 1, 2))
    assert first == second
    assert first != other


def test_what_stands_there_makes_the_photo() -> None:
    """With one generator, nothing but the carton differs."""
    drawn = [
        draw_photo(PICTURES, None, generator(1), 64),
        draw_photo(PICTURES, "Tea-Lemon", generator(1), 64),
        draw_photo(PICTURES, "Milk-Low-Fat", generator(1), 64),
        draw_photo(PICTURES, None, generator(1), 64, unknown=True),
    ]
    for index, one in enumerate(drawn):
        for other in drawn[:index]:
            assert _difference(one, other) > 10


def _difference(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, dtype=int) - np.asarray(other, dtype=int)).mean())
