"""Counted quantities in Odoo 16 to 19, not applied: a person applies them in Inventory > Physical Inventory.

Odoo has had no count as a document since version 15: a count stands in `stock.quant` (`inventory_quantity`) until it is
applied. One is set by `create` with `inventory_mode` in the context, which takes the quant that is there, so that
telling the same twice changes nothing, and notes our user as the one who counts (`user_id`). Source: addons/stock of
the published versions 16.0 to 19.0. Never run against a real Odoo.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from warehouse.connectors.deliver.answers import is_refusal
from warehouse.connectors.deliver.counting import count_of, is_alert_over, is_news, proposal
from warehouse.connectors.deliver.event_refusals import EventRefusedError, send_each
from warehouse.connectors.deliver.target import Outgoing, Refusals, TargetError
from warehouse.connectors.http_client import STOP_GRACE_S, HttpClient, header_secret, plain_client
from warehouse.connectors.odoo import OdooClient, OdooError, OdooServer
from warehouse.connectors.record_fields import RecordFields
from warehouse.connectors.secret import SecretPath, secret
from warehouse.connectors.web_address import WebAddress

_COUNTING = {"inventory_mode": True}
_NOT_THE_EVENTS_FAULT = ("odoo.exceptions.Access", "psycopg2.", "odoo.http.Session")
"""Exceptions on the server that are of our rights, its database or our session."""
_SAID = 300
"""So many characters of what it says are passed on."""
_JSON_2_FROM = 19
_CLEAR_IN_16 = "action_set_inventory_quantity_to_zero"
_CLEAR = "action_clear_inventory_quantity"


class OdooCounts(BaseModel):
    """`[targets.NAME]` with `kind = "odoo"`; the user is one of Kardus's own, in the group Inventory / User."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["odoo"]
    """Odoo."""
    url: WebAddress
    """The server, as `https://erp.local`."""
    version: Literal[16, 17, 18, 19]
    """Its version."""
    database: str
    """Its database."""
    user: str
    """The user's login."""
    password_file: SecretPath
    """File that holds the password or an API key (from version 19: an API key), for you alone."""
    location_field: Literal["complete_name", "barcode", "name"] = "complete_name"
    """Which field of a location holds the code that Kardus uses."""
    product_field: Literal["default_code", "barcode"] = "default_code"
    """Which field of a product holds the SKU."""
    ca_file: Path | None = None
    """Authorities that may vouch for the server (PEM); else the system's."""


class OdooTarget:
    """Sets and clears counted quantities, one event at a time."""

    batch = 1

    def __init__(self, key: str, settings: OdooCounts) -> None:
        """Prepare; `key` is the table's in the file.

        Raises:
            ConfigError: the password can't be read.
        """
        self._settings = settings
        self.name = f"{settings.url}, database {settings.database}"
        api: Literal["json-rpc", "json-2"] = "json-2" if settings.version >= _JSON_2_FROM else "json-rpc"
        read = header_secret if api == "json-2" else secret
        password = read(f"{key}.password_file", settings.password_file)
        self._client = HttpClient(plain_client(settings.ca_file), TargetError, grace_s=STOP_GRACE_S)
        server = OdooServer(url=settings.url, database=settings.database, user=settings.user, api=api)
        self._odoo = OdooClient(server, password, self._client)
        self._user = 0

    def wants(self, outgoing: Outgoing) -> bool:
        """Discrepancies, and their end."""
        return is_news(outgoing)

    def send(self, events: Sequence[Outgoing]) -> Refusals:
        """Propose counts, and take them back."""
        return send_each(events, self._draft)

    def stop(self) -> None:
        """Let a call under way end soon."""
        self._client.stop()

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _draft(self, one: Outgoing) -> None:
        location = self._only("stock.location", self._settings.location_field, one.location)
        new = {} if is_alert_over(one) else count_of(one).quantities
        former = proposal(one.former) if one.former is not None else {}
        self._take_back(location, {sku: n for sku, n in former.items() if new.get(sku) != n})
        wanted = [(self._only("product.product", self._settings.product_field, sku), n) for sku, n in new.items()]
        for product, quantity in wanted:
            values = {"product_id": product, "location_id": location, "inventory_quantity": quantity}
            self._call("stock.quant", "create", vals_list=[values], context=_COUNTING)

    def _take_back(self, location: int, quantities: Mapping[str, int]) -> None:
        """Clear what we had set and nobody has applied or changed."""
        for sku, quantity in quantities.items():
            domain = [
                ["location_id", "=", location],
                [f"product_id.{self._settings.product_field}", "=", sku],
                ["inventory_quantity_set", "=", True],
                ["inventory_quantity", "=", quantity],
                ["user_id", "=", self._own_user()],
            ]
            found = self._search("stock.quant", domain)
            if found:
                clear = _CLEAR_IN_16 if self._settings.version == 16 else _CLEAR  # noqa: PLR2004 - Odoo's version
                self._call("stock.quant", clear, found, context=_COUNTING)

    def _own_user(self) -> int:
        if not self._user:
            self._user = self._only("res.users", "login", self._settings.user)
        return self._user

    def _only(self, model: str, field: str, value: str) -> int:
        found = self._search(model, [[field, "=", value]])
        if len(found) != 1:
            raise EventRefusedError(f"{len(found)} records of {model} have the {field} '{value}': there must be one")
        return found[0]

    def _search(self, model: str, domain: list[Any]) -> list[int]:
        rows = self._call(model, "search_read", domain=domain, fields=["id"])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise TargetError(f"{self.name}: {model}.search_read answers something else than records")
        fields = RecordFields(f"{self.name}: {model}", TargetError)
        return [fields.id(row) for row in rows]

    def _call(self, model: str, method: str, ids: Sequence[int] | None = None, **named: Any) -> Any:
        """What a method returns.

        Raises:
            RefusedError: Odoo refuses what it is told.
            TargetError: it doesn't answer, or refuses us.
        """
        try:
            return self._odoo.call(model, method, ids, **named)
        except OdooError as error:
            kind = (
                TargetError
                if not error.exception or error.exception.startswith(_NOT_THE_EVENTS_FAULT)
                else EventRefusedError
            )
            raise kind(str(error)) from error
        except TargetError as error:
            if is_refusal(error):
                raise EventRefusedError(f"{error}: {_message(error.answer)}") from error
            raise


def _message(answer: bytes) -> str:
    try:
        told = json.loads(answer)
    except (ValueError, RecursionError):
        return ""
    return " ".join(str(told.get("message", "") if isinstance(told, dict) else told).split())[:_SAID]
