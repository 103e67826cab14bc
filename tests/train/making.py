"""Makes tiny data sets of plain photos, whose colours are their labels."""

import csv
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

Colour = tuple[int, int, int]
COLOURS: dict[str, Colour] = {"blue": (40, 60, 200), "green": (40, 170, 60), "red": (200, 50, 40)}


def plain_photo(path: Path, colour: Colour, side_px: int = 40) -> Path:
    """Write one photo of a single colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side_px, side_px), colour).save(path)
    return path


def class_folders(folder: Path, each: int = 4) -> Path:
    """A data set of one folder a class, with `each` photos a class that differ a little."""
    for name, (red, green, blue) in COLOURS.items():
        for index in range(each):
            plain_photo(folder / name / f"{index}.png", (red + index, green + index, blue))
    return folder


def write_table(path: Path, *rows: Sequence[object]) -> Path:
    """Write a CSV file; the first row is the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def labelled(folder: Path, each: int = 4, val: int = 0) -> Path:
    """The same photos with a labels.csv; where `val` is given, so many a class are marked val and the others train."""
    class_folders(folder, each)
    rows = [
        (f"{name}/{index}.png", name, ("val" if index < val else "train") if val else "")
        for name in COLOURS
        for index in range(each)
    ]
    write_table(folder / "labels.csv", ("path", "name", "split"), *rows)
    return folder
