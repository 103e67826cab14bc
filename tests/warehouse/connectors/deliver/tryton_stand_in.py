"""Tryton 8.2.1 as far as counts need it: methods and answers as the real one's, which make demo-erp runs."""

from collections.abc import Sequence
from typing import Any

from tests.warehouse.connectors.deliver.served import Answer, Asked

USER = 7
Row = dict[str, Any]


class TrytonStandIn:
    """Locations, products, counts and notes."""

    def __init__(self, locations: Sequence[str], products: Sequence[str]) -> None:
        warehouse = {"id": 1, "code": "WH", "type": "warehouse", "storage_location": 2}
        places = [{"id": n, "code": code, "type": "storage", "parent": 2} for n, code in enumerate(locations, 10)]
        goods = [{"id": n, "code": code} for n, code in enumerate(products, 100)]
        self.tables: dict[str, list[Row]] = {
            "stock.location": [warehouse, *places],
            "product.product": list(goods),
            "stock.inventory": [],
            "stock.inventory.line": [],
            "ir.note": [],
        }
        self.writer = USER
        """Who does what comes next."""

    def answer(self, asked: Asked) -> Answer:
        """JSON-RPC as Tryton's: the result in an object with the request's id."""
        told = asked.json
        method, words = told["method"], told["params"]
        if method == "common.db.login":
            return Answer(body={"id": told["id"], "result": [USER, "session"]})
        if not asked.headers.get("authorization", "").startswith("Session "):
            return Answer(401)
        _, _, rest = method.partition("model.")
        model, _, name = rest.rpartition(".")
        try:
            return Answer(body={"id": told["id"], "result": getattr(self, "do_" + name)(model, *words[:-1])})
        except LookupError as error:
            return Answer(body={"id": told["id"], "error": ["UserError", [str(error), "", None]]})

    def do_get_preferences(self, _model: str, _only: bool) -> Row:  # noqa: FBT001 - Tryton's
        """Of the user."""
        return {"company": 1}

    def do_search_read(
        self, model: str, domain: list[Any], offset: int, limit: int, _order: Any, names: Any
    ) -> list[Row]:
        """Records; notes only of what is named."""
        if model == "ir.note" and not any(clause[0] == "resource" for clause in domain):
            raise LookupError('You are not allowed to search on the "ir.note" resource.')
        rows = [row for row in self.tables[model] if all(self._fits(row, *clause) for clause in domain)]
        return [{name: row.get(name) for name in names} for row in rows[offset : offset + limit]]

    def do_create(self, model: str, rows: list[Row]) -> list[int]:
        """New ones."""
        numbers = []
        for row in rows:
            numbers.append(len(self.tables[model]) + 1)
            lines = row.pop("lines", [])
            kept = {"id": numbers[-1], "create_uid": self.writer, "write_uid": None, "state": "draft", **row}
            self.tables[model].append(kept)
            if model == "stock.inventory":
                kept["lines"] = []
                self._change_lines(kept, lines)
        return numbers

    def do_write(self, model: str, numbers: list[int], values: Row) -> None:
        """Change one."""
        row = next(row for row in self.tables[model] if row["id"] == numbers[0])
        if row.get("state") != "draft":
            raise LookupError("can't be modified")
        row["write_uid"] = self.writer
        self._change_lines(row, values.pop("lines", []))
        row.update(values)

    def do_cancel(self, model: str, numbers: list[int]) -> None:
        """Cancel drafts."""
        for row in self.tables[model]:
            if row["id"] in numbers:
                row["state"] = "cancelled"

    def counts(self, state: str = "draft") -> list[tuple[str, dict[str, float]]]:
        """Location and quantities of the counts in a state, in order."""
        places = {row["id"]: row["code"] for row in self.tables["stock.location"]}
        goods = {row["id"]: row["code"] for row in self.tables["product.product"]}
        lines = {row["id"]: row for row in self.tables["stock.inventory.line"]}
        return [
            (
                places[row["location"]],
                {goods[lines[n]["product"]]: lines[n]["quantity"] for n in row["lines"]},
            )
            for row in self.tables["stock.inventory"]
            if row["state"] == state
        ]

    def _change_lines(self, inventory: Row, changes: list[list[Any]]) -> None:
        for what, told in changes:
            if what == "delete":
                inventory["lines"] = [number for number in inventory["lines"] if number not in told]
            else:
                rows = [{**line, "inventory": inventory["id"]} for line in told]
                inventory["lines"] += self.do_create("stock.inventory.line", rows)

    def _fits(self, row: Row, name: str, operator: str, value: Any) -> bool:
        if operator in {"child_of", "in"}:
            return row.get(name) in value
        return bool(row.get(name) == value)
