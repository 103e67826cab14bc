"""What has to be published so that the expectations equal the WMS's answer, and when nothing may be. Pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass

from kardus.contract.messages import Expected
from kardus.contract.topics import is_location
from kardus.support.spelling import composed
from warehouse.connectors.sync.source import StockSnapshot
from warehouse.stock.publishing import StockChange, expected_changes
from warehouse.stock.stock_list import StockLine, StockRules, stock_lines

MOST_LOST = 0.2
"""An answer that lacks more than this share of the managed locations is a broken one, until somebody confirms it."""
MOST_EMPTIED = 0.5
"""So is one in which more than this share of the occupied locations have become empty at once,"""
FEW = 5
"""and more than so many: four cartons that leave a shelf of six are a morning's work."""


@dataclass(frozen=True)
class Plan:
    """What an answer leads to."""

    changes: tuple[StockChange, ...] = ()
    """To publish."""
    held: str = ""
    """Why nothing is published; empty: all is well."""
    problems: tuple[str, ...] = ()
    """Lines that can't be told for sure; their locations stay as they are."""
    managed: int = 0
    """Locations that are managed, by this answer."""
    elsewhere: int = 0
    """Rows of stock at locations that aren't managed."""


def plan(
    snapshot: StockSnapshot, known: Mapping[str, Expected], now_ms: int, rules: StockRules, *, confirmed: bool = False
) -> Plan:
    """Compare an answer with what is expected by now, by location.

    `confirmed`: a person has said that an answer with far fewer locations or cartons is right.
    """
    codes = {composed(code) for code in snapshot.managed}
    managed = {code for code in codes if code in known or is_location(code)}  # what is known has come by a topic
    wrong = tuple(f"location {code!r} is no code that a topic can carry" for code in sorted(codes - managed))
    of_ours = [row for row in snapshot.stock if composed(row.values["location"]) in managed]
    lines, problems, unclear = stock_lines(of_ours, rules)
    stock = {line.location: line for line in lines}
    wanted = [stock.get(code) or StockLine(code, None) for code in sorted(managed - unclear)]
    held = "" if confirmed else _suspicion(managed, wanted, known)
    kept = managed & unclear
    relevant = {code: expected for code, expected in known.items() if code not in kept} if kept else known
    changes = () if held else tuple(expected_changes(wanted, relevant, now_ms, replace=True))
    return Plan(changes, held, (*wrong, *problems), len(managed), len(snapshot.stock) - len(of_ours))


def _suspicion(managed: set[str], wanted: list[StockLine], known: Mapping[str, Expected]) -> str:
    before = {code for code, expected in known.items() if expected.managed}
    gone = before - managed
    if len(gone) > MOST_LOST * len(before):
        return f"the WMS names {len(managed)} managed locations, and {len(gone)} of {len(before)} are gone"
    occupied = {code for code in before if known[code].sku is not None}
    emptied = {line.location for line in wanted if line.sku is None and not line.reason} & occupied
    if len(emptied) > max(FEW, MOST_EMPTIED * len(occupied)):
        return f"{len(emptied)} of {len(occupied)} occupied locations would become empty at once"
    return ""
