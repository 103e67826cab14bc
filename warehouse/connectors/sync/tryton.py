"""Tryton 8, asked by its JSON-RPC: storage locations by their code, products by code or GTIN, quantities as of now."""

import threading
from collections import Counter
from typing import Any, Literal

from warehouse.connectors.sync.source import (
    SourceError,
    StockOfProduct,
    StockSnapshot,
    managed_codes,
    named_row,
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


class TrytonSource:
    """Managed are the warehouse's storage locations that have a code and no others inside."""

    def __init__(self, settings: TrytonSettings) -> None:
        """Prepare.

        Raises:
            ConfigError: the password can't be read.
        """
        self._settings = settings
        self._rpc = TrytonRpc(settings, "source", SourceError)
        self.name = self._rpc.name

    def read(self) -> StockSnapshot:
        """Locations, then each one's products."""
        locations = {one["id"]: one["code"] for one in self._locations()}
        stock = list(summed(row for location in locations for row in self._contents(location)))
        names = self._names({row.product for row in stock})
        rows = [named_row(locations[row.place], names.get(row.product), row, self._lacks) for row in stock]
        codes = [{"location": code} for code in locations.values()]
        return StockSnapshot(managed_codes(codes, self.name), stock_rows(rows, self.name))

    def wait(self, stopping: threading.Event, seconds: float) -> None:
        """The whole interval: nothing tells."""
        stopping.wait(seconds)

    def stop(self) -> None:
        """Let a request under way end."""
        self._rpc.stop()

    def close(self) -> None:
        """End."""
        self._rpc.close()

    def _locations(self) -> list[dict[str, Any]]:
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
            ["parent", "child_of", [found[0]["storage_location"]]],
            ["type", "=", "storage"],
            ["childs", "=", None],
        ]
        return self._rpc.all("stock.location", [*places, ["code", "!=", None], ["code", "!=", ""]], ["code"])

    def _contents(self, location: int) -> list[StockOfProduct]:
        context = {"locations": [location], "with_childs": False} | _EVERYTHING
        rows = self._rpc.all("stock.products_by_locations", [["quantity", "!=", 0]], ["product", "quantity"], context)
        return [StockOfProduct(location, row["product"], row["quantity"]) for row in rows]

    def _names(self, products: set[int | str]) -> dict[int | str, str]:
        """By their numbers; without those that have none, or several."""
        if self._settings.identifier == "code":
            rows = self._rpc.all("product.product", [["id", "in", sorted(products)]], ["code"], _EVERYTHING)
            return {row["id"]: row["code"] for row in rows if row["code"]}
        wanted = [["product", "in", sorted(products)], ["type", "=", "ean"]]
        rows = self._rpc.all("product.identifier", wanted, ["product", "code"], _EVERYTHING)
        several = {product for product, times in Counter(row["product"] for row in rows).items() if times > 1}
        return {row["product"]: row["code"] for row in rows if row["product"] not in several}

    @property
    def _lacks(self) -> str:
        return "no code" if self._settings.identifier == "code" else "no GTIN, or several"
