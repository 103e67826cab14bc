"""Tryton 8, asked by its JSON-RPC: storage locations by their code, products by code or GTIN, quantities as of now."""

import base64
import threading
from pathlib import Path
from typing import Any, Literal

import httpx2
from pydantic import BaseModel, ConfigDict

from warehouse.connectors.sync.http_client import HttpClient
from warehouse.connectors.sync.http_json import Address
from warehouse.connectors.sync.secret import SecretPath, secret
from warehouse.connectors.sync.source import Snapshot, SourceError, managed_codes, stock_rows

PAGE = 1000
_DENIED = (401, 403)


class TrytonSettings(BaseModel):
    """`[source]` with `kind = "tryton"`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["tryton"]
    """Tryton."""
    url: Address
    """The server, as `https://erp.local`."""
    database: str
    """Its database."""
    user: str
    """A user who may read locations, products and moves."""
    password_file: SecretPath
    """File that holds the password, for you alone."""
    warehouse: str
    """Code of the warehouse whose storage locations are managed."""
    identifier: Literal["code", "gtin"] = "code"
    """What a product is called: its code, or its GTIN (EAN) among its identifiers."""
    ca_file: Path | None = None
    """Authorities that may vouch for the server (PEM); else the system's."""


class TrytonSource:
    """Logs in when it has to. Managed are the warehouse's storage locations that have a code and no others inside."""

    def __init__(self, settings: TrytonSettings) -> None:
        """Prepare.

        Raises:
            ConfigError: the password can't be read.
        """
        self._settings = settings
        self._password = secret("password_file", settings.password_file)
        verify: Any = str(settings.ca_file) if settings.ca_file else True
        self._client = HttpClient(httpx2.Client(timeout=20.0, follow_redirects=False, verify=verify))
        self._authorization = ""
        self._calls = 0
        self.name = f"{settings.url.rstrip('/')}/{settings.database}/rpc/"

    def read(self) -> Snapshot:
        """Locations, then each one's products."""
        if not self._authorization:
            self._log_in()
        locations = self._locations()
        stock = [
            {"location": location["code"], "product": row["product"], "quantity": row["quantity"]}
            for location in locations
            for row in self._contents(location["id"])
        ]
        products = self._names({row["product"] for row in stock})
        rows = [row | {"sku": products[row["product"]]} for row in stock]
        return Snapshot(
            managed_codes([{"location": one["code"]} for one in locations], self.name), stock_rows(rows, self.name)
        )

    def wait(self, stopping: threading.Event, seconds: float) -> None:
        """The whole interval: nothing tells."""
        stopping.wait(seconds)

    def close(self) -> None:
        """End."""
        self._client.close()

    def _locations(self) -> list[dict[str, Any]]:
        found = self._all(
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
        return self._all("stock.location", [*places, ["code", "!=", None], ["code", "!=", ""]], ["code"])

    def _contents(self, location: int) -> list[dict[str, Any]]:
        context = {"locations": [location], "with_childs": False}
        rows = self._all("stock.products_by_locations", [["quantity", "!=", 0]], ["product", "quantity"], context)
        return [row for row in rows if row["quantity"] > 0]

    def _names(self, products: set[int]) -> dict[int, str | None]:
        if self._settings.identifier == "code":
            rows = self._all("product.product", [["id", "in", sorted(products)]], ["code"])
            return dict.fromkeys(products) | {row["id"]: row["code"] for row in rows}
        wanted = [["product", "in", sorted(products)], ["type", "=", "ean"]]
        rows = self._all("product.identifier", wanted, ["product", "code"])
        return dict.fromkeys(products) | {row["product"]: row["code"] for row in rows}

    def _all(
        self, model: str, domain: list[Any], fields: list[str], context: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            words = [domain, len(found), PAGE, [["id", "ASC"]], ["id", *fields], context or {}]
            page = self._call(f"model.{model}.search_read", words)
            found += page
            if len(page) < PAGE:
                return found

    def _log_in(self) -> None:
        answer = self._post("common.db.login", [self._settings.user, {"password": self._password}], {})
        if not isinstance(answer, list):
            raise SourceError(f"{self.name}: refuses the user '{self._settings.user}': correct user and password_file")
        words = ":".join([self._settings.user, *map(str, answer[:2])])
        self._authorization = "Session " + base64.b64encode(words.encode()).decode()

    def _call(self, method: str, words: list[Any]) -> Any:
        try:
            return self._post(method, words, {"Authorization": self._authorization})
        except SourceError:
            self._authorization = ""  # a session may have ended: the next reading logs in again
            raise

    def _post(self, method: str, words: list[Any], headers: dict[str, str]) -> Any:
        self._calls += 1
        body = {"id": self._calls, "method": method, "params": words}
        answer = self._client.json(self._client.request("POST", self.name, json=body, headers=headers))
        if isinstance(answer, dict) and answer.get("error"):
            raise SourceError(f"{self.name}: {method}: {_told(answer['error'])}")
        return answer.get("result") if isinstance(answer, dict) and "id" in answer else answer


def _told(error: Any) -> str:
    parts = error if isinstance(error, list) else [error]
    return " ".join(": ".join(str(part) for part in parts if isinstance(part, (str, int))).split())[:300] or "an error"
