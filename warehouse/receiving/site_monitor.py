"""The live state of a site, kept up to date from the agents' retained messages."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from rich.table import Table
from rich.text import Text

from kardus.contract.messages import AgentStatus, CameraHealth, Envelope, LocationEvent, LocationState
from kardus.contract.topics import location_code, location_level
from kardus.contract.verdicts import ALERTS, Verdict
from kardus.support.console import table_of
from kardus.support.spelling import composed

_VERDICT_COLOURS = {
    Verdict.MATCH: "green",
    Verdict.UNCERTAIN: "yellow",
    Verdict.STALE: "magenta",
    Verdict.OBSTRUCTED: "magenta",
}


@dataclass(frozen=True)
class MonitoredMessage:
    """A message that fits the contract."""

    topic: str
    content: Envelope[LocationEvent] | Envelope[LocationState] | Envelope[AgentStatus] | Envelope[CameraHealth]


class SiteMonitor:
    """The present state of every location, agent and camera. Not for several threads at once."""

    def __init__(self) -> None:
        """Start empty."""
        self.states: dict[tuple[str, str], LocationState] = {}
        """By agent and location."""
        self.agents: dict[str, AgentStatus] = {}
        self.cameras: dict[tuple[str, str], CameraHealth] = {}

    def update(self, topic: str, payload: bytes) -> MonitoredMessage | None:
        """Apply a message; None if it isn't an agent's. A cleared topic removes its location, camera or agent."""
        parts = topic.split("/")
        kind = parts[-1]
        agent = parts[4] if len(parts) > 5 else ""  # noqa: PLR2004 - kardus/v1/{site}/agents/{agent}/...
        if not payload:
            self._forget(kind, agent, parts)
            return None
        try:
            received = _parse_monitored(topic, kind, payload)
        except ValidationError:
            return None
        data: Any = received.content.data if received else None
        if not _is_of("".join(parts[-2:-1]), data):
            return None  # what it says would stay when its topic is cleared
        match data:
            case LocationState():
                self.states[agent, data.location] = data
            case AgentStatus():
                self.agents[agent] = data
            case CameraHealth():
                self.cameras[agent, data.camera] = data
        return received

    def current_states(self) -> dict[tuple[str, str], LocationState]:
        """The states as they hold now (see `LocationState.at`), by (agent, location), ordered by location."""
        now = datetime.now(UTC)
        return {key: state.at(now) for key, state in sorted(self.states.items(), key=lambda item: item[0][::-1])}

    def table(self, title: str = "") -> Table:
        """The locations as a table for the terminal."""
        rows = ((location, *table_cells(state)) for (_, location), state in self.current_states().items())
        return table_of(("location", "expected", "seen", "confidence", "verdict"), rows, title, ("confidence",))

    def alert_count(self) -> int:
        """How many locations have an alert verdict."""
        return sum(state.verdict in ALERTS for state in self.current_states().values())

    def _forget(self, kind: str, agent: str, parts: list[str]) -> None:
        if kind == "state" and location_level(code := location_code(parts[-2])) == parts[-2]:  # no earlier version's
            self.states.pop((agent, code), None)
        elif kind == "health":
            self.cameras.pop((agent, parts[-2]), None)
        elif kind == "status":
            self.agents.pop(agent, None)


def _is_of(level: str, data: object) -> bool:
    """Whether a message is of the location or camera of its topic."""
    match data:
        case LocationState() | LocationEvent():
            return data.location == composed(location_code(level))
        case CameraHealth():
            return data.camera == composed(level)
    return True


def table_cells(state: LocationState) -> tuple[str, str, str, Text]:
    """What is expected, what was seen, its confidence and the verdict in its colour."""
    colour = "bold red" if state.verdict in ALERTS else _VERDICT_COLOURS.get(state.verdict, "white")
    expected = "?" if state.expected is None else state.expected.sku or "(empty)"
    confidence = f"{state.seen.confidence:.2f}" if state.seen else ""
    return expected, describe_seen(state), confidence, Text(state.verdict, colour)


def describe_seen(state: LocationState | LocationEvent) -> str:
    """What was seen at the location, as one short label; empty where nothing was classified."""
    if state.verdict == Verdict.UNKNOWN:
        family = state.seen.category if state.seen else None
        return f"(unknown: {family}?)" if family else "(unknown)"
    if state.seen is None:
        return ""
    if state.seen.name == "empty":
        return "(empty)"
    return state.seen.sku or (f"{state.seen.category}?" if state.seen.category else "?")


def _parse_monitored(topic: str, kind: str, payload: bytes) -> MonitoredMessage | None:
    match kind:
        case "events":
            return MonitoredMessage(topic, Envelope[LocationEvent].model_validate_json(payload))
        case "state":
            return MonitoredMessage(topic, Envelope[LocationState].model_validate_json(payload))
        case "status":
            return MonitoredMessage(topic, Envelope[AgentStatus].model_validate_json(payload))
        case "health":
            return MonitoredMessage(topic, Envelope[CameraHealth].model_validate_json(payload))
        case _:
            return None
