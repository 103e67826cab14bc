"""A stand-in for ERPNext 15, written from Frappe's documentation of its REST API and ERPNext's Warehouse and Bin.

    GET /api/resource/DOCTYPE?fields=[...]&filters=[...]&order_by=...&limit_page_length=...    {"data": [...]}

Pages have 20 documents where nothing is said. It is no ERPNext: rights and companies aren't played.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.warehouse.connectors.sync.stand_in import served
from tests.warehouse.connectors.sync.wms import Stock

TOKEN = "key:secret"  # noqa: S105 - of a stand-in
PARENT = "Racks - C"


@dataclass
class Erpnext:
    """Its documents, and what it was asked."""

    documents: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""
    most: int = 10_000
    """Documents of a page, whatever it is asked for."""
    spoil: Callable[[Any], Any] = lambda said: said
    """What becomes of an answer."""

    def put(self, stock: Stock) -> None:
        """Warehouses by name, a bin for each that holds something or did; a disabled one, and one elsewhere."""
        places = [_warehouse(code) for code in stock]
        others = [_warehouse("Old", disabled=1), _warehouse("Racks - C", is_group=1, parent="All - C")]
        bins = [_bin(code, *held) for code, held in stock.items() if held]
        bins += [_bin(code, "Gone", 0) for code in stock] + [_bin("Elsewhere", "Tea", 9)]
        self.documents = {"Warehouse": [*places, *others], "Bin": bins}

    def listed(self, kind: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """As the server lists documents."""
        found = self.documents[kind]
        for name, operator, value in json.loads(query["filters"]):
            found = [one for one in found if _holds(one, name, operator, value)]
        if "order_by" in query:
            found = sorted(found, key=lambda one: str(one["name"]))
        fields = json.loads(query.get("fields", '["name"]'))
        return [
            {name: one[name] for name in fields}
            for one in found[: min(self.most, int(query.get("limit_page_length", 20)))]
        ]


def _warehouse(code: str, *, disabled: int = 0, is_group: int = 0, parent: str = PARENT) -> dict[str, Any]:
    return {"name": code, "warehouse_name": f"name of {code}", "disabled": disabled, "is_group": is_group, "in": parent}


def _bin(code: str, sku: str, quantity: float) -> dict[str, Any]:
    return {"name": f"{code}|{sku}", "warehouse": code, "item_code": sku, "actual_qty": float(quantity)}


def _holds(one: Mapping[str, Any], name: str, operator: str, value: Any) -> bool:
    match operator:
        case "=":
            return bool(one[name] == value)
        case "!=":
            return bool(one[name] != value)
        case ">":
            return bool(one[name] > value)
        case "descendants of":
            return bool(one["in"] == value)
    raise AssertionError(operator)


@contextmanager
def erpnext() -> Iterator[Erpnext]:
    """A running one."""
    state = Erpnext()

    def answer(path: str, headers: Mapping[str, str], _: Any) -> tuple[int, Any]:
        state.asked.append(path)
        if headers.get("authorization") != f"token {TOKEN}":
            return 401, {"exc_type": "AuthenticationError"}
        where = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(where.query).items()}
        kind = where.path.removeprefix("/api/resource/")
        return (200, {"data": state.listed(kind, query)}) if kind in state.documents else (404, {})

    with served(answer, lambda said: state.spoil(said)) as state.url:  # noqa: PLW0108 - it may be set anew
        yield state
