"""A stand-in for Odoo, written from its documentation ("External API" of 16.0, "External JSON-2 API" of 19.0).

    /jsonrpc                 16 to 19: services `common` (authenticate), `object` (execute_kw); errors with status 200
    /json/2/MODEL/METHOD     19: `bearer` and a key; errors with a status of their own

It knows `search_read` of the four models that a warehouse's stock is in. It is no Odoo: rights, companies and
transactions aren't played.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.warehouse.connectors.sync.stand_in import served
from tests.warehouse.connectors.sync.wms import Stock

KEY, LOGIN, DATABASE, USER = "k3y", "kardus", "wms", 7
ROOT = 8
"""The location `WH/Stock`."""


@dataclass
class Odoo:
    """Its tables, and what it was asked."""

    version: int
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path, and model with method."""
    url: str = ""
    most: int = 10_000
    """Records of a page, whatever it is asked for."""
    spoil: Callable[[Any], Any] = lambda said: said
    """What becomes of an answer."""

    def put(self, stock: Stock) -> None:
        """Locations by barcode, each product once, a quant in two lots where there is more than one."""
        places = {code: 100 + number for number, code in enumerate(stock)}
        skus = sorted({held[0] for held in stock.values() if held})
        products = {sku: 500 + number for number, sku in enumerate(skus)}
        self.tables = {
            "stock.warehouse": [{"id": 1, "code": "WH", "lot_stock_id": [ROOT, "WH/Stock"]}],
            "stock.location": [
                _place(ROOT, "Stock", False, [7, "WH"], child_ids=list(places.values())),
                *(_place(id_, code, code, [ROOT, "WH/Stock"]) for code, id_ in places.items()),
                _place(60, "Unlabelled", False, [ROOT, "WH/Stock"]),
                _place(61, "Customers", "CUST", False, usage="customer"),
            ],
            "product.product": [
                {"id": id_, "default_code": sku, "barcode": f"B-{sku}", "active": sku != "Milk"}
                for sku, id_ in products.items()
            ],
            "stock.quant": [],
        }
        for code, held in stock.items():
            for amount in _lots(held[1]) if held else ():
                self.quant(places[code], products[held[0]] if held else 0, amount)
        self.quant(60, next(iter(products.values()), 500), 3.0)

    def quant(self, place: int, product: int, quantity: float) -> None:
        """Another row of stock."""
        quants = self.tables["stock.quant"]
        links = {"location_id": [place, "a place"], "product_id": [product, "a product"]}
        quants.append({"id": 1000 + len(quants), **links, "quantity": quantity})

    def search_read(self, model: str, named: Mapping[str, Any]) -> list[dict[str, Any]]:
        """As `search_read` of a model does."""
        rows = self.tables[model]
        hidden = named.get("context", {}).get("active_test", True)
        found = [row for row in rows if row.get("active", True) or not hidden]
        for name, operator, value in named["domain"]:
            wanted = self._below(value) if operator == "child_of" else value
            found = [row for row in found if _holds(row, name, operator, wanted)]
        found.sort(key=lambda row: row["id"])
        return [
            {"id": row["id"], **{name: row[name] for name in named["fields"]}}
            for row in found[: min(self.most, named["limit"])]
        ]

    def _below(self, root: int) -> set[int]:
        places = {row["id"]: row["location_id"] for row in self.tables["stock.location"]}
        return {root} | {id_ for id_, parent in places.items() if parent and parent[0] == root}


def _holds(row: Mapping[str, Any], name: str, operator: str, value: Any) -> bool:
    found = row[name]
    single = found[0] if name.endswith("_id") and found else found
    match operator:
        case "=":
            return not found if value is False else bool(found == value)
        case "!=":
            return bool(found != value)
        case ">":
            return bool(single > value)
        case "in" | "child_of":
            return single in value
    raise AssertionError(operator)


def _place(id_: int, name: str, barcode: Any, parent: Any, **other: Any) -> dict[str, Any]:
    own = {"id": id_, "name": name, "complete_name": f"WH/Stock/{name}", "barcode": barcode, "location_id": parent}
    return own | {"usage": "internal", "child_ids": [], "active": True} | other


def _lots(quantity: int) -> Sequence[float]:
    return [1.0, float(quantity - 1)] if quantity > 1 else [float(quantity)]


@contextmanager
def odoo(version: int) -> Iterator[Odoo]:
    """A running one."""
    state = Odoo(version)

    def answer(path: str, headers: Mapping[str, str], body: Any) -> tuple[int, Any]:
        if path == "/jsonrpc":
            return 200, {"jsonrpc": "2.0", "id": body["id"], **_rpc(state, **body["params"])}
        if path.startswith("/json/2/") and version >= 19:
            if headers.get("authorization") != f"bearer {KEY}":
                return 401, {"name": "werkzeug.exceptions.Unauthorized", "message": "Invalid apikey", "arguments": []}
            _, _, _, model, method = path.split("/")
            state.asked.append((path, f"{model}.{method}"))
            return 200, state.search_read(model, body)
        return 404, {}

    with served(answer, lambda said: state.spoil(said)) as state.url:  # noqa: PLW0108 - it may be set anew
        yield state


def _rpc(state: Odoo, service: str, method: str, args: list[Any]) -> dict[str, Any]:
    if (service, method) == ("common", "authenticate"):
        return {"result": USER if args[:3] == [DATABASE, LOGIN, KEY] else False}
    database, user, key, model, name, _, named = args
    if (database, user, key) != (DATABASE, USER, KEY):
        data = {"name": "odoo.exceptions.AccessDenied", "message": "Access Denied", "debug": "Traceback ..."}
        return {"error": {"code": 200, "message": "Odoo Server Error", "data": data}}
    state.asked.append(("/jsonrpc", f"{model}.{name}"))
    return {"result": state.search_read(model, named)}
