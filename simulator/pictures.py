"""Where the pictures on the cartons come from: drawn products, or a folder of real photos per class."""

import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from kardus.contract.manifest import EMPTY_CLASS, class_name
from kardus.inference.photo_files import is_hidden, sort_files
from kardus.inference.preprocess import read_picture
from kardus.support.errors import DataError
from simulator.catalogue import catalogue, invented_product
from simulator.drawing import draw_carton


@dataclass(frozen=True)
class Stock:
    """What can stand on the shelf: a class, the product (SKU) it belongs to, and the category of that product."""

    name: str
    sku: str
    category: str


class Pictures(Protocol):
    """A supply of carton pictures."""

    def stock(self) -> tuple[Stock, ...]:
        """Every class that can be shown, in a fixed order."""

    def show(self, name: str, rng: np.random.Generator) -> Image.Image:
        """A flat RGB picture of one carton of the class."""

    def show_unknown(self, rng: np.random.Generator) -> Image.Image:
        """A flat RGB picture of a carton that is none of the classes."""


class DrawnPictures:
    """The drawn catalogue; unknown cartons are invented anew each time."""

    def __init__(self) -> None:
        """Take the whole catalogue."""
        self._classes = {drawn.name: drawn for drawn in catalogue()}

    def stock(self) -> tuple[Stock, ...]:
        """The 14 drawn classes."""
        return tuple(Stock(name, c.product.sku, c.product.category) for name, c in self._classes.items())

    def show(self, name: str, rng: np.random.Generator) -> Image.Image:  # noqa: ARG002 - all prints of a class are alike
        """The class as it is printed."""
        drawn = self._classes[name]
        return _printed(drawn.product, drawn.face).copy()

    def show_unknown(self, rng: np.random.Generator) -> Image.Image:
        """A product of an invented brand, printed in one of several ways."""
        return draw_unknown(rng)


_printed = lru_cache(maxsize=32)(draw_carton)  # a rack shows the same few again and again


class PhotoPictures:
    """Photos from a folder with one sub-folder for each class; a class is its own SKU.

    `pattern` selects the photos by file name, so that a shelf can be played with photos not trained on.
    """

    def __init__(self, folder: Path, unknown: Path | None = None, pattern: str = "*") -> None:
        """List the photos.

        Raises:
            DataError: there is no class with a photo, or the folder of unknown things holds none.
        """
        try:
            children = sorted(child for child in folder.iterdir() if child.is_dir() and not is_hidden(child.name))
        except OSError as error:
            raise DataError(f"{folder}: not a folder of class folders ({error.strerror})") from error
        photos = {class_name(child.name): _photos(child, pattern) for child in children}
        self._photos = {name: paths for name, paths in photos.items() if paths and name != EMPTY_CLASS}
        if not self._photos:
            raise DataError(f"{folder}: no class folder holds a photo that matches '{pattern}'")
        if len(self._photos) < 2:  # noqa: PLR2004
            raise DataError(f"{folder}: only class '{next(iter(self._photos))}' is in it: a shelf needs two or more")
        self._unknown = _photos(unknown, "*") if unknown else ()
        if unknown and not self._unknown:
            raise DataError(f"{unknown}: no photo of an unknown thing in it")

    def stock(self) -> tuple[Stock, ...]:
        """One entry for each class folder; the category is the first word of the name."""
        return tuple(Stock(name, name, name.split("-")[0]) for name in self._photos)

    def show(self, name: str, rng: np.random.Generator) -> Image.Image:
        """One of the photos of the class."""
        return _open(self._photos[name][int(rng.integers(len(self._photos[name])))])

    def show_unknown(self, rng: np.random.Generator) -> Image.Image:
        """One of the photos of unknown things, or an invented carton where no folder was named."""
        if not self._unknown:
            return draw_unknown(rng)
        return _open(self._unknown[int(rng.integers(len(self._unknown)))])


def pictures_of(photos: Path | None, unknown: Path | None, pattern: str) -> Pictures:
    """The photos of a folder, or drawn cartons where no folder is named."""
    return PhotoPictures(photos, unknown, pattern) if photos else DrawnPictures()


def draw_unknown(rng: np.random.Generator) -> Image.Image:
    """A carton of an invented brand, in a layout of its own."""
    return draw_carton(invented_product(rng), str(rng.choice(["emblem", "column"])))


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A random generator of its own for each (seed, names), the same in every run and on every machine."""
    words = [name if isinstance(name, int) else zlib.crc32(name.encode()) for name in names]
    return np.random.default_rng([seed, *words])


def _photos(folder: Path, pattern: str) -> tuple[Path, ...]:
    return sort_files(folder.glob(pattern)).photos


def _open(path: Path) -> Image.Image:
    try:
        return read_picture(path)
    except DataError as error:
        raise DataError(f"{error}: replace or remove it") from error
