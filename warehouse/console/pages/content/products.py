"""Products with a photo each: of a bundle (its golden samples), of a data set, or of a folder of pictures.

a bundle      NAME-VERSION.bundle: the first golden sample of each class
a data set    labels.csv (path,name) and classes.csv (name); sku, category and gtin in either
a folder      one picture for each product, named by its SKU; or one folder for each, of which the first is taken
"""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageOps

from kardus.contract.manifest import EMPTY_CLASS, class_name
from kardus.inference.bundle import read_bundle
from kardus.inference.photo_files import sort_folder
from kardus.support.errors import UsageError
from kardus.support.spelling import find_spelt
from kardus.support.tabular.tables import read_table

SIDE_PX = 240
"""Of a photo as it is shown."""
QUALITY = 80


@dataclass(frozen=True)
class ShownProduct:
    """A product as it is shown."""

    sku: str
    family: str
    """Empty: not known."""
    photo: str
    """Its photo's name in the page's addresses; empty: there is none."""
    gtin: str = ""
    """The number that is printed on its cartons, as the class table has it; empty: not known."""


class ProductPhoto(NamedTuple):
    """A photo of a product, where a product may have several."""

    sku: str
    family: str
    photo: Image.Image | None
    gtin: str = ""


class Products:
    """All products that the page knows."""

    def __init__(self) -> None:
        """No product is known yet."""
        self._known: dict[str, ShownProduct] = {}
        self._photos: dict[str, bytes] = {}

    def add(self, found: ProductPhoto) -> None:
        """Know a product; of its faces the first photo, family and GTIN are kept. An empty location is no product."""
        sku = class_name(found.sku)
        if sku == EMPTY_CLASS:
            return
        known = self._known.get(sku, ShownProduct(sku, "", ""))
        name = known.photo
        if not name and found.photo is not None:
            name = hashlib.sha256(sku.encode()).hexdigest()[:12]
            self._photos[name] = _small(found.photo)
        self._known[sku] = ShownProduct(sku, known.family or found.family, name, known.gtin or found.gtin)

    def get(self, sku: str | None) -> ShownProduct | None:
        """The product with this SKU."""
        return self._known.get(sku) if sku else None

    def family(self, sku: str | None) -> str:
        """Its family; empty: not known."""
        found = self.get(sku)
        return found.family if found else ""

    def address(self, sku: str | None) -> str:
        """Where its photo is to be seen; empty: there is none."""
        found = self.get(sku)
        return f"/photos/{found.photo}.jpg" if found and found.photo else ""

    def photo(self, name: str) -> bytes | None:
        """A photo (JPEG) by its name."""
        return self._photos.get(name)

    def all(self) -> list[ShownProduct]:
        """All products, by SKU."""
        return sorted(self._known.values(), key=lambda one: one.sku)


def load_products(path: Path | None) -> Products:
    """Read what `--products` names.

    Raises:
        KardusError: it can't be read.
    """
    found = Products()
    if path is None:
        return found
    if path.is_file():
        for one in _of_bundle(path):
            found.add(one)
        return found
    if not path.is_dir():
        raise UsageError(f"--products {path}: there is none: name a bundle, a data set or a folder of pictures")
    for one in _of_data_set(path) if (path / "labels.csv").exists() else _of_folder(path):
        found.add(one)
    if not found.all():
        raise UsageError(f"--products {path}: no pictures in it: name a bundle, a data set or a folder of pictures")
    return found


def _of_bundle(path: Path) -> Iterator[ProductPhoto]:
    bundle = read_bundle(path)
    samples = {sample.label: sample.file for sample in reversed(bundle.golden)}
    for one in bundle.manifest.classes:
        file = samples.get(one.name)
        picture = Image.open(io.BytesIO(bundle.golden_png[file])) if file else None
        yield ProductPhoto(one.sku, one.category, picture, one.gtin)


def _of_data_set(path: Path) -> Iterator[ProductPhoto]:
    classes = path / "classes.csv"
    rows = [row.values for row in read_table(classes, ("name",))] if classes.exists() else []
    known = {class_name(row["name"]): row for row in rows}
    for row in read_table(path / "labels.csv", ("path", "name")):
        name = class_name(row.values["name"])
        told = (row.values, known.get(name, {}))  # what stands beside the photo goes before what stands in classes.csv
        sku, family, gtin = (
            next((found for one in told if (found := one.get(key))), "") for key in ("sku", "category", "gtin")
        )
        if name and (photo := find_spelt(path, row.values["path"])).is_file():
            yield ProductPhoto(sku or name, family, _opened(photo), gtin)


def _of_folder(path: Path) -> Iterator[ProductPhoto]:
    content = sort_folder(path)
    for photo in content.photos:
        yield ProductPhoto(photo.stem, "", _opened(photo))
    for folder in content.folders:
        photos = sort_folder(folder).photos
        if photos:
            yield ProductPhoto(folder.name, "", _opened(photos[0]))


def _opened(path: Path) -> Image.Image | None:
    try:
        return ImageOps.exif_transpose(Image.open(path))
    except (OSError, ValueError) as error:
        raise UsageError(f"--products {path}: not a picture that can be read ({error}): remove or mend it") from error


def _small(picture: Image.Image) -> bytes:
    buffer, small = io.BytesIO(), picture.convert("RGB")
    small.thumbnail((SIDE_PX, SIDE_PX))
    small.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
