"""Odoo's external API: JSON-RPC up to version 18, JSON-2 from 19.

Sources: "External RPC API" of Odoo 16 to 18 (`/jsonrpc`: services `common` and `object`, `execute_kw`), "External
JSON-2 API" of Odoo 19 (`/json/2/MODEL/METHOD`, a bearer's API key, errors as `{name, message}`).
"""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from warehouse.connectors.deliver.answers import is_refusal
from warehouse.connectors.deliver.refusing import RefusedError
from warehouse.connectors.deliver.target import TargetError
from warehouse.connectors.http_client import HttpClient

_NOT_THE_EVENTS_FAULT = ("odoo.exceptions.Access", "psycopg2.", "odoo.http.Session")
_SAID = 300


class OdooRpc(Protocol):
    """One user's way to call methods."""

    def call(
        self, model: str, method: str, words: Mapping[str, Any], ids: list[int] | None, context: Mapping[str, Any]
    ) -> Any:
        """What a method returns; `words` in the order of its parameters.

        Raises:
            RefusedError: Odoo refuses what it is told.
            TargetError: it doesn't answer, or refuses us.
        """


class JsonRpc:
    """Versions 16 to 18."""

    def __init__(self, client: HttpClient, url: str, database: str, user: str, password: str) -> None:
        """Prepare; the first call logs in."""
        self._client, self._url = client, url.rstrip("/") + "/jsonrpc"
        self._database, self._user, self._password = database, user, password
        self._uid = 0
        self._calls = 0

    def call(
        self, model: str, method: str, words: Mapping[str, Any], ids: list[int] | None, context: Mapping[str, Any]
    ) -> Any:
        """By `execute_kw`: parameters by position, since `create` takes them no other way."""
        if not self._uid:
            self._uid = self._service("common", "login", [self._database, self._user, self._password])
            if not self._uid:
                raise TargetError(f"{self._url}: refuses the user '{self._user}': correct user and password_file")
        positions = [*([ids] if ids is not None else []), *words.values()]
        head = [self._database, self._uid, self._password, model, method]
        return self._service("object", "execute_kw", [*head, positions, {"context": dict(context)}])

    def _service(self, service: str, method: str, words: list[Any]) -> Any:
        self._calls += 1
        params = {"service": service, "method": method, "args": words}
        body = {"jsonrpc": "2.0", "method": "call", "id": self._calls, "params": params}
        answer = self._client.json(self._client.request("POST", self._url, json=body))
        if not isinstance(answer, dict):
            raise TargetError(f"{self._url}: answers something that isn't JSON-RPC")
        if answer.get("error"):
            error = answer["error"]
            data = (error.get("data") if isinstance(error, dict) else None) or {}
            self._refuse(str(data.get("name", "")), str(data.get("message") or error))
        return answer.get("result")

    def _refuse(self, name: str, message: str) -> None:
        text = f"{self._url}: {' '.join(message.split())[:_SAID]}"
        if name.startswith(_NOT_THE_EVENTS_FAULT):
            raise TargetError(text)
        raise RefusedError(text)


class Json2:
    """From version 19."""

    def __init__(self, client: HttpClient, url: str, database: str, key: str) -> None:
        """Prepare."""
        self._client, self._url = client, url.rstrip("/") + "/json/2/"
        self._headers = {"Authorization": f"bearer {key}", "X-Odoo-Database": database}

    def call(
        self, model: str, method: str, words: Mapping[str, Any], ids: list[int] | None, context: Mapping[str, Any]
    ) -> Any:
        """Parameters by their names."""
        body = {**({"ids": ids} if ids is not None else {}), "context": dict(context), **words}
        url = f"{self._url}{model}/{method}"
        try:
            return self._client.json(self._client.request("POST", url, json=body, headers=self._headers))
        except TargetError as error:
            if is_refusal(error):
                raise RefusedError(f"{error}: {_message(error.answer)}") from error
            raise


def _message(answer: bytes) -> str:
    try:
        told = json.loads(answer)
    except ValueError:
        return ""
    return " ".join(str(told.get("message", "") if isinstance(told, dict) else told).split())[:_SAID]
