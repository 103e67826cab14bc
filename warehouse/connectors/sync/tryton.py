"""Tryton 8, asked by its JSON-RPC: storage locations by their code, products by code or GTIN, quantities as of now."""

from collections import Counter
from typing import Literal

from warehouse.connectors.record_fields import RecordFields
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
from warehouse.connectors.tryton_rpc import TrytonLogin, TrytonRpc

_EVERYTHING = {"active_test": False}
"""What is archived may still stand somewhere."""


class TrytonSettings(TrytonLogin):
    """`[source]` with `kind = "tryton"`; the user may read locations, products and moves."""

    kind: Literal["tryton"]
    """Tryton."""
    warehouse: str
    """Code of the warehouse whose storage locations are managed."""
    identifier: Literal["code", "gtin"] = "code"
    """What a product is called: its code, or its GTIN (EAN) among its identifiers."""


class TrytonSource(PolledSource):
    """Managed are the warehouse's storage locations that have a code and no others inside."""

    def __init__(self, settings: TrytonSettings) -> None:
        """Prepare.

        Raises:
            ConfigError: the password can't be read.
        """
        self._settings = settings
        self._rpc = TrytonRpc(settings, "source", SourceError)
        super().__init__(self._rpc)
        self.name = self._rpc.name

    def read(self) -> StockSnapshot:
        """Locations, then each one's products."""
        locations = self._locations()
        stock = list(summed(row for location in locations for row in self._contents(location)))
        names = self._names({row.product for row in stock})
        rows = [named_row(locations[row.place], names.get(row.product, ""), row, self._lacks) for row in stock]
        codes = [{"location": code} for code in locations.values()]
        return StockSnapshot(managed_codes(codes, self.name), stock_rows(rows, self.name))

    def _locations(self) -> dict[int | str, str]:
        """Their codes, by their numbers."""
        fields = self._fields("stock.location")
        found = self._rpc.all(
            "stock.location",
            [["code", "=", self._settings.warehouse], ["type", "=", "warehouse"]],
            ["storage_location"],
        )
        if len(found) != 1:
            raise SourceError(
                f"{self.name}: {len(found)} warehouses have the code '{self._settings.warehouse}': "
                "correct source.warehouse"
            )
        places = [
            ["parent", "child_of", [fields.id(found[0], "storage_location")]],
            ["type", "=", "storage"],
            ["childs", "=", None],
        ]
        rows = self._rpc.all("stock.location", [*places, ["code", "!=", None], ["code", "!=", ""]], ["code"])
        codes: dict[int | str, str] = {row["id"]: fields.code(row, "code") for row in rows}
        require_distinct(codes.values(), self.name, "give each a code of its own in Tryton")
        return codes

    def _contents(self, location: int | str) -> list[StockOfProduct]:
        context = {"locations": [location], "with_childs": False} | _EVERYTHING
        rows = self._rpc.all("stock.products_by_locations", [["quantity", "!=", 0]], ["product", "quantity"], context)
        fields = self._fields("stock.products_by_locations")
        return [StockOfProduct(location, fields.id(row, "product"), fields.number(row, "quantity")) for row in rows]

    def _names(self, products: set[int | str]) -> dict[int | str, str]:
        """By their numbers; without those that have none, or several."""
        if self._settings.identifier == "code":
            rows = self._rpc.all("product.product", [["id", "in", sorted(products)]], ["code"], _EVERYTHING)
            fields = self._fields("product.product")
            return {row["id"]: fields.code(row, "code") for row in rows}
        wanted = [["product", "in", sorted(products)], ["type", "=", "ean"]]
        rows = self._rpc.all("product.identifier", wanted, ["product", "code"], _EVERYTHING)
        fields = self._fields("product.identifier")
        named = [(fields.id(row, "product"), fields.code(row, "code")) for row in rows]
        several = {product for product, times in Counter(product for product, _ in named).items() if times > 1}
        return {product: code for product, code in named if product not in several}

    def _fields(self, model: str) -> RecordFields:
        return RecordFields(f"{self.name}: {model}", SourceError)

    @property
    def _lacks(self) -> str:
        return "no code" if self._settings.identifier == "code" else "no GTIN, or several"
