"""What has to be published so that the expectations equal the WMS's answer, and when nothing may be. Pure functions."""

from collections.abc import Container, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from kardus.contract.messages import Expected
from kardus.contract.topics import is_location
from kardus.support.control_characters import one_line
from kardus.support.spelling import composed
from kardus.support.tabular.tables import Row
from warehouse.connectors.sync.source import StockSnapshot
from warehouse.stock.list_notes import spelling_key
from warehouse.stock.publishing import StockChange, expected_changes
from warehouse.stock.stock_list import StockLine, StockRules, stock_lines

MAX_SHARE_LOST = 0.2
"""An answer by which more than this share of the managed locations are gone at once, or of the occupied ones hold
nothing any more, is a broken one, until somebody confirms it. A question is asked every minute: what is picked in one
is a hundredth, a zone, a client or a page that is missing is a third or a half."""
FEW = 5
"""So many occupied locations may be emptied whatever the share, as long as any is left: four cartons that leave a shelf
of six are a morning's work, and as many walks are soon made."""
ALL = 2
"""Where so many are occupied or more, all of them at once is an answer that says nothing."""
MAX_SHARE_MIXED = 0.5
"""An answer by which more than this share of the occupied locations, and more than FEW, have become mixed is a broken
one, too: a query that joins a table twice gives every product several names."""
CONFIRM = "look at what it answers, and if it is right, start once with --yes"


@dataclass(frozen=True)
class Plan:
    """What is to be published because of a WMS's answer."""

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
    of_ours, elsewhere = _divided(snapshot.stock, managed)
    lines, problems, unclear = stock_lines(of_ours, rules, _location_of)
    alike = _alike(elsewhere, managed)
    unclear |= alike.keys()
    stock = {line.location: line for line in lines}
    wanted = [stock.get(code) or StockLine(code, None) for code in sorted(managed - unclear)]
    doubt = "" if confirmed else _doubt(managed, wanted, known, of_ours, elsewhere)
    held = f"{doubt}: {CONFIRM}" if doubt else ""
    kept = managed & unclear
    relevant = {code: expected for code, expected in known.items() if code not in kept} if kept else known
    changes = () if held else tuple(expected_changes(wanted, relevant, now_ms, replace=True))
    told = tuple(map(one_line, (*wrong, *problems, *alike.values())))
    return Plan(changes, one_line(held), told, len(managed), len(elsewhere))


def _doubt(
    managed: set[str],
    wanted: Sequence[StockLine],
    known: Mapping[str, Expected],
    ours: Sequence[Row],
    elsewhere: Sequence[Row],
) -> str:
    """Why the answer is taken for a broken one; empty: it isn't."""
    return _suspicion(managed, wanted, known) or _mixture(wanted, known) or _strangeness(ours, elsewhere, wanted, known)


def _location_of(row: Row) -> str:
    """A database's rows have no place of their own."""
    return f"location '{row.values['location']}'"


def _divided(stock: Iterable[Row], managed: Container[str]) -> tuple[list[Row], list[Row]]:
    """Rows of managed locations, and of others."""
    ours: list[Row] = []
    elsewhere: list[Row] = []
    for row in stock:
        (ours if composed(row.values["location"]) in managed else elsewhere).append(row)
    return ours, elsewhere


def _alike(elsewhere: Iterable[Row], managed: AbstractSet[str]) -> dict[str, str]:
    """Managed locations at which stock stands in another spelling, and what to do: databases may ignore case."""
    spelled: dict[str, str] = {}
    found: dict[str, str] = {}
    for row in elsewhere:
        spelled = spelled or {spelling_key(code): code for code in managed}
        code, other = spelled.get(spelling_key(composed(row.values["location"])), ""), row.values["location"]
        if code:
            found[code] = f"row {row.line}: location '{other}' is '{code}' among the managed ones: write both alike"
    return found


def _strangeness(
    ours: Sequence[Row], elsewhere: Sequence[Row], wanted: Iterable[StockLine], known: Mapping[str, Expected]
) -> str:
    """Stock at none of the managed locations: its query may have other names for them."""
    if ours or len(elsewhere) <= FEW:
        return ""
    ordered = [line for line in wanted if (before := known.get(line.location)) is None or not before.managed]
    if len(ordered) <= FEW:
        return ""
    other, ours_is = elsewhere[0].values["location"], ordered[0].location
    return (
        f"none of {len(elsewhere)} rows of stock (as '{other}') is at a managed location (as '{ours_is}'), and "
        f"{len(ordered)} would have to be empty: give both queries the same codes"
    )


def _suspicion(managed: set[str], wanted: Sequence[StockLine], known: Mapping[str, Expected]) -> str:
    """What was known, and is lost by this answer."""
    before = {code for code, expected in known.items() if expected.managed}
    gone = before - managed
    if len(gone) > MAX_SHARE_LOST * len(before):
        return f"the WMS names {len(managed)} managed locations, and {len(gone)} of {len(before)} are gone"
    occupied = {code for code in before if known[code].sku is not None}
    lost = occupied & (gone | {line.location for line in wanted if line.sku is None})
    if len(lost) > max(FEW, MAX_SHARE_LOST * len(occupied)) or len(lost) == len(occupied) >= ALL:
        return f"{len(lost)} of {len(occupied)} occupied locations would be empty or given up at once"
    return ""


def _mixture(wanted: Iterable[StockLine], known: Mapping[str, Expected]) -> str:
    """Locations that have become mixed, also by the first answer."""
    stocked = [line for line in wanted if line.sku is not None or line.reason]
    new = [line for line in stocked if line.reason and ((one := known.get(line.location)) is None or one.managed)]
    if len(new) <= max(FEW, MAX_SHARE_MIXED * len(stocked)):
        return ""
    return (
        f"{len(new)} of {len(stocked)} locations with stock (as '{new[0].location}') would be given up as mixed at once"
    )
