"""Odoo's two ways of being called from outside, as one: JSON-RPC (16 to 19) and JSON-2 (from 19).

Written from Odoo's published documentation ("External API" of 16.0 to 19.0) and sources; never run against an Odoo.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import httpx2
from pydantic import BaseModel, ConfigDict

from kardus.support.control_characters import one_line
from warehouse.connectors.record_fields import are_records

PAGE = 1000
OdooRecord = Mapping[str, Any]


class OdooServer(BaseModel):
    """Where an Odoo is, and as whom it is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    url: str
    """The server, as `https://erp.local`."""
    database: str
    """Its database."""
    user: str = ""
    """The login; not needed by `json-2`, whose key says who asks."""
    api: Literal["json-rpc", "json-2"]
    """`json-rpc` for Odoo 16 to 18, `json-2` from 19 on."""


class OdooError(Exception):
    """It refuses, or answers nonsense: one line."""

    def __init__(self, text: str, exception: str = "") -> None:
        """Keep the name of the exception on the server, as `odoo.exceptions.UserError`; empty: none is told."""
        super().__init__(one_line(text))
        self.exception = exception


class Http(Protocol):
    """What asks over HTTP; it raises what its user wants where there is no answer."""

    def request(self, method: str, url: str, **options: Any) -> httpx2.Response:
        """An answer with a status below 300."""

    def json(self, response: httpx2.Response) -> Any:
        """The JSON of an answer."""


class OdooClient:
    """Calls methods of models. Used by one thread."""

    def __init__(self, server: OdooServer, key: str, client: Http) -> None:
        """Prepare; nothing is asked yet. `key`: an API key, or with `json-rpc` the password."""
        self._server, self._key, self._client = server, key, client
        self._user: int | None = None
        self._calls = 0
        self.name = f"{server.url.rstrip('/')} ({server.database})"

    def call(self, model: str, method: str, ids: Sequence[int] | None = None, **named: Any) -> Any:
        """Call a method with named arguments; `ids`: of the records that it is called on.

        Raises:
            OdooError: it can't be asked, refuses, or answers nonsense.
        """
        if self._server.api == "json-2":
            return self._call_by_json_2(model, method, ids, named)
        if self._user is None:
            self._user = self._log_in()
        positions = [] if ids is None else [list(ids)]
        if method == "create":  # Odoo takes the values by position alone there
            positions.append(named.pop("vals_list"))
        words = [self._server.database, self._user, self._key, model, method, positions, named]
        return self._rpc("object", "execute_kw", words)

    def all(
        self, model: str, domain: Sequence[Any], fields: Sequence[str], context: OdooRecord | None = None
    ) -> list[Any]:
        """Every record of a domain: page by page by `id`, so that none is passed over when others come and go.

        Raises:
            OdooError: as `call`.
        """
        found: list[Any] = []
        last = 0
        while True:
            page = self.call(
                model,
                "search_read",
                domain=[*domain, ["id", ">", last]],
                fields=list(fields),
                limit=PAGE,
                order="id",
                context=dict(context or {}),
            )
            if not self._checked(page, model, last):  # a server may give fewer than it was asked for
                return found
            found += page
            last = page[-1]["id"]

    def _checked(self, page: Any, model: str, last: int) -> list[Any]:
        if not are_records(page, last):
            raise OdooError(f"{self.name}: {model}: answers something that is no list of records")
        return list(page)

    def _call_by_json_2(self, model: str, method: str, ids: Sequence[int] | None, named: OdooRecord) -> Any:
        headers = {"Authorization": f"bearer {self._key}", "X-Odoo-Database": self._server.database}
        body = dict(named) if ids is None else {"ids": list(ids), **named}
        url = f"{self._server.url.rstrip('/')}/json/2/{model}/{method}"
        return self._client.json(self._client.request("POST", url, json=body, headers=headers))

    def _log_in(self) -> int:
        words = [self._server.database, self._server.user, self._key, {}]
        found = self._rpc("common", "authenticate", words)
        if type(found) is not int:
            raise OdooError(f"{self.name}: refuses the user '{self._server.user}': correct user and password_file")
        return found

    def _rpc(self, service: str, method: str, words: list[Any]) -> Any:
        self._calls += 1
        params = {"service": service, "method": method, "args": words}
        body = {"jsonrpc": "2.0", "method": "call", "params": params, "id": self._calls}
        url = f"{self._server.url.rstrip('/')}/jsonrpc"
        answer = self._client.json(self._client.request("POST", url, json=body))
        if not isinstance(answer, dict) or not {"result", "error"} & answer.keys():
            raise OdooError(f"{url}: answers something that is no JSON-RPC: correct source.url")
        if "result" not in answer or answer.get("error"):
            self._user = None  # the next call logs in again
            raise OdooError(f"{self.name}: {_error_message(answer['error'])}", _exception(answer["error"]))
        return answer["result"]


def _exception(error: Any) -> str:
    data = error.get("data") if isinstance(error, dict) else None
    return str(data.get("name", "")) if isinstance(data, dict) else ""


def _error_message(error: Any) -> str:
    """The message of an error, in a line: the server adds a trace in Python."""
    data = error.get("data") if isinstance(error, dict) else None
    text = (data.get("message") if isinstance(data, dict) else "") or (
        error.get("message") if isinstance(error, dict) else error
    )
    return " ".join(str(text).split())[:300] or "an error"
