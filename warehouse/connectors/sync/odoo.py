"""Odoo 16 to 19 as a source: a warehouse's internal locations, and what its quants say stands in them.

Written from Odoo's published documentation and sources (stock.warehouse, stock.location, stock.quant, product.product);
never run against an Odoo.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, model_validator

from warehouse.connectors.http_client import HttpClient, header_secret, plain_client
from warehouse.connectors.odoo import OdooClient, OdooError, OdooServer
from warehouse.connectors.record_fields import RecordFields
from warehouse.connectors.secret import SecretPath, secret
from warehouse.connectors.sync.polled import PolledSource
from warehouse.connectors.sync.source import (
    SourceError,
    StockOfProduct,
    StockSnapshot,
    managed_codes,
    named_row,
    require_distinct,
    stock_rows,
    summed,
)
from warehouse.connectors.web_address import WebAddress

_EVERYTHING = {"active_test": False}
"""Odoo leaves out what is archived, unless it is told so: an archived product may still stand somewhere."""


class OdooSettings(OdooServer):
    """`[source]` with `kind = "odoo"`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["odoo"]
    """Odoo."""
    url: WebAddress
    """The server, as `https://erp.local`."""
    password_file: SecretPath
    """File that holds an API key (or, with `json-rpc`, the password), for you alone."""
    ca_file: Path | None = None
    """Authorities that may vouch for the server (PEM); else the system's."""
    warehouse: str
    """Short name (`code`) of the warehouse whose locations are managed."""
    location: Literal["barcode", "name", "complete_name"] = "barcode"
    """What a location's code is: its barcode (without one it isn't managed), its name, or its full name."""
    identifier: Literal["code", "gtin"] = "code"
    """What a product is called: its internal reference, or its barcode."""

    @model_validator(mode="after")
    def _require_user(self) -> "OdooSettings":
        if self.api == "json-rpc" and not self.user:
            raise ValueError("user: name the login that asks by json-rpc")
        return self


class OdooSource(PolledSource):
    """Managed are the internal locations of the warehouse that have no others inside."""

    def __init__(self, settings: OdooSettings) -> None:
        """Prepare.

        Raises:
            ConfigError: the key can't be read.
        """
        self._settings = settings
        self._http = HttpClient(plain_client(settings.ca_file), SourceError)
        super().__init__(self._http)
        read = header_secret if settings.api == "json-2" else secret
        self._client = OdooClient(settings, read("password_file", settings.password_file), self._http)
        self.name = self._client.name

    def read(self) -> StockSnapshot:
        """Locations, then what stands below the warehouse's stock, then the products' names."""
        try:
            return self._read()
        except OdooError as error:
            raise SourceError(str(error)) from error

    def _read(self) -> StockSnapshot:
        root = self._root()
        places = self._places(root)
        inside = [["location_id", "child_of", root], ["quantity", "!=", 0]]
        quants = self._client.all("stock.quant", inside, ["location_id", "product_id", "quantity"])
        stock = [row for row in summed(map(self._of_product, quants)) if row.place in places]
        names = self._names({row.product for row in stock})
        lacks = "no internal reference" if self._settings.identifier == "code" else "no barcode"
        rows = [named_row(places[row.place], names.get(row.product, ""), row, lacks) for row in stock]
        codes = [{"location": code} for code in places.values()]
        return StockSnapshot(managed_codes(codes, self.name), stock_rows(rows, self.name))

    def _root(self) -> int:
        wanted = [["code", "=", self._settings.warehouse]]
        found = self._client.all("stock.warehouse", wanted, ["lot_stock_id"])
        if len(found) != 1:
            raise SourceError(
                f"{self.name}: {len(found)} warehouses have the code '{self._settings.warehouse}': "
                "correct source.warehouse, or the user's companies"
            )
        return self._fields("stock.warehouse").link(found[0], "lot_stock_id")

    def _of_product(self, quant: dict[str, Any]) -> StockOfProduct:
        fields = self._fields("stock.quant")
        place, product = fields.link(quant, "location_id"), fields.link(quant, "product_id")
        return StockOfProduct(place, product, fields.number(quant, "quantity"))

    def _places(self, root: int) -> dict[int | str, str]:
        """Codes of locations by their id."""
        key = self._settings.location
        inside = [["id", "child_of", root], ["usage", "=", "internal"], ["child_ids", "=", False]]
        found = self._client.all("stock.location", inside, [key])
        fields = self._fields("stock.location")
        places: dict[int | str, str] = {one["id"]: fields.code(one, key).strip() for one in found}
        places = {id_: code for id_, code in places.items() if code}
        require_distinct(places.values(), self.name, "set source.location to another key")
        return places

    def _names(self, products: set[int | str]) -> dict[int | str, str]:
        key = "default_code" if self._settings.identifier == "code" else "barcode"
        ids = sorted(products)
        found = []
        for first in range(0, len(ids), 1000):
            wanted = [["id", "in", ids[first : first + 1000]]]
            found += self._client.all("product.product", wanted, [key], _EVERYTHING)
        fields = self._fields("product.product")
        return {one["id"]: fields.code(one, key) for one in found}

    def _fields(self, model: str) -> RecordFields:
        return RecordFields(f"{self.name}: {model}", SourceError)
