"""A site as benchmarks fill a database with it: 10,000 locations, 500 agents, alerts that open and are resolved.

One location has a long history. Messages are those of the agent's own code, made once for each kind of event, with the
words of each put in: an event takes microseconds.
"""

import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from tests.publishers import Message, Publisher
from warehouse.store.database import EventRow
from warehouse.store.tables import moment_text

AGENTS, LOCATIONS = 500, 10_000
BUSY, BUSY_EVENTS = "A-00097", 5000
"""The location with a long history, of so many events."""
_VERDICTS = (*[Verdict.MATCH] * 70, *[Verdict.UNCERTAIN] * 14, *[Verdict.STALE] * 4, *[Verdict.MISMATCH] * 12)


def agents() -> list[Publisher]:
    """All of them, with nothing said yet."""
    return [Publisher(f"box-{n:03d}") for n in range(AGENTS)]


def code_of(place: int) -> str:
    """A location's code, by its number from 0."""
    return f"A-{place:05d}"


def drawn_events(
    number: int, boxes: Sequence[Publisher], alerts: list[str], began: datetime, span: timedelta
) -> Iterator[EventRow]:
    """So many events, spread evenly over the span; the same ones for the same number.

    Args:
        number: of events.
        boxes: `agents()`; their sequences go on.
        alerts: gets the ids of the events that are an alert's.
        began: when the span begins, in UTC.
        span: how long it is.
    """
    rng, standing = random.Random(7), dict[int, tuple[str, datetime]]()
    shapes = {
        (verdict, status): _Shape(verdict, status) for verdict in set(_VERDICTS) for status in ("", "open", "resolved")
    }
    step = span / number
    for n in range(1, number + 1):
        place = int(BUSY[2:]) if n % max(1, number // BUSY_EVENTS) == 0 else int(rng.random() * LOCATIONS)
        verdict, box, moment = rng.choice(_VERDICTS), boxes[place % AGENTS], began + n * step
        box.sequence += 1
        id_, status = f"{n:08x}-0000-7000-8000-{n:012x}", ""
        alert, opened = standing.get(place, ("", moment))
        if verdict == Verdict.MISMATCH:
            status = "open"
            alert, opened = standing.setdefault(place, (f"alert-{n}", moment))
        elif verdict == Verdict.MATCH and alert:
            status = "resolved"
            del standing[place]
        if status:
            alerts.append(id_)
        payload = shapes[verdict, status].filled(id_, box, code_of(place), alert, opened, moment)
        position = (box.topics.agent, box.epoch, box.sequence)
        yield (n, id_, *position, code_of(place), verdict.value, moment, moment, alert if status else None, payload)


def retained(boxes: Sequence[Publisher]) -> list[Message]:
    """The state of every location, and the status of every agent."""
    states = [
        boxes[n % AGENTS].state(code_of(n), Verdict.MISMATCH if n % 97 == 0 else Verdict.MATCH)
        for n in range(LOCATIONS)
    ]
    return states + [box.online() for box in boxes]


class _Shape:
    """An event's message, with words to be put in."""

    WORDS = ("@id", "@agent", "@epoch", "@location", "@alert", "@opened", "@moment", '"@length"')

    def __init__(self, verdict: Verdict, status: Any) -> None:
        alert = Alert(id="@alert", status=status, opened=datetime.now(UTC)) if status else None
        said = json.loads(Publisher("@agent", "@epoch").event("@location", verdict, alert)[1])
        said |= {"id": "@id", "time": "@moment"}
        said["data"]["captured"] = "@moment"
        if status:
            said["data"]["alert"] |= {"opened": "@opened"} | ({"duration_s": "@length"} if status == "resolved" else {})
        text = json.dumps(said, separators=(",", ":")).replace("%", "%%")
        for place, word in enumerate(self.WORDS):
            text = text.replace(word, f"%({place})s")
        self._text = text

    def filled(  # noqa: PLR0917 - an event has so many parts
        self, id_: str, box: Publisher, code: str, alert: str, opened: datetime, moment: datetime
    ) -> str:
        """The message of one event."""
        length_s = f"{(moment - opened).total_seconds():.1f}"
        words = (id_, box.topics.agent, box.epoch, code, alert, moment_text(opened), moment_text(moment), length_s)
        return self._text % {str(place): word for place, word in enumerate(words)}
