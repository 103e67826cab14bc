"""Tryton 8, asked by its JSON-RPC: storage locations by their code, products by code or GTIN, quantities as of now."""

import threading
from typing import Any, Literal

from warehouse.connectors.sync.source import SourceError, StockSnapshot, managed_codes, stock_rows
from warehouse.connectors.tryton_rpc import TrytonLogin, TrytonRpc


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
        locations = self._locations()
        stock = [
            {"location": location["code"], "product": row["product"], "quantity": row["quantity"]}
            for location in locations
            for row in self._contents(location["id"])
        ]
        products = self._names({row["product"] for row in stock})
        rows = [row | {"sku": products[row["product"]]} for row in stock]
        return StockSnapshot(
            managed_codes([{"location": one["code"]} for one in locations], self.name), stock_rows(rows, self.name)
        )

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

    def _contents(self, location: int) -> list[dict[str, Any]]:
        context = {"locations": [location], "with_childs": False}
        rows = self._rpc.all("stock.products_by_locations", [["quantity", "!=", 0]], ["product", "quantity"], context)
        return [row for row in rows if row["quantity"] > 0]

    def _names(self, products: set[int]) -> dict[int, str | None]:
        if self._settings.identifier == "code":
            rows = self._rpc.all("product.product", [["id", "in", sorted(products)]], ["code"])
            return dict.fromkeys(products) | {row["id"]: row["code"] for row in rows}
        wanted = [["product", "in", sorted(products)], ["type", "=", "ean"]]
        rows = self._rpc.all("product.identifier", wanted, ["product", "code"])
        return dict.fromkeys(products) | {row["product"]: row["code"] for row in rows}
