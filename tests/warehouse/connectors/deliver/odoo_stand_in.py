"""Odoo as far as counts need it, written from its published documentation and the source of addons/stock, 16.0 to 19.0.

JSON-RPC (`/jsonrpc`, versions 16 to 18) and JSON-2 (`/json/2/...`, version 19). No real Odoo was run beside it.
"""

from collections.abc import Sequence
from typing import Any

from tests.warehouse.connectors.deliver.served import Answer, Asked

USER, LOGIN, KEY = 5, "kardus", "an-api-key-of-its-own"
Row = dict[str, Any]


class OdooStandIn:
    """Locations, products and quants."""

    def __init__(self, version: int, locations: Sequence[str], products: Sequence[str]) -> None:
        self.version = version
        self.tables: dict[str, list[Row]] = {
            "res.users": [{"id": USER, "login": LOGIN}],
            "stock.location": [{"id": n, "complete_name": code} for n, code in enumerate(locations, 10)],
            "product.product": [{"id": n, "default_code": code} for n, code in enumerate(products, 100)],
            "stock.quant": [],
        }

    def answer(self, asked: Asked) -> Answer:
        """One call."""
        if self.version >= 19:
            return self._json_2(asked)
        told = asked.json
        params = told["params"]
        if params["method"] == "authenticate":
            return Answer(
                body={"jsonrpc": "2.0", "id": told["id"], "result": USER if params["args"][2] == KEY else False}
            )
        _, user, password, model, method, positions, names = params["args"]
        assert (user, password) == (USER, KEY)
        try:
            context = names.pop("context", {})
            result = self._call(model, method, positions or list(names.values()), context)
        except LookupError as error:
            data = {"name": "odoo.exceptions.UserError", "message": str(error)}
            return Answer(body={"jsonrpc": "2.0", "id": told["id"], "error": {"code": 200, "data": data}})
        return Answer(body={"jsonrpc": "2.0", "id": told["id"], "result": result})

    def _json_2(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"bearer {KEY}":
            return Answer(401, {"name": "werkzeug.exceptions.Unauthorized", "message": "Invalid apikey"})
        _, _, _, model, method = asked.path.split("/")
        words = asked.json
        context = words.pop("context", {})
        names = {"search_read": ["domain", "fields"], "create": ["vals_list"]}.get(method, ["ids"])
        try:
            return Answer(body=self._call(model, method, [words[name] for name in names], context))
        except LookupError as error:
            return Answer(422, {"name": "odoo.exceptions.UserError", "message": str(error)})

    def _call(self, model: str, method: str, words: list[Any], context: Row) -> Any:
        clear = "action_set_inventory_quantity_to_zero" if self.version == 16 else "action_clear_inventory_quantity"
        if method == "search_read":
            rows = self.tables[model]
            return [{"id": row["id"]} for row in rows if all(self._fits(row, *clause) for clause in words[0])]
        assert context.get("inventory_mode") is True
        if method == "create":
            return [self._count(values) for values in words[0]]
        if method != clear:
            raise LookupError(f"no method {method}")
        for row in self.tables[model]:
            if row["id"] in words[0]:
                row.update(inventory_quantity=0, inventory_quantity_set=False, user_id=False)
        return None

    def _count(self, values: Row) -> int:
        quants, key = self.tables["stock.quant"], ("product_id", "location_id")
        found = next((quant for quant in quants if all(quant[name] == values[name] for name in key)), None)
        if found is None:
            goods = {row["id"]: row["default_code"] for row in self.tables["product.product"]}
            found = {"id": len(quants) + 1, "product_id.default_code": goods[values["product_id"]]}
            quants.append(found)
        found.update(values, inventory_quantity_set=True, user_id=USER)
        return int(found["id"])

    def counts(self) -> list[tuple[str, str, int]]:
        """Location, product and quantity of what waits for a person, in order."""
        places = {row["id"]: row["complete_name"] for row in self.tables["stock.location"]}
        return [
            (places[row["location_id"]], row["product_id.default_code"], row["inventory_quantity"])
            for row in self.tables["stock.quant"]
            if row["inventory_quantity_set"]
        ]

    def _fits(self, row: Row, name: str, operator: str, value: Any) -> bool:
        assert operator == "="
        return bool(row.get(name) == value)
