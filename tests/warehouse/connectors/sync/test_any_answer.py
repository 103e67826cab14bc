"""Whatever JSON stands anywhere in a WMS's answer: a line or an answer, never a traceback, never half of the stock."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from kardus.contract.messages import Expected
from kardus.contract.topics import expected_topic
from tests.publishers import SITE
from tests.warehouse.connectors.deliver.rigs import private
from tests.warehouse.connectors.deliver.served import Answer, Asked
from tests.warehouse.connectors.deliver.served import served as served_to_targets
from tests.warehouse.connectors.deliver.tryton_stand_in import TrytonStandIn
from tests.warehouse.connectors.spoiling import Spoiling, is_line, spoilings
from tests.warehouse.connectors.sync.erpnext_stand_in import erpnext
from tests.warehouse.connectors.sync.odoo_stand_in import odoo
from tests.warehouse.connectors.sync.source_keys import erpnext_keys, odoo_keys
from tests.warehouse.connectors.sync.test_sources import settings_of
from tests.warehouse.connectors.sync.wms import HTTP, Stock, pages_of, web
from warehouse.connectors.sync.reconcile import Plan, plan
from warehouse.connectors.sync.settings import make_source
from warehouse.connectors.sync.source import SourceError, StockSnapshot, StockSource
from warehouse.stock.stock_list import StockRules

STOCK: Stock = {f"A-{n:02d}": ("Tea", 1) for n in range(12)}
MAX_TOUCHED = 2
"""Locations that one wrong value may change: its own, and the one whose name it takes."""
Spoil = Callable[[Any], Any]
Rig = tuple[str, Callable[[Spoil], None]]
"""`[source]`, and what sets how answers are spoilt."""


class _Tryton(TrytonStandIn):
    """Every location holds one of the product."""

    def __init__(self) -> None:
        super().__init__(list(STOCK), ["Tea"])
        self.tables["stock.products_by_locations"] = [{"id": 100, "product": 100, "quantity": 1.0}]
        self.tables["product.identifier"] = [{"id": 1, "product": 100, "type": "ean", "code": "Tea"}]
        self.spoil: Spoil = lambda said: said

    def answer(self, asked: Asked) -> Answer:
        found = super().answer(asked)
        return Answer(found.status, self.spoil(found.body), found.headers)

    def _fits(self, row: dict[str, Any], name: str, operator: str, value: Any) -> bool:
        if operator == "!=":
            return bool(row.get(name) != value)
        return bool(row[name] > value) if operator == ">" else super()._fits(row, name, operator, value)


@contextmanager
def _rig(kind: str, folder: Path) -> Iterator[Rig]:
    with ExitStack() as stack:
        if kind == "http":
            state: Any = stack.enter_context(web())
            state.pages |= pages_of(STOCK) | {"/token": {"access_token": "t", "expires_in": 60}}
            keys = f'token_url = "{state.url}/token"\nclient_id = "k"\n'
            keys += f'client_secret_file = "{private(folder, "secret", "s")}"\n'
            text = f'kind = "http"\n{HTTP.format(url=state.url)}[source.oauth]\n{keys}'
        elif kind.startswith("tryton"):
            state = _Tryton()
            server = stack.enter_context(served_to_targets(state))
            server.up()
            text = f'kind = "tryton"\nurl = "{server.url}"\ndatabase = "wms"\nuser = "k"\nwarehouse = "WH"\n'
            text += f'identifier = "{kind.split()[1]}"\npassword_file = "{private(folder, "password", "w")}"\n'
        elif kind == "erpnext":
            state = stack.enter_context(erpnext())
            state.put(STOCK)
            text = erpnext_keys(folder, state)
        else:
            state = stack.enter_context(odoo(int(kind.split()[1])))
            state.put(STOCK)
            text = odoo_keys(folder, state)
        yield text, lambda spoil: setattr(state, "spoil", spoil)


@pytest.mark.parametrize("kind", ["http", "tryton code", "tryton gtin", "erpnext", "odoo 16", "odoo 19"])
def test_any_json_anywhere_is_a_line_or_leaves_all_other_locations_as_they_are(kind: str, tmp_path: Path) -> None:
    with _rig(kind, tmp_path) as (text, set_spoil):
        wanted = settings_of(tmp_path, f"[source]\n{text}")
        whole = make_source(wanted).read()
        known = {change.location: change.expected for change in plan(whole, {}, 1, StockRules()).changes}
        assert {one.sku for one in known.values()} == {"Tea"}, "the stand-in is right"

        @settings(max_examples=settings().max_examples // 2)
        @given(spoilings)
        def play(spoiling: Spoiling) -> None:
            set_spoil(spoiling)
            found, said = _read(make_source(wanted))
            assert is_line(said)
            if found is not None:
                _require_little(plan(found, known, 2, StockRules(blank_is_empty=True)), known, spoiling)

        play()


def _read(source: StockSource) -> tuple[StockSnapshot | None, str]:
    """An answer, or why there is none."""
    try:
        return source.read(), ""
    except SourceError as error:
        return None, str(error)
    finally:
        source.close()


def _require_little(found: Plan, known: dict[str, Expected], spoiling: Spoiling) -> None:
    """Return if what is published can be read, and concerns no more locations than one value may."""
    for line in (found.held, *found.problems):
        assert is_line(line), line
    for change in found.changes:
        expected_topic(SITE, change.location).encode()
        Expected.model_validate_json(change.expected.model_dump_json())
    touched = {change.location for change in found.changes if change.location in known}
    assert isinstance(spoiling.value, list) or len(touched) <= MAX_TOUCHED, (spoiling, found.changes)
