"""An agent as the warehouse side sees it, for tests: events counted without gaps, states, pictures, what is lost."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime

from PIL import Image

from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.records import Finding
from kardus.contract.messages import Alert, Envelope, ExpectedStock, LocationState, Model, Seen
from kardus.contract.receipts import LOST_TYPE, Lost
from kardus.contract.topics import Topics
from kardus.contract.verdicts import ALERTS, Verdict
from kardus.support.identifiers import uuid7

SITE = "hall"
VALID_S = 3600.0
Message = tuple[str, bytes]
"""Topic and payload."""


def jpeg(shade: int = 90, size: tuple[int, int] = (32, 24)) -> bytes:
    """A picture, a small one where nothing else is asked for."""
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(buffer, "JPEG")
    return buffer.getvalue()


class Publisher:
    """Writes what an agent would publish, with the agent's own code; it has no connection."""

    def __init__(self, agent: str = "box", epoch: str = "") -> None:
        """An agent with a new outbox."""
        self.topics = Topics(SITE, agent)
        self.epoch = epoch or uuid7()
        self.sequence = 0
        self._states = 0
        self.ids: list[str] = []
        """Of every event, in order: that of sequence 1 first."""
        self.sent: list[Message] = []
        """Every event's message, in the same order."""
        self._writer = MessageWriter(self.topics, Model(name="m", version="1.0.0"), VALID_S)

    def event(self, location: str = "A-01-1", verdict: Verdict = Verdict.MATCH, alert: Alert | None = None) -> Message:
        """The next event."""
        self.sequence += 1
        self.ids.append(uuid7())
        message = self._writer.event(
            self.finding(location, verdict),
            None,
            self.epoch,
            self.sequence,
            historical=False,
            alert=alert,
            event_id=self.ids[-1],
        )
        self.sent.append(message)
        return message

    def events(self, number: int) -> list[Message]:
        """The next events, over 20 locations."""
        return [self.event(f"A-{n % 20:02d}-1") for n in range(number)]

    def finding(
        self, location: str, verdict: Verdict, expected: str | None = "Tea", seen: str | None = None
    ) -> Finding:
        """What was found at a location now."""
        return Finding(
            location,
            verdict,
            "cam",
            datetime.now(UTC),
            expected=ExpectedStock(sku=expected, revision=1, age_s=0),
            seen=Seen(sku=None, name="empty", confidence=0.9)
            if verdict == Verdict.EMPTY
            else Seen(sku=seen or expected, name=seen, confidence=0.9),
        )

    def state(  # noqa: PLR0917
        self,
        location: str,
        verdict: Verdict = Verdict.MATCH,
        expected: str | None = "Tea",
        seen: str | None = None,
        since: datetime | None = None,
        verified: datetime | None = None,
    ) -> Message:
        """The state of a location, with an open alert where the verdict is one."""
        moment = since or datetime.now(UTC)
        self._states += 1
        state = self._writer.state(
            self.finding(location, verdict, expected, seen),
            moment,
            verified or datetime.now(UTC),
            place=(self.epoch, self.sequence, self._states),
            alert=Alert(id=f"alert-{location}", status="open", opened=moment) if verdict in ALERTS else None,
        )
        return self.state_message(state)

    def state_message(self, state: LocationState) -> Message:
        """Topic and payload of a state."""
        return self._writer.state_message(state)

    def online(self, *, say_sequence: bool = True, moment: datetime | None = None) -> Message:
        """The status, with the last sequence, as said now or at another moment."""
        sequence = self.sequence if say_sequence else 0
        return self._writer.online(1, "0.1.0", moment or datetime.now(UTC), epoch=self.epoch, sequence=sequence)

    def offline(self) -> Message:
        """The status that is left when the connection is lost."""
        return self._writer.offline("connection lost", datetime.now(UTC))

    def picture(self, location: str, event: str, content: bytes = b"") -> Message:
        """The crop of an event."""
        return self.topics.evidence(location, event), content or jpeg()

    def lost(self, ranges: Sequence[tuple[int, int]]) -> Message:
        """Events that will never come."""
        data = Lost(epoch=self.epoch, ranges=tuple(ranges))
        now = datetime.now(UTC)
        envelope = Envelope[Lost](id=uuid7(), source=f"/{self.topics.base}", type=LOST_TYPE, time=now, data=data)
        return self.topics.lost, envelope.model_dump_json().encode()
