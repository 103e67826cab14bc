"""Tryton 8's JSON-RPC: logs in when it has to, and calls its models' methods."""

import base64
from pathlib import Path
from typing import Any

import httpx2
from pydantic import BaseModel, ConfigDict

from warehouse.connectors.errors import ConnectorError
from warehouse.connectors.http_client import STOP_GRACE_S, HttpClient, plain_client
from warehouse.connectors.record_fields import are_records
from warehouse.connectors.secret import SecretPath, secret
from warehouse.connectors.web_address import WebAddress

PAGE = 1000
REFUSED_STATUS = 400
"""The `status` of an error that Tryton's answer tells of."""
_SAID = 300


class TrytonLogin(BaseModel):
    """Where a Tryton server is, and who logs in there."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    url: WebAddress
    """The server, as `https://erp.local`."""
    database: str
    """Its database."""
    user: str
    """A user of Kardus's own, with no more rights than it needs."""
    password_file: SecretPath
    """File that holds the password, for you alone."""
    ca_file: Path | None = None
    """Authorities that may vouch for the server (PEM); else the system's."""


class TrytonRpc:
    """One user's session. Used by one thread."""

    def __init__(self, login: TrytonLogin, key: str, error: type[ConnectorError]) -> None:
        """Prepare.

        Args:
            login: where, and as whom.
            key: of the table in the file, for messages.
            error: what is raised.

        Raises:
            ConfigError: the password can't be read.
        """
        self._login, self._error = login, error
        self._password = secret(f"{key}.password_file", login.password_file)
        self._client = HttpClient(plain_client(login.ca_file), error, grace_s=STOP_GRACE_S)
        self._authorization = ""
        self._calls = 0
        self.user = 0
        """The user's number, once logged in."""
        self.name = f"{login.url.rstrip('/')}/{login.database}/rpc/"

    def call(self, model: str, method: str, *words: Any, context: dict[str, Any] | None = None) -> Any:
        """What a method of a model returns.

        Raises:
            ConnectorError: the kind it was given; with the `status` REFUSED_STATUS where Tryton refuses it.
        """
        asked = f"model.{model}.{method}", [*words, context or {}]
        if session := self._authorization:
            try:
                return self._post(*asked, session)
            except self._error as error:
                if error.status != httpx2.codes.UNAUTHORIZED:
                    raise
            self._authorization = ""  # a session ends by itself, after five minutes without a call
        self._log_in()
        return self._post(*asked, self._authorization)

    def all(
        self, model: str, domain: list[Any], fields: list[str], context: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Every record of a model that a domain finds, by number, with these fields.

        Raises:
            ConnectorError: the kind it was given.
        """
        found: list[dict[str, Any]] = []
        while True:
            # not by offset: one that leaves between two pages would take another one out of sight
            rest = [*domain, ["id", ">", found[-1]["id"]]] if found else domain
            words = (rest, 0, PAGE, [["id", "ASC"]], ["id", *fields])
            page = self.call(model, "search_read", *words, context=context)
            if not are_records(page, found[-1]["id"] if found else -1):
                raise self._error(f"{self.name}: {model}.search_read answers something else than records by number")
            found += page
            if len(page) < PAGE:
                return found

    def stop(self) -> None:
        """Let a call under way end soon; from any thread."""
        self._client.stop()

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    def _log_in(self) -> None:
        login = self._login
        answer = self._post("common.db.login", [login.user, {"password": self._password}], "")
        if not isinstance(answer, list) or list(map(type, answer[:2])) != [int, str] or not answer[1].isascii():
            raise self._error(f"{self.name}: refuses the user '{login.user}': correct user and password_file")
        self.user = answer[0]
        words = ":".join([login.user, *map(str, answer[:2])])
        self._authorization = "Session " + base64.b64encode(words.encode()).decode()

    def _post(self, method: str, words: list[Any], authorization: str) -> Any:
        self._calls += 1
        body = {"id": self._calls, "method": method, "params": words}
        headers = {"Authorization": authorization} if authorization else {}
        answer = self._client.json(self._client.request("POST", self.name, json=body, headers=headers))
        if isinstance(answer, dict) and answer.get("error"):
            told = answer["error"]
            raise self._error(f"{self.name}: {method}: {_error_message(told)}", REFUSED_STATUS, _kind(told).encode())
        return answer.get("result") if isinstance(answer, dict) and "id" in answer else answer


def _kind(told: Any) -> str:
    return str(told[0]) if isinstance(told, list) and told else "error"


def _error_message(error: Any) -> str:
    parts = error if isinstance(error, list) else [error]
    texts = [text for part in parts for text in (part if isinstance(part, list) else [part])]
    return (
        " ".join(": ".join(str(text) for text in texts if isinstance(text, (str, int))).split())[:_SAID] or "an error"
    )
