"""Compares what the sender was told to be stored with what the receiver has."""

import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tests.faults.load import WAIT_S, Committed, Load, wait_until
from tests.faults.storing import StoringReceiver

log = logging.getLogger("faults")


@dataclass(frozen=True)
class Score:
    """What a fault cost."""

    fault: str
    delivery: str
    committed: int
    stored: int
    lost: int
    """L: decided, and not at the receiver."""
    duplicated: int
    """D: stored more than once, after de-duplication by event id."""
    repeated: int
    """Came again, and were recognised by their id."""
    p50_s: float = 0.0
    """Delay from the outbox to the receiver's disk."""
    p99_s: float = 0.0


def missing(committed: Sequence[Committed], receiver: StoringReceiver) -> set[tuple[str, int]]:
    """Epoch and sequence of what isn't there."""
    there = {(epoch, sequence) for _, epoch, sequence, _ in receiver.rows()}
    return {(c.epoch, n) for c in committed for n in range(c.first, c.last + 1)} - there


def wait_settled(load: Load, receiver: StoringReceiver, within_s: float = WAIT_S) -> None:
    """Until everything that the sender committed is with the receiver; fails with what isn't."""

    def settled() -> bool:
        sent = load.committed()
        return receiver.stored >= sum(c.last - c.first + 1 for c in sent) and not missing(sent, receiver)

    wait_until(settled, within_s, f"all of it arrived\n{load.log()[-1500:]}")


def judge(fault: str, load: Load, receiver: StoringReceiver) -> Score:
    """The score, which is logged as JSON too (`pytest --log-cli-level=INFO`)."""
    committed, rows = load.committed(), receiver.rows()
    times = Counter((epoch, sequence) for _, epoch, sequence, _ in rows)
    sent_s = {(c.epoch, n): c.at_s for c in committed for n in range(c.first, c.last + 1)}
    delays = sorted(at_s - sent_s[epoch, n] for _, epoch, n, at_s in rows if (epoch, n) in sent_s)
    score = Score(
        fault=fault,
        delivery=load.orders.delivery,
        committed=len(sent_s),
        stored=len(rows),
        lost=len(missing(committed, receiver)),
        duplicated=sum(count - 1 for count in times.values()),
        repeated=receiver.repeated,
        p50_s=round(delays[len(delays) // 2], 3) if delays else 0.0,
        p99_s=round(delays[len(delays) * 99 // 100], 3) if delays else 0.0,
    )
    log.info("%s", json.dumps(asdict(score)))
    return score
