"""`kardus-wms watch`: the site's live state on the terminal, or as JSON at the end."""

import queue
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.text import Text

from kardus.contract.messages import LocationState
from kardus.contract.topics import Topics, agents_filter
from kardus.contract.verdicts import ALERTS, UNVERIFIED, Verdict
from kardus.mqtt.client import MqttClient
from kardus.mqtt.connection import Subscription
from kardus.mqtt.settings import BrokerSettings
from kardus.support.console import out, print_json, table_of
from kardus.support.control_characters import one_line
from kardus.support.errors import BrokerError
from warehouse.receiving.completeness import Completeness
from warehouse.receiving.site_monitor import SiteMonitor, table_cells
from warehouse.report.aisles import walking_order

REDRAW_S = 0.25
HEAP_S = 0.01
OTHER_LINES = 8
"""Of the terminal's height: the table's head and frame, and what is said of agents and cameras."""
COLUMNS = ("location", "agent", "expected", "seen", "confidence", "verdict")
_REMEDY = "give it more --seconds, or raise the broker's max_queued_messages"
Messages = queue.SimpleQueue[tuple[str, bytes] | None]
"""Topic and payload of each message; None: stop."""


def watch(broker: BrokerSettings, site: str, seconds: float | None, *, as_json: bool) -> None:
    """Show the site until a signal, or for so many seconds.

    Raises:
        BrokerError: the broker can't be used; or, with JSON, states are missing from what was printed.
    """
    messages: Messages = queue.SimpleQueue()
    monitor = SiteMonitor()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: messages.put(None))
    # QoS 0: of QoS 1 messages brokers queue fewer still, and drop the rest. Statuses first: they say what is to come.
    everything: list[Subscription] = [(Topics(site, "+").status, 0), (agents_filter(site), 0)]
    with MqttClient(broker, everything, lambda *message: messages.put(message)) as client:
        completeness = Completeness(
            site, monitor, lambda more: client.use([*everything, *more]), lambda: client.is_subscribed
        )

        def problem() -> str:
            return client.problem or completeness.problem()

        _Watch(messages, completeness, seconds).run(
            None if as_json else lambda height: watch_screen(monitor, site, problem(), height)
        )
        found = problem()
    if as_json:
        print_json(as_rows(monitor), in_one_line=True)
        if found:
            raise BrokerError(f"{found}: {_REMEDY}")


def as_rows(monitor: SiteMonitor) -> list[dict[str, Any]]:
    """For programs: each state, with its agent and whether that is online."""
    return [
        {"agent": agent, "agent_status": _agent_status(monitor, agent), **state.model_dump(mode="json")}
        for (agent, _), state in monitor.current_states().items()
    ]


class _Watch:
    def __init__(self, messages: Messages, completeness: Completeness, seconds: float | None) -> None:
        self._messages = messages
        self._completeness = completeness
        self._deadline_s = time.monotonic() + seconds if seconds else float("inf")

    def run(self, screen: Callable[[int | None], Group] | None) -> None:
        """Until the end; `screen` is given the height of the terminal, if it is one."""
        if screen is None:
            self._take_in(lambda: None)
            return

        def draw() -> Group:
            return screen(out.size.height - OTHER_LINES if out.is_terminal else None)

        with Live(draw(), console=out, auto_refresh=False) as live:
            self._take_in(lambda: live.update(draw(), refresh=True))

    def _take_in(self, redraw: Callable[[], None]) -> None:
        """Take messages in until None comes or the time is over. Redraws without any too: states become void."""
        redrawn_s = 0.0
        while self._take_waiting() and time.monotonic() < self._deadline_s:
            self._completeness.request_missing_states()
            if time.monotonic() - redrawn_s >= REDRAW_S:
                redraw()
                redrawn_s = time.monotonic()
        redraw()

    def _take_waiting(self) -> bool:
        """Wait a moment for messages, and take in what has come; False when it is to end.

        They are taken in heaps: a flood is received twice as fast by a thread that isn't interrupted at each one.
        """
        try:
            heap = [self._messages.get(timeout=min(REDRAW_S, max(0.0, self._deadline_s - time.monotonic())))]
        except queue.Empty:
            return True
        time.sleep(HEAP_S)
        heap += [self._messages.get() for _ in range(self._messages.qsize())]
        for message in heap:
            if message is None:
                return False
            self._completeness.take(*message)
        return True


def watch_screen(monitor: SiteMonitor, site: str, problem: str, height: int | None = None) -> Group:
    """What fits into so many lines (None: everything): alerts first, then what isn't verified, then all else."""
    states = sorted(monitor.current_states().items(), key=_urgency)
    agents = [f"{name}: {status.status} {status.reason}".strip() for name, status in sorted(monitor.agents.items())]
    cameras = [f"{a}, camera {c}: {h.status} {h.reason}".strip() for (a, c), h in sorted(monitor.cameras.items())]
    lines = [*([problem] if problem else []), *agents, *cameras]
    shown = states if height is None else states[: max(OTHER_LINES, height - len(lines))]
    if len(states) > len(shown):
        lines.insert(0, f"and {len(states) - len(shown)} locations more")
    rows = (_row(monitor, *state) for state in shown)
    table = table_of(COLUMNS, rows, _title(site, [state for _, state in states]), ("confidence",))
    return Group(table, *(Text(one_line(line)) for line in lines))


def _title(site: str, states: Sequence[LocationState]) -> str:
    alerts = sum(state.verdict in ALERTS for state in states)
    managed = [state for state in states if state.verdict != Verdict.UNMANAGED]
    verified = len({state.location for state in managed if state.verdict not in UNVERIFIED})
    return f"Site {site}: {alerts} alerts, {verified} of {len({s.location for s in managed})} locations verified"


def _urgency(item: tuple[tuple[str, str], LocationState]) -> tuple[int, list[tuple[int, str]], str]:
    (agent, location), state = item
    rank = 0 if state.verdict in ALERTS else 1 if state.verdict in UNVERIFIED else 2
    return rank, walking_order(location), agent


def _row(monitor: SiteMonitor, key: tuple[str, str], state: LocationState) -> tuple[str | Text, ...]:
    agent, location = key
    is_offline = _agent_status(monitor, agent) == "offline"
    mark = Text(f"{agent} (offline)", "yellow") if is_offline else agent
    return location, mark, *table_cells(state)


def _agent_status(monitor: SiteMonitor, agent: str) -> str:
    """Empty: nothing is known of it."""
    status = monitor.agents.get(agent)
    return status.status if status else ""
