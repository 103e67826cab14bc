"""Writes a labelled folder of drawn photos, in the data-set format that the training reads."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from kardus.contract.manifest import EMPTY_CLASS
from kardus.inference.geometry import rectangle
from kardus.support.files import appearing
from simulator.catalogue import catalogue
from simulator.effects import photographed, worn
from simulator.pictures import DrawnPictures, Pictures, generator
from simulator.scene import put_carton, put_recess


def draw_photo(
    pictures: Pictures, name: str | None, rng: np.random.Generator, side_px: int = 256, *, unknown: bool = False
) -> Image.Image:
    """One photo of a location, cut out roughly as a camera's slot would be: RGB, side_px x side_px.

    `name` is a class, or None for a location with nothing in it; with `unknown`, an invented carton stands there.
    """
    image = Image.new("RGB", (side_px, side_px), tuple(int(v) for v in rng.integers(60, 140, size=3)))
    opening = rectangle(0, 0, side_px, side_px) + rng.normal(0.0, 0.015, (4, 2)) * side_px
    put_recess(image, opening, rng)
    if unknown:
        put_carton(image, worn(pictures.show_unknown(rng), rng), opening, rng)
    elif name is not None:
        put_carton(image, worn(pictures.show(name, rng), rng), opening, rng)
    return photographed(image, rng)


def write_dataset(folder: Path, seed: int, train: int, val: int, side_px: int = 256) -> int:
    """Write `train` + `val` photos of every drawn class and of the empty location.

    Returns the number of photos. The folder appears only when it is complete.

    Raises:
        FileExistsError: the folder is there already.
    """
    pictures = DrawnPictures()
    rows = []
    with appearing(folder) as building:
        for name in [stock.name for stock in pictures.stock()] + [EMPTY_CLASS]:
            (building / "images" / name).mkdir(parents=True)
            for index in range(train + val):
                split = "train" if index < train else "val"
                path = f"images/{name}/{split}_{index:04d}.jpg"
                rng = generator(seed, name, index)
                draw_photo(pictures, None if name == EMPTY_CLASS else name, rng, side_px).save(
                    building / path, quality=92
                )
                rows.append((path, name, split))
        _write_csv(building / "labels.csv", ("path", "name", "split"), rows)
        _write_csv(building / "classes.csv", ("class", "name", "category", "sku", "variant", "face"), _class_rows())
    return len(rows)


def write_unknown(folder: Path, seed: int, count: int, side_px: int = 256) -> None:
    """Write `count` photos of cartons of invented brands, one folder without labels: what must be rejected.

    Raises:
        FileExistsError: the folder is there already.
    """
    pictures = DrawnPictures()
    with appearing(folder) as building:
        for index in range(count):
            photo = draw_photo(pictures, None, generator(seed, "unknown", index), side_px, unknown=True)
            photo.save(building / f"unknown_{index:04d}.jpg", quality=92)


def _class_rows() -> list[tuple[str, ...]]:
    rows = [
        (str(code), drawn.name, drawn.product.category, drawn.product.sku, drawn.product.variant, drawn.face)
        for code, drawn in enumerate(catalogue())
    ]
    return [*rows, (str(len(rows)), EMPTY_CLASS, EMPTY_CLASS, EMPTY_CLASS, "", "")]


def _write_csv(path: Path, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
