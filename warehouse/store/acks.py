"""Makes the `ack` messages: which events of an epoch are stored for good.

An agent refuses an `ack` of events that it hasn't counted to, and then keeps all the others for good. So none goes
beyond what is stored, nor names what begins behind the agent's own last word: a wrong sequence is one there.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Connection, func, select

from kardus.contract.base import MAX_COUNT
from kardus.contract.ranges import merged
from kardus.contract.receipts import Ack
from warehouse.store.epochs import NAME, STORED, AgentEpoch, ranges_beyond, reached_to
from warehouse.store.reported_sequences import reported_sequences
from warehouse.store.rowsets import given
from warehouse.store.tables import epochs, ranges

MAX_ACK_RANGES = 1000


def acks(connection: Connection, wanted: Sequence[AgentEpoch] | None) -> dict[AgentEpoch, Ack]:
    """The `ack` messages of these epochs; None: of the one that each agent counts in now. Forgotten agents get none.

    What begins behind a gap and behind what the agent has said that it counted to waits until one of them has come up.
    """
    columns = (epochs.c.number, epochs.c.agent, epochs.c.epoch, epochs.c.contiguous_to, _last_stored())
    chosen = select(*columns).where(epochs.c.forgotten == 0)
    if wanted is None:
        chosen = chosen.where(epochs.c.present == 1)
    else:
        names = given(connection, NAME, wanted)
        chosen = chosen.join(names, (epochs.c.agent == names.c.agent) & (epochs.c.epoch == names.c.epoch))
    rows = sorted(tuple(row) for row in connection.execute(chosen).all())
    reached = reached_to(connection, {number: contiguous_to for number, _, _, contiguous_to, _ in rows})
    beyond = ranges_beyond(connection, reached)
    reported = reported_sequences(connection, {agent for number, agent, *_ in rows if number in beyond})
    return {
        (agent, epoch): _ack(epoch, reached[number], beyond.get(number, ()), last, reported.get((agent, epoch)))
        for number, agent, epoch, _, last in rows
    }


def _ack(epoch: str, reached: int, beyond: Iterable[tuple[int, int]], most: int, reported: int | None) -> Ack:
    """What is covered, as far as to `most`; `reported`: the last event that the agent says it has; None: it doesn't."""
    begins_by = most if reported is None else min(most, reported + 1)
    within = [(first, min(last, most)) for first, last in merged(beyond) if first <= begins_by]
    return Ack(epoch=epoch, contiguous_to=min(reached, most), ranges=tuple(within[:MAX_ACK_RANGES]))


def _last_stored() -> ColumnElement[int]:
    """The last sequence of an epoch that is stored, 0: none is; without what an earlier version took for a sequence."""
    of_epoch = select(ranges.c.last).where(
        ranges.c.epoch == epochs.c.number, ranges.c.kind == STORED, ranges.c.first <= MAX_COUNT
    )
    last = of_epoch.order_by(ranges.c.first.desc()).limit(1).correlate(epochs).scalar_subquery()
    return func.coalesce(last, 0)
