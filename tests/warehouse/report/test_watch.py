"""The live view: whose states they are, what comes first, and whether it is all there."""

import io
import json
import re
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue

import pytest
from rich.console import Console, Group

from kardus.contract.verdicts import Verdict
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import BrokerError
from tests.brokers import Mosquitto
from tests.publishers import SITE, Message, Publisher
from tests.warehouse.flood import announced, flooded_broker
from warehouse.receiving import completeness
from warehouse.receiving.completeness import Completeness
from warehouse.receiving.site_monitor import SiteMonitor
from warehouse.report.watch import Messages, _Watch, as_rows, watch, watch_screen


def _offline(agent: Publisher) -> Message:
    return agent._writer.offline("connection lost", datetime.now(UTC))


def _monitor(*messages: Message) -> SiteMonitor:
    monitor = SiteMonitor()
    for message in messages:
        monitor.update(*message)
    return monitor


def _shown(monitor: SiteMonitor, problem: str = "", height: int | None = None) -> str:
    buffer = io.StringIO()
    Console(file=buffer, width=120, no_color=True).print(watch_screen(monitor, SITE, problem, height))
    return re.sub(r"[^\S\n]+", " ", re.sub("[│┃]", " ", buffer.getvalue()))


def test_each_state_names_its_agent_and_one_that_is_offline_is_marked() -> None:
    one, two, three = Publisher("one"), Publisher("two"), Publisher("three")
    states = [agent.state("A-1") for agent in (one, two, three)]
    monitor = _monitor(*states, announced(one, 1), _offline(two))
    text = _shown(monitor)
    assert " A-1 one Tea " in text
    assert " A-1 two (offline) Tea " in text
    assert " A-1 three Tea " in text
    assert {row["agent"]: row["agent_status"] for row in as_rows(monitor)} == {
        "one": "online",
        "two": "offline",
        "three": "",
    }
    assert {row["location"] for row in as_rows(monitor)} == {"A-1"}


def test_alerts_come_first_then_what_is_not_verified_and_the_rest_is_counted() -> None:
    box = Publisher()
    matches = [box.state(f"A-{n}") for n in range(50)]
    monitor = _monitor(*matches, box.state("B-2", Verdict.MISMATCH, "Tea", "Milk"), box.state("B-1", Verdict.STALE))
    text = _shown(monitor, height=10)
    assert re.findall(r"\n ([AB]-\d+) ", text)[:3] == ["B-2", "B-1", "A-0"]
    assert "and 42 locations more" in text
    assert "1 alerts, 51 of 52 locations verified" in text
    assert len(re.findall(r"\n ([AB]-\d+) ", _shown(monitor))) == 52
    lines = _shown(monitor, "no broker", height=10).splitlines()
    assert [line.strip() for line in lines[-2:]] == ["and 43 locations more", "no broker"]


def test_a_location_that_one_of_two_agents_sees_is_verified() -> None:
    states = (Publisher("one").state("A-1"), Publisher("two").state("A-1", Verdict.STALE))
    assert "1 of 1 locations verified" in _shown(_monitor(*states))


class _Feeding(Completeness):
    """Gives one message where states are asked for, and then the end."""

    def __init__(self, monitor: SiteMonitor, *coming: Message) -> None:
        super().__init__(SITE, monitor, lambda _: None, lambda: True)
        self.messages: Messages = SimpleQueue()
        self._coming = [*coming, None]
        self.request_missing_states()

    def request_missing_states(self) -> None:
        """The next one."""
        if self._coming:
            self.messages.put(self._coming.pop(0))


def test_what_comes_is_drawn_at_times_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr("warehouse.report.watch.out", Console(file=terminal, width=100, force_terminal=True))
    monkeypatch.setattr("warehouse.report.watch.REDRAW_S", 60.0)
    box, monitor, drawn = Publisher(), SiteMonitor(), list[int]()
    feeding = _Feeding(monitor, box.state("A-1"), box.state("A-2"), box.state("A-3"))

    def screen(height: int | None) -> Group:
        drawn.append(len(monitor.current_states()))
        return watch_screen(monitor, SITE, "", height)

    _Watch(feeding.messages, feeding, None).run(screen)
    assert drawn == [0, 1, 3]
    assert re.findall(r"(\d) of \d locations", terminal.getvalue())[:2] == ["0", "1"]


def test_without_a_screen_it_lasts_as_long_as_is_asked_for() -> None:
    began_s = time.monotonic()
    _Watch(SimpleQueue(), _Feeding(SiteMonitor()), 0.3).run(None)
    assert time.monotonic() - began_s >= 0.3


class _Asked:
    """What a `Completeness` asks for, of a broker that gives nothing by itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(completeness, "QUIET_S", 0.0)
        self.filters: list[list[str]] = []
        self.of = Completeness(
            SITE,
            SiteMonitor(),
            lambda more: self.filters.append([name.split("/")[4] for name, _ in more]),
            lambda: True,
        )


def test_agents_are_asked_in_portions_and_then_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _Asked(monkeypatch)
    for name, locations in {"a": 300, "b": 199, "c": 1, "d": 900}.items():
        asked.of.take(*announced(Publisher(name), locations))
    for _ in range(12):
        asked.of.request_missing_states()
    assert asked.filters == [["a", "b", "c"], ["d"], ["a"], ["b"], ["c"], ["d"], []]
    assert (
        asked.of.problem() == "incomplete: 1400 states haven't come yet (a 0 of 300, b 0 of 199, c 0 of 1, d 0 of 900)"
    )


def test_an_agent_is_asked_again_while_that_helps_and_given_up_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, box = _Asked(monkeypatch), Publisher("a")
    asked.of.take(*announced(box, 4))
    for number in range(3):
        asked.of.request_missing_states()
        asked.of.take(*box.state(f"A-{number}"))
    for _ in range(6):
        asked.of.request_missing_states()
    assert asked.filters == [["a"], [], ["a"], [], ["a"], []]


def test_what_has_come_is_not_asked_for_and_what_is_cleared_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, box = _Asked(monkeypatch), Publisher()
    state = box.state("A-1")
    for message in (announced(box, 1), state, state):
        asked.of.take(*message)
    asked.of.request_missing_states()
    assert (asked.filters, asked.of.problem()) == ([], "")
    asked.of.take(state[0], b"")
    assert "box 0 of 1" in asked.of.problem()


def test_of_an_agent_that_says_nothing_of_itself_a_flood_may_be_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completeness, "SAFE", 2)
    asked, box = _Asked(monkeypatch), Publisher()
    for number in range(3):
        assert asked.of.problem() == ""
        asked.of.take(*box.state(f"A-{number}"))
    assert asked.of.problem() == "maybe incomplete: box doesn't say how many locations it watches"


@pytest.fixture
def flooded(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker with 20 MB of states of eight agents, which queues 20 messages."""
    before = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    broker = flooded_broker(tmp_path / "m")
    yield broker
    broker.kill()
    for number, handler in before:
        signal.signal(number, handler)


def test_all_retained_states_come_though_the_broker_drops_what_it_cannot_queue(
    flooded: Mosquitto, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, look = BrokerSettings("127.0.0.1", flooded.port), Completeness.request_missing_states
    said = ""
    monkeypatch.setattr(Completeness, "request_missing_states", lambda _: None)
    try:
        watch(settings, SITE, 1.5, as_json=True)
    except BrokerError as error:
        said = str(error)
    few = len(json.loads(capsys.readouterr().out))
    assert said.startswith(f"incomplete: {400 - few} states haven't come yet" if few < 400 else "")

    def look_until_complete(of: Completeness) -> None:
        look(of)
        if len(of._monitor.agents) == 8 and not of.problem():
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Completeness, "request_missing_states", look_until_complete)
    watch(settings, SITE, None, as_json=True)
    (line,) = capsys.readouterr().out.splitlines()
    assert len(json.loads(line)) == 400
