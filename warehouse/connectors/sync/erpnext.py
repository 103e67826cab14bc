"""ERPNext 14 to 16 as a source: warehouses are its locations, `Bin` says what stands in them.

Written from Frappe's published documentation of its REST API and from ERPNext's sources (Warehouse, Bin); never run
against an ERPNext.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from warehouse.connectors.http_client import HttpClient, header_secret, plain_client
from warehouse.connectors.record_fields import RecordFields
from warehouse.connectors.secret import SecretPath
from warehouse.connectors.sync.polled import PolledSource
from warehouse.connectors.sync.source import (
    SourceError,
    StockOfProduct,
    StockSnapshot,
    managed_codes,
    named_row,
    require_distinct,
    stock_rows,
    summed,
)
from warehouse.connectors.web_address import WebAddress

PAGE = 1000
"""Frappe gives 20 where nothing is said."""


class ErpnextSettings(BaseModel):
    """`[source]` with `kind = "erpnext"`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["erpnext"]
    """ERPNext."""
    url: WebAddress
    """The site, as `https://erp.local`."""
    token_file: SecretPath
    """File that holds `API_KEY:API_SECRET` of a user who may read warehouses and bins, for you alone."""
    parent: str
    """The group (`Racks - C`) below which every warehouse that isn't disabled, and no group itself, is managed."""
    location: Literal["name", "warehouse_name"] = "name"
    """What a location's code is: with the company's abbreviation (`A-1 - C`), or without."""
    ca_file: Path | None = None
    """Authorities that may vouch for the server (PEM); else the system's."""


class ErpnextSource(PolledSource):
    """Asks by token. An item is called by its code."""

    def __init__(self, settings: ErpnextSettings) -> None:
        """Prepare.

        Raises:
            ConfigError: the token can't be read.
        """
        self._settings = settings
        token = header_secret("token_file", settings.token_file)
        headers = {"Authorization": f"token {token}", "Accept": "application/json"}
        self._client = HttpClient(plain_client(settings.ca_file, headers), SourceError)
        super().__init__(self._client)
        self.name = settings.url.rstrip("/")

    def read(self) -> StockSnapshot:
        """Read warehouses, then bins."""
        key = self._settings.location
        below = [["name", "descendants of", self._settings.parent], ["is_group", "=", 0], ["disabled", "=", 0]]
        fields = RecordFields(f"{self.name}: Warehouse", SourceError)
        found = self._all("Warehouse", below, ["name", key])
        places = {one["name"]: fields.code(one, key) for one in found}
        require_distinct(places.values(), self.name, 'set source.location to "name"')
        if not places:
            raise SourceError(f"{self.name}: no warehouse is below '{self._settings.parent}': correct source.parent")
        stock = summed(row for row in self._bins() if row.place in places)
        rows = [named_row(places[row.place], str(row.product), row, "no code") for row in stock]
        codes = [{"location": code} for code in places.values()]
        return StockSnapshot(managed_codes(codes, self.name), stock_rows(rows, self.name))

    def _bins(self) -> Iterator[StockOfProduct]:
        fields = RecordFields(f"{self.name}: Bin", SourceError)
        names = ["name", "warehouse", "item_code", "actual_qty"]
        for one in self._all("Bin", [["actual_qty", "!=", 0]], names):
            place, product = fields.code(one, "warehouse"), fields.code(one, "item_code")
            yield StockOfProduct(place, product, fields.number(one, "actual_qty"))

    def _all(self, kind: str, filters: Sequence[Any], fields: Sequence[str]) -> list[dict[str, Any]]:
        """Every document: page by page by `name`, so that none is passed over when others come and go."""
        found: dict[str, dict[str, Any]] = {}
        last = ""
        while True:
            query = {
                "fields": json.dumps(list(dict.fromkeys(fields))),
                "filters": json.dumps([*filters, ["name", ">", last]]),
                "order_by": "name asc",
                "limit_page_length": str(PAGE),
            }
            page = self._page(kind, query)
            if not page:  # a server may give fewer than it was asked for
                return list(found.values())
            named = {one["name"]: one for one in page}
            if twice := found.keys() & named.keys():
                raise SourceError(f"{self.name}: {kind}: gives '{min(twice)}' on two pages: look at what is before it")
            found |= named
            last = page[-1]["name"]

    def _page(self, kind: str, query: dict[str, str]) -> list[dict[str, Any]]:
        url = f"{self.name}/api/resource/{kind}"
        answer = self._client.json(self._client.request("GET", url, params=query))
        page = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(page, list) or not all(map(_is_document, page)):
            raise SourceError(f"{url}: answers no list of documents: correct source.url")
        return page


def _is_document(one: Any) -> bool:
    name = one.get("name") if isinstance(one, dict) else None
    return isinstance(name, str) and bool(name)
