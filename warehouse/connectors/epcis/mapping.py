"""Which GS1 identifiers the warehouse's locations and products have: a TOML file and two lists."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict

from kardus.support.errors import DataError, UsageError
from kardus.support.settings_files import read_settings_file
from kardus.support.spelling import composed
from kardus.support.tabular.table_headers import WantedColumns
from kardus.support.tabular.tables import Row, read_rows
from kardus.support.time_zone import TimeZone, time_zone
from warehouse.connectors.epcis.identifiers import filled_gtin, gln13, is_extension, place_uri, product_uri

_LOCATIONS = WantedColumns(("location", "gln"), optional=("extension",))
_PRODUCTS = WantedColumns(("sku", "gtin"))


def _base(text: str) -> str:
    parts = urlsplit(text)
    if text and (
        parts.scheme != "https" or not parts.netloc or parts.query or parts.fragment or re.search(r"\s", text)
    ):
        raise ValueError("no base of addresses: write https:// and a domain of your own, as https://id.example.com/wms")
    return text.rstrip("/")


class MappingFile(BaseModel):
    """The TOML file. Paths in it begin at its own folder."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    gln: Annotated[str, AfterValidator(gln13)]
    """The warehouse's GLN: the business location, and what a read point's identifier begins with."""
    products: Path | None = None
    """A list with the columns `sku` and `gtin`. Without it, every SKU that is a GTIN is taken as one."""
    locations: Path | None = None
    """A list with the columns `location`, `gln` and `extension`, of locations that have identifiers of their own."""
    private_base: Annotated[str, AfterValidator(_base)] = ""
    """An https address of your own domain: what has no GS1 identifier is named below it. Empty: it is left out."""
    timezone: str = ""
    """The time zone that events are told in, as `Europe/Berlin`; empty: the machine's own."""


@dataclass(frozen=True)
class Identifiers:
    """The identifiers of one warehouse, as URIs."""

    business_location: str
    """The warehouse."""
    zone: TimeZone
    """Events are told in this time zone."""
    _gln: str
    _products: Mapping[str, str] | None
    _locations: Mapping[str, str]
    _private_base: str

    def product(self, sku: str) -> str | None:
        """A product's class; None: it has no identifier."""
        found = _own_gtin(sku) if self._products is None else self._products.get(sku)
        return found or self._private("product", sku)

    def read_point(self, location: str) -> str | None:
        """A storage location; None: it has no identifier."""
        if location in self._locations:
            return self._locations[location]
        own = place_uri(self._gln, location) if is_extension(location) else None
        return own or self._private("location", location)

    def _private(self, kind: str, name: str) -> str | None:
        return f"{self._private_base}/{kind}/{quote(name, safe='')}" if self._private_base else None


def read_identifiers(path: Path) -> Identifiers:
    """Read a mapping file and its lists.

    Raises:
        UsageError: the file isn't there, isn't TOML, or a key of it is wrong.
        DataError: one of its lists can't be read, or a line of it is wrong.
    """
    file = read_settings_file(path, MappingFile, "docs/wms.md")
    products = None if file.products is None else _read_products(path.parent / file.products)
    locations = {} if file.locations is None else _read_locations(path.parent / file.locations)
    try:
        zone = time_zone(file.timezone)
    except UsageError as error:
        raise UsageError(f"{path}: timezone: {str(error).removeprefix('--timezone ')}") from error
    return Identifiers(place_uri(file.gln), zone, file.gln, products, locations, file.private_base)


def _read_products(path: Path) -> dict[str, str]:
    return _read_list(path, _PRODUCTS, "sku", lambda values: product_uri(filled_gtin(values["gtin"])))


def _read_locations(path: Path) -> dict[str, str]:
    def place(values: Mapping[str, str]) -> str:
        extension = values.get("extension", "")
        if extension and not is_extension(extension):
            raise ValueError(
                f"extension '{extension}': at most 20 of GS1's characters (no space, no letter but A to Z)"
            )
        return place_uri(gln13(values["gln"]), extension)

    return _read_list(path, _LOCATIONS, "location", place)


def _read_list(
    path: Path, columns: WantedColumns, key: str, identify: Callable[[Mapping[str, str]], str]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in read_rows(path, columns):
        name = composed(row.values.get(key, ""))
        uri = _identified(path, row, identify)
        if not name or found.get(name, uri) != uri:
            problem = f"{key} '{name}' is listed twice, with other identifiers" if name else f"no {key}"
            raise DataError(f"{path}: line {row.line}: {problem}: mend the list")
        found[name] = uri
    return found


def _identified(path: Path, row: Row, identify: Callable[[Mapping[str, str]], str]) -> str:
    if row.problems:
        raise DataError(f"{path}: {row.problems[0]}")
    try:
        return identify(row.values)
    except ValueError as error:
        raise DataError(f"{path}: line {row.line}: {error}: mend the list") from error


def _own_gtin(sku: str) -> str | None:
    try:
        return product_uri(filled_gtin(sku))
    except ValueError:
        return None
