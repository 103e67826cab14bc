"""Keeps which sequences of an agent's epochs are covered (stored, or announced as lost), and which are missing.

An agent begins a new epoch with a new outbox and after a power cut: in a year there may be hundreds. How far an epoch
is covered without a gap is kept with it (`contiguous_to`), and so is which one an agent counts in now (`present`): a
finished epoch is one row that neither acknowledgements nor the search for gaps reads any more. An event of it that
comes late is stored like any other.

A batch costs a fixed number of statements, however many agents its events are of.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Delete,
    Insert,
    Select,
    Text,
    Update,
    and_,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from kardus.contract.base import MAX_INTEGER
from kardus.contract.ranges import Range, gaps, merged
from warehouse.store.epoch_order import is_later, is_outdated
from warehouse.store.rowsets import PLACE, given, given_later, rows_given
from warehouse.store.tables import epochs, ranges

AgentEpoch = tuple[str, str]
"""Agent and epoch: one numbering of an agent's events."""
STORED, LOST = "stored", "lost"
RANGE_KINDS = (STORED, LOST)
NAME = {"agent": Text, "epoch": Text}
"""The columns of rows that name epochs."""
_SPAN = {**NAME, "first": BigInteger, "last": BigInteger}
ReachedSequence = tuple[int, str, int, int]
"""An epoch's number, a kind, and a range."""


@dataclass
class KnownEpoch:
    """What is known of an epoch, and of its ranges that a span of sequences overlaps or lies beside."""

    number: int
    highest: int
    contiguous_to: int
    forgotten: bool
    places: dict[str, list[Range]] = field(default_factory=dict)
    """By kind."""

    def has_stored(self, sequence: int) -> bool:
        """Whether something was stored for a sequence of the span, be it kept or deleted since."""
        return any(first <= sequence <= last for first, last in self.places.get(STORED, ()))


def load_epochs(connection: Connection, spans: Mapping[AgentEpoch, Range]) -> dict[AgentEpoch, KnownEpoch]:
    """What is known of these epochs; one that is new isn't in it."""
    rows = [(*name, max(first - 1, 0), min(last + 1, MAX_INTEGER)) for name, (first, last) in spans.items()]
    told = connection.execute(_ranges_beside(connection.dialect.name), rows_given(rows))
    found: dict[AgentEpoch, KnownEpoch] = {}
    for agent, epoch, number, highest, contiguous_to, forgotten, kind, first, last in told.all():
        known = found.get((agent, epoch))
        if known is None:
            known = found[agent, epoch] = KnownEpoch(number, highest, contiguous_to, bool(forgotten))
        if first is not None:
            known.places.setdefault(kind, []).append((first, last))
    return found


@cache
def _ranges_beside(dialect: str) -> Select[Any]:
    """Of each given epoch and kind the ranges that a span overlaps or lies beside."""
    span = given_later(dialect, _SPAN)
    kinds = union_all(*(select(literal_column(f"'{kind}'", Text).label("kind")) for kind in RANGE_KINDS)).subquery(
        "kinds"
    )
    before = ranges.alias()
    nearest = (
        select(func.max(before.c.first))
        .where(before.c.epoch == epochs.c.number, before.c.kind == kinds.c.kind, before.c.first <= span.c.first)
        .scalar_subquery()
    )
    beside = and_(
        ranges.c.epoch == epochs.c.number,
        ranges.c.kind == kinds.c.kind,
        ranges.c.first >= func.coalesce(nearest, span.c.first),
        ranges.c.first <= span.c.last,
        ranges.c.last >= span.c.first,
    )
    of_epoch = and_(epochs.c.agent == span.c.agent, epochs.c.epoch == span.c.epoch)
    return (
        select(*(epochs.c[name] for name in ("agent", "epoch", "number", "highest", "contiguous_to", "forgotten")))
        .add_columns(kinds.c.kind, ranges.c.first, ranges.c.last)
        .select_from(span.join(epochs, of_epoch).join(kinds, literal_column("1 = 1")).outerjoin(ranges, beside))
        .where(or_(kinds.c.kind == literal_column(f"'{STORED}'"), ranges.c.first.is_not(None)))
    )


def numbers_of(connection: Connection, names: Iterable[AgentEpoch]) -> dict[AgentEpoch, tuple[int, bool]]:
    """The number of each of these epochs that is known, and whether its agent counts in it now."""
    wanted = given(connection, NAME, list(names))
    same = and_(epochs.c.agent == wanted.c.agent, epochs.c.epoch == wanted.c.epoch)
    chosen = select(epochs.c.agent, epochs.c.epoch, epochs.c.number, epochs.c.present, epochs.c.forgotten)
    return {
        (agent, epoch): (number, bool(present and not forgotten))
        for agent, epoch, number, present, forgotten in connection.execute(chosen.join(wanted, same))
    }


def hear_of(connection: Connection, names: Iterable[AgentEpoch]) -> None:
    """Note epochs that aren't known yet."""
    wanted = dict.fromkeys(names, (0, 0))
    known = load_epochs(connection, wanted) if wanted else {}
    _add_new(connection, known, wanted)


def note_epoch(connection: Connection, name: AgentEpoch, highest: int, *, said: datetime | None = None) -> int:
    """The number of an epoch, after noting that it goes up to `highest`.

    A new one is taken for the one that its agent counts in now where it is later than that. With `said`, the agent says
    at that moment that it counts in this one.
    """
    known = load_epochs(connection, {name: (0, 0)})
    _add_new(connection, known, {name: (0, 0)})
    number = known[name].number
    if highest > known[name].highest or known[name].forgotten:
        _update(connection, [(number, max(highest, known[name].highest), known[name].contiguous_to)])
    if said is not None:
        standing = _present(connection, [name[0]])
        if not any(
            is_outdated(said, epoch) and is_later((epoch, other), (name[1], number)) for _, epoch, other in standing
        ):
            _make_present(connection, {name[0]: number})
    return number


def add_covered(
    connection: Connection,
    covered: Mapping[AgentEpoch, Sequence[Range]],
    kind: str,
    known: dict[AgentEpoch, KnownEpoch] | None = None,
) -> None:
    """Note that these sequences are `stored` or `lost`; `known`: what `load_epochs` said of spans that hold them."""
    if not covered:
        return
    spans = {name: span_of(places) for name, places in covered.items()}
    known = load_epochs(connection, spans) if known is None else known
    _add_new(connection, known, spans)
    gone: list[ReachedSequence] = []
    whole: list[ReachedSequence] = []
    changed: list[tuple[int, int, int]] = []
    further: dict[int, int] = {}
    for name, places in covered.items():
        epoch, last = known[name], spans[name][1]
        before = epoch.places.get(kind, [])
        after = epoch.places[kind] = merged([*before, *places])
        if after != before:
            firsts = {first for first, _ in after}
            gone += [(epoch.number, kind, *place) for place in before if place[0] not in firsts]
            whole += [(epoch.number, kind, *place) for place in after if place not in before]
        highest, reached = max(epoch.highest, last), _reached_in(epoch)
        if highest != epoch.highest or reached != epoch.contiguous_to or epoch.forgotten:
            changed.append((epoch.number, highest, reached))
        if reached > max(epoch.contiguous_to, last):
            further[epoch.number] = reached  # what was behind the span isn't known
    _replace(connection, gone, whole)
    _update(connection, changed)
    for number, reached in reached_to(connection, further).items():
        if reached > further[number]:
            connection.execute(update(epochs).where(epochs.c.number == number).values(contiguous_to=reached))


def span_of(places: Iterable[Range]) -> Range:
    """From the first to the last; (0, 0) of nothing."""
    ends = list(places)
    if len(ends) == 1:
        return ends[0]
    return (min(first for first, _ in ends), max(last for _, last in ends)) if ends else (0, 0)


def missing_ranges(connection: Connection, number: int, highest: int) -> list[Range]:
    """What is neither stored nor lost in an epoch, given by its number."""
    found = connection.execute(select(ranges.c.first, ranges.c.last).where(ranges.c.epoch == number))
    return gaps(((first, last) for first, last in found), 1, highest)


def first_gap(connection: Connection, number: int, contiguous_to: int, highest: int) -> Range | None:
    """The first range that is missing in an epoch; None: nothing is."""
    reached = reached_to(connection, {number: contiguous_to})[number]
    if reached >= highest:
        return None
    following = [connection.execute(_next(number, kind, reached)).scalar() for kind in RANGE_KINDS]
    return reached + 1, min([highest, *(first - 1 for first in following if first is not None)])


def reached_to(connection: Connection, known: Mapping[int, int]) -> dict[int, int]:
    """How far epochs are covered without a gap, knowing that they are so far."""
    reached, open_ = dict(known), dict(known)
    while open_:
        places = [
            (number, kind, min(to + 1, MAX_INTEGER), min(to + 1, MAX_INTEGER))
            for number, to in open_.items()
            for kind in RANGE_KINDS
        ]
        further = {
            number: max(last for first, last in touched if first <= min(open_[number] + 1, MAX_INTEGER))
            for number, touched in _touched(connection, places).items()
            if any(first <= min(open_[number] + 1, MAX_INTEGER) for first, _ in touched)
        }
        open_ = {number: to for number, to in further.items() if to > reached[number]}
        reached |= open_
    return reached


def ranges_beyond(connection: Connection, reached: Mapping[int, int]) -> dict[int, list[Range]]:
    """The first ranges of each kind behind where an epoch is covered to."""
    if not reached:
        return {}
    ends = given(connection, {"number": BigInteger, "to": BigInteger}, reached.items())
    found: dict[int, list[Range]] = {}
    rows = connection.execute(
        select(ranges.c.epoch, ranges.c.first, ranges.c.last)
        .select_from(ends)
        .join(
            ranges,
            and_(ranges.c.epoch == ends.c.number, ranges.c.kind.in_(RANGE_KINDS), ranges.c.first > ends.c.to),
        )
        .order_by(ranges.c.epoch, ranges.c.kind, ranges.c.first)
    )
    for number, first, last in rows.all():
        found.setdefault(number, []).append((first, last))
    return found


def _add_new(connection: Connection, known: dict[AgentEpoch, KnownEpoch], names: Iterable[AgentEpoch]) -> None:
    """Add the epochs that aren't known; an agent counts in the latest of them, unless an earlier one is later."""
    new = [name for name in names if name not in known]
    if not new:
        return
    connection.execute(insert(epochs), [{"agent": a, "epoch": e, "highest": 0, "present": 0} for a, e in new])
    known |= load_epochs(connection, dict.fromkeys(new, (0, 0)))
    standing = {agent: (epoch, number) for agent, epoch, number in _present(connection, {agent for agent, _ in new})}
    later: dict[str, tuple[str, int]] = {}
    for agent, epoch in new:
        one = (epoch, known[agent, epoch].number)
        other = later.get(agent) or standing.get(agent)
        if other is None or is_later(one, other):
            later[agent] = one
    _make_present(connection, {agent: number for agent, (_, number) in later.items()})


def present_epochs(connection: Connection) -> list[AgentEpoch]:
    """The one that each agent counts in now, in the order they were first seen; forgotten agents have none."""
    chosen = select(epochs.c.agent, epochs.c.epoch).where(epochs.c.present == 1, epochs.c.forgotten == 0)
    return [(agent, epoch) for agent, epoch in connection.execute(chosen.order_by(epochs.c.number))]


def _present(connection: Connection, of: Iterable[str]) -> list[tuple[str, str, int]]:
    """Agent, epoch and number of the epochs that these agents count in; forgotten ones aren't among them."""
    agents = given(connection, {"agent": Text}, [(agent,) for agent in of])
    chosen = select(epochs.c.agent, epochs.c.epoch, epochs.c.number).join(agents, agents.c.agent == epochs.c.agent)
    return [tuple(row) for row in connection.execute(chosen.where(epochs.c.present == 1, epochs.c.forgotten == 0))]


def _make_present(connection: Connection, numbers: Mapping[str, int]) -> None:
    """The epochs, by their agents, that these count in from now on."""
    if not numbers:
        return
    own = and_(epochs.c.agent.in_(numbers), epochs.c.present == 1, epochs.c.number.not_in(numbers.values()))
    connection.execute(update(epochs).where(own).values(present=0))
    chosen = and_(epochs.c.number.in_(numbers.values()), epochs.c.present == 0)
    connection.execute(update(epochs).where(chosen).values(present=1))


def _reached_in(epoch: KnownEpoch) -> int:
    """How far an epoch is covered without a gap, by the ranges that are known."""
    reached = epoch.contiguous_to
    stored, lost = (epoch.places.get(kind, []) for kind in RANGE_KINDS)
    for first, last in merged([*stored, *lost]) if lost else stored:
        if first - 1 <= reached:
            reached = max(reached, last)
    return reached


def _update(connection: Connection, changed: Sequence[tuple[int, int, int]]) -> None:
    """Number, highest and contiguous_to of epochs that aren't forgotten any more."""
    if changed:
        connection.execute(_further(connection.dialect.name), rows_given(changed))


@cache
def _further(dialect: str) -> Update:
    new = given_later(dialect, {"number": BigInteger, "highest": BigInteger, "reached": BigInteger})
    values = {"highest": new.c.highest, "contiguous_to": new.c.reached, "forgotten": 0}
    return update(epochs).where(epochs.c.number == new.c.number).values(values)


def _touched(connection: Connection, places: Sequence[ReachedSequence]) -> dict[int, list[Range]]:
    """The ranges, by their epoch's number, that these places overlap or lie beside."""
    beside = [(n, kind, max(first - 1, 0), min(last + 1, MAX_INTEGER)) for n, kind, first, last in places]
    given_places = given(connection, PLACE, beside)
    before = ranges.alias()
    nearest = (
        select(func.max(before.c.first))
        .where(
            before.c.epoch == given_places.c.epoch,
            before.c.kind == given_places.c.kind,
            before.c.first <= given_places.c.first,
        )
        .scalar_subquery()
    )
    found = connection.execute(
        select(ranges.c.epoch, ranges.c.first, ranges.c.last)
        .select_from(given_places)
        .join(
            ranges,
            and_(
                ranges.c.epoch == given_places.c.epoch,
                ranges.c.kind == given_places.c.kind,
                ranges.c.first >= func.coalesce(nearest, given_places.c.first),
                ranges.c.first <= given_places.c.last,
                ranges.c.last >= given_places.c.first,
            ),
        )
    )
    touched: dict[int, set[Range]] = {}
    for number, first, last in found.all():
        touched.setdefault(number, set()).add((first, last))
    return {number: sorted(places) for number, places in touched.items()}


def _replace(connection: Connection, gone: Sequence[ReachedSequence], whole: Sequence[ReachedSequence]) -> None:
    if gone:
        connection.execute(_taken_out(connection.dialect.name), rows_given(gone))
    if whole:
        connection.execute(_put_in(connection.dialect.name), rows_given(whole))


@cache
def _taken_out(dialect: str) -> Delete:
    old = given_later(dialect, PLACE)
    key = tuple_(ranges.c.epoch, ranges.c.kind, ranges.c.first)
    return delete(ranges).where(key.in_(select(old.c.epoch, old.c.kind, old.c.first)))


@cache
def _put_in(dialect: str) -> Insert:
    new = given_later(dialect, PLACE)
    adding = (
        (postgresql if dialect == "postgresql" else sqlite)
        .insert(ranges)
        .from_select(
            ["epoch", "kind", "first", "last"],
            select(new.c.epoch, new.c.kind, new.c.first, new.c.last).where(literal(1) == 1),  # SQLite's grammar
        )
    )
    keys, changed = ["epoch", "kind", "first"], {"last": adding.excluded.last}
    statement: Insert = adding.on_conflict_do_update(index_elements=keys, set_=changed)
    return statement


def _next(number: int, kind: str, reached: int) -> Select[int]:
    return select(func.min(ranges.c.first)).where(
        ranges.c.epoch == number, ranges.c.kind == kind, ranges.c.first > reached
    )
