"""Works out topics, sessions, messages and bytes for docs/scale.md: `python -m tests.scripts.scale`.

Sizes are measured: the examples of the contract as they go over the wire. What a site does is assumed, and said.
"""

from dataclasses import dataclass

from edge_agent.config.sections import VerdictSection
from edge_agent.deciding.recorder import REFRESH_SHARE
from kardus.contract.examples import EXAMPLES, TOPICS
from kardus.contract.topics import expected_topic
from kardus.support.backoff import MAX_BACKOFF_S

OVERHEAD_BYTES = 12 + 29
"""MQTT 5's fixed and variable header without the topic, and a TLS 1.3 record with its tag."""
BUSY_HOURS = 10
EVIDENCE_BYTES = 25_000
"""A crop as JPEG (300 x 370 pixels)."""


@dataclass(frozen=True)
class Fleet:
    """What is watched, and how much happens."""

    cameras: int = 10_000
    cameras_per_agent: int = 4
    locations_per_camera: int = 15
    changes_per_location: float = 4.0
    """Changes of verdict a day: two deliveries and two withdrawals, each with its doubt in between left out."""
    alert_share: float = 0.05
    """Share of events with a picture."""
    expected_per_location: float = 4.0
    """Changes of expected stock a day."""
    refresh_s: float = VerdictSection.model_fields["valid_for_s"].default * REFRESH_SHARE
    """How often a standing state is published again."""

    @property
    def agents(self) -> int:
        """Boxes, and so sessions."""
        return self.cameras // self.cameras_per_agent

    @property
    def locations(self) -> int:
        """Watched locations."""
        return self.cameras * self.locations_per_camera


def payload_bytes(name: str) -> int:
    """Of an example."""
    return len(EXAMPLES[name].model_dump_json().encode())


def table(fleet: Fleet) -> list[tuple[str, str]]:
    """Every figure of docs/scale.md."""
    states = fleet.locations / fleet.refresh_s
    events = fleet.locations * fleet.changes_per_location / 86_400
    state_bytes = payload_bytes("LocationState") + len(TOPICS.state("A-03-2-05")) + OVERHEAD_BYTES
    event_bytes = payload_bytes("LocationEvent") + len(TOPICS.events("A-03-2-05")) + OVERHEAD_BYTES
    expected_bytes = payload_bytes("Expected") + len(expected_topic("jakarta-1", "A-03-2-05")) + OVERHEAD_BYTES
    pictures = events * fleet.alert_share
    inbound = states * state_bytes + events * event_bytes + pictures * EVIDENCE_BYTES
    night = fleet.locations * fleet.changes_per_location / 2
    retained = 2 * fleet.locations + fleet.cameras + 2 * fleet.agents
    return [
        ("cameras", f"{fleet.cameras:,}"),
        ("agents, so sessions with a last will", f"{fleet.agents:,}"),
        ("locations", f"{fleet.locations:,}"),
        ("retained: states", f"{fleet.locations:,}"),
        ("retained: expected stock", f"{fleet.locations:,}"),
        ("retained: camera health", f"{fleet.cameras:,}"),
        ("retained: agent status and coverage", f"{2 * fleet.agents:,}"),
        ("retained in all", f"{retained:,}"),
        (
            "retained, bytes of payload",
            f"{(fleet.locations * (payload_bytes('LocationState') + payload_bytes('Expected'))) / 1e6:,.0f} MB",
        ),
        (
            "subscriptions (expected stock, commands, ack)",
            f"{fleet.locations + 2 * fleet.agents:,}; {fleet.locations // fleet.agents + 2} an agent",
        ),
        ("states a second", f"{states:,.0f}"),
        ("events a second, mean / in the busy hours", f"{events:,.2f} / {events * 24 / BUSY_HOURS:,.2f}"),
        ("pictures a second, mean / in the busy hours", f"{pictures:,.3f} / {pictures * 24 / BUSY_HOURS:,.3f}"),
        (
            "expected stock a second, mean",
            f"{fleet.locations * fleet.expected_per_location / 86_400:,.2f}",
        ),
        (
            "one state / event / expectation on the wire",
            f"{state_bytes:,} / {event_bytes:,} / {expected_bytes:,} bytes",
        ),
        ("into the broker, mean", f"{inbound * 8 / 1e6:,.2f} Mbit/s"),
        ("publish and acknowledge packets a second, in and out to one receiver", f"{4 * (states + events):,.0f}"),
        (
            "TLS handshakes a second after a broker's restart (back-off up to 8 s)",
            f"{fleet.agents / MAX_BACKOFF_S:,.0f}",
        ),
        (
            "events of a night (12 h) without the WMS side, queued",
            f"{night:,.0f}; {night * event_bytes / 1e6:,.0f} MB",
        ),
    ]


def markdown(fleets: list[Fleet]) -> str:
    """The table of docs/scale.md: a column a fleet."""
    columns = [table(fleet) for fleet in fleets]
    lines = ["| | one site | 10,000 cameras |", "|---|---|---|"]
    lines += [f"| {row[0][0]} | " + " | ".join(value for _, value in row) + " |" for row in zip(*columns, strict=True)]
    return "\n".join(lines) + "\n"


FLEETS = [Fleet(cameras=40), Fleet()]

if __name__ == "__main__":
    print(markdown(FLEETS))
