"""An agent that won't come back leaves the broker, the report and the receiver; what it told stays known."""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from kardus.contract.messages import AgentStatus, Alert, CameraHealth, Coverage, Model
from kardus.contract.model_status import ModelStatus
from kardus.contract.topics import Topics, agents_filter
from kardus.contract.verdicts import Verdict
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import BrokerError
from tests.brokers import Mosquitto
from tests.in_process import assert_one_line, call
from tests.patience import PATIENCE_S
from tests.publishers import SITE, Message, Publisher
from tests.warehouse.receiving.making import writer_of
from tests.warehouse.receiving.test_receiver import broker_of, publish, receiving, wait_for
from warehouse.__main__ import main
from warehouse.authority.acl import acl_text
from warehouse.receiving import forgetting
from warehouse.receiving.parsing import parse_message
from warehouse.receiving.resend_requests import GAP_GRACE_S, resend_requests_due
from warehouse.store.opening import open_database
from warehouse.store.reader import StoreReader

NOW = datetime.now(UTC).replace(microsecond=0)
ALERT = Alert(id="alert-A", status="open", opened=NOW)


def _retained(box: Publisher, status: str = "offline") -> list[Message]:
    """One of everything that an agent retains, and the `ack` for it."""
    writer, model = box._writer, Model(name="m", version="1.0.0")
    gone = AgentStatus(status="offline", boot_id="b", reason="stopped")
    return [
        box.state("A", Verdict.MISMATCH, "Tea", "Milk"),
        box.state("B"),
        writer.health(CameraHealth(camera="cam", status="lost", since=NOW)),
        writer.coverage(Coverage(since=NOW, until=NOW, total=0, verified=0, locations=())),
        writer.model_status(ModelStatus(model=model, sha256="0", phase="settled", since=NOW)),
        box.lost([(90, 91)]),
        (box.topics.ack, b'{"epoch": "e", "contiguous_to": 1}'),
        box.online() if status == "online" else writer.status(gone, NOW),
    ]


def _told(box: Publisher) -> list[Message]:
    """Events of two alerts, one of which is over, and a gap before the last."""
    over = ALERT.model_copy(update={"id": "alert-B", "status": "resolved", "resolved": NOW})
    box.event("A", Verdict.MISMATCH, ALERT)
    box.event("B", Verdict.MATCH, over)
    box.event("C")
    box.event("C")
    return [*box.sent[:2], box.sent[3]]


def _stored(path: Path, *messages: Message) -> Path:
    with closing(open_database(path, make=True)) as database:
        writer_of(database).write([parse_message(SITE, *message) for message in messages])
    return path


def _topics(mosquitto: Mosquitto) -> set[str]:
    """What is retained of the site's agents."""
    found: set[str] = set()
    echoed = threading.Event()

    def take(topic: str, payload: bytes) -> None:
        found.add(topic)
        if topic.endswith("/agents/echo"):
            echoed.set()

    with MqttClient(broker_of(mosquitto), [(agents_filter(SITE), 0)], take) as connection:
        connection.publish([(f"kardus/v1/{SITE}/agents/echo", b"")], retain=False)
        assert echoed.wait(PATIENCE_S)
    return found - {f"kardus/v1/{SITE}/agents/echo"}


def _words(mosquitto: Mosquitto, *more: object) -> tuple[object, ...]:
    return ("forget", "box", "--host", "127.0.0.1", "--port", mosquitto.port, *more)


def _report(capsys: pytest.CaptureFixture[str], path: Path) -> dict[str, Any]:
    return dict(json.loads(call(capsys, main, "report", "--sqlite", path, "--json").stdout))


def test_a_dead_agent_leaves_broker_and_report_and_its_alerts_end(
    mosquitto: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box, other = Publisher("box"), Publisher("box-2")
    retained = _retained(box)
    publish(mosquitto, [*retained, *_retained(other)], retain=True)
    path = _stored(tmp_path / "k.sqlite", *_told(box), *_told(other), *retained, *_retained(other))
    assert [line["agents"] for line in _report(capsys, path)["discrepancies"]] == [["box", "box-2"]]

    done = call(capsys, main, *_words(mosquitto, "--sqlite", path))
    assert (done.returncode, done.stdout.strip()) == (0, "agent box: 8 topics cleared, 1 alerts closed")
    assert {topic.split("/")[4] for topic in _topics(mosquitto)} == {"box-2"}
    assert len(_topics(mosquitto)) == 8
    report = _report(capsys, path)
    assert [line["agents"] for line in report["discrepancies"]] == [["box-2"]]
    assert not any("agent box:" in problem or "agent box," in problem for problem in report["problems"])
    with StoreReader.open(path) as reader:
        last = reader.events()[-1]
    assert (last.agent, last.event.location, last.event.verdict) == ("box", "A", Verdict.STALE)
    assert last.event.reason == "the agent was forgotten"
    assert last.event.alert is not None
    assert (last.event.alert.id, last.event.alert.status, last.event.alert.opened) == ("alert-A", "resolved", NOW)

    assert_one_line(
        call(capsys, main, *_words(mosquitto, "--sqlite", path)), 2, "agent 'box': neither broker nor database knows it"
    )


def test_an_agent_that_is_online_is_forgotten_only_when_that_is_confirmed(
    mosquitto: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    retained = _retained(Publisher("box"), "online")
    publish(mosquitto, retained, retain=True)
    path = _stored(tmp_path / "k.sqlite", *retained)
    words = _words(mosquitto, "--sqlite", path)
    assert_one_line(call(capsys, main, *words), 2, "agent 'box' is online and would come back", "--yes")
    assert len(_topics(mosquitto)) == len(retained)
    with StoreReader.open(path) as reader:
        assert reader.knows("box")
    assert call(capsys, main, *words, "--yes").returncode == 0
    assert _topics(mosquitto) == set()


def test_an_agent_is_known_however_unicode_spells_it(
    mosquitto: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    retained = _retained(Publisher("B\u00fcro"))
    publish(mosquitto, retained, retain=True)
    path = _stored(tmp_path / "k.sqlite", *retained)
    done = call(capsys, main, "forget", "Bu\u0308ro", "--port", mosquitto.port, "--sqlite", path)
    assert (done.returncode, done.stdout.strip()) == (0, "agent B\u00fcro: 8 topics cleared, 0 alerts closed")
    assert _topics(mosquitto) == set()


def test_what_only_the_database_has_is_forgotten_too(
    mosquitto: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _stored(tmp_path / "k.sqlite", *_retained(Publisher("box")))
    done = call(capsys, main, *_words(mosquitto, "--sqlite", path))
    assert done.stdout.strip() == "agent box: 0 topics cleared, 0 alerts closed"
    assert _report(capsys, path)["discrepancies"] == []


@pytest.mark.parametrize(
    ("words", "named"),
    [((), "--site: say which site"), (("--site", "elsewhere", "--sqlite"), "holds the events of site 'hall'")],
)
def test_the_site_is_the_databases(
    words: tuple[str, ...], named: str, mosquitto: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _stored(tmp_path / "k.sqlite", *_retained(Publisher("box")))
    more = [*words, path] if "--sqlite" in words else words
    assert_one_line(call(capsys, main, *_words(mosquitto, *more)), 2, named)


def test_a_receiver_at_work_closes_the_alerts_itself_and_says_nothing_to_a_forgotten_agent(
    mosquitto: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, box = tmp_path / "k.sqlite", Publisher("box")
    with receiving(mosquitto, path) as receiver:
        publish(mosquitto, _retained(box), retain=True)
        publish(mosquitto, _told(box))
        wait_for(lambda: receiver.status().events == 3 and len(receiver.reader.site_state().states) == 2)
        wait_for(lambda: receiver.status().acks > 0)
        done = call(capsys, main, *_words(mosquitto, "--site", SITE))
        assert done.stdout.strip() == "agent box: 8 topics cleared"
        wait_for(lambda: not receiver.reader.knows("box"))
        assert receiver.reader.site_state().states == {}
        assert len(receiver.reader.events()) == 4
        assert receiver.reader.missing_events() == []
    with receiving(mosquitto, path, name="second") as receiver:
        publish(mosquitto, [Publisher("other").event()])
        wait_for(lambda: receiver.status().acks == 1)
    assert _topics(mosquitto) == {Topics(SITE, "other").ack}


def _told_behind_each_look(
    monkeypatch: pytest.MonkeyPatch, mosquitto: Mosquitto, told: Iterator[list[Message]]
) -> list[forgetting.Retained]:
    """Let messages arrive, retained, behind each look at what the broker has; what the looks found."""
    looks: list[forgetting.Retained] = []
    read = forgetting._read_retained

    def look(*of_whom: Any) -> forgetting.Retained:
        looks.append(read(*of_whom))
        publish(mosquitto, next(told, []), retain=True)
        return looks[-1]

    monkeypatch.setattr(forgetting, "_read_retained", look)
    return looks


@pytest.mark.parametrize("late", ["another location", "the same location", "the status", "two after one another"])
def test_what_arrives_while_an_agent_is_forgotten_goes_too(
    late: str, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Publisher("box")
    told = {
        "another location": [[box.state("C")]],
        "the same location": [[box.state("A", Verdict.MATCH)]],
        "the status": [_retained(box)[-1:]],
        "two after one another": [[box.state("C")], [box.state("C", Verdict.MISMATCH), box.state("D")]],
    }[late]
    publish(mosquitto, _retained(box), retain=True)
    looks = _told_behind_each_look(monkeypatch, mosquitto, iter(told))
    done = forgetting.forget_agent(broker_of(mosquitto), "box", site=SITE)
    assert _topics(mosquitto) == set()
    assert done.topics == len(set().union(*looks))


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_somebody_retained_where_nothing_is_to_be_retained_goes_too(
    version: Literal["5", "3.1.1"], mosquitto: Mosquitto
) -> None:
    box = Publisher("box")
    mistaken = [
        (box.topics.command("capture"), b"{}"),
        box.event("A"),
        box.picture("A", box.event("B")[0].rsplit("/", 1)[-1]),
        (f"{box.topics.base}/replies/capture", b"{}"),
    ]
    publish(mosquitto, [*_retained(box), *mistaken], retain=True)
    broker = BrokerSettings("127.0.0.1", mosquitto.port, version=version)
    assert forgetting.forget_agent(broker, "box", site=SITE).topics == 12
    assert _topics(mosquitto) == set()
    publish(mosquitto, mistaken[:1], retain=True)
    assert forgetting.forget_agent(broker, "box", site=SITE).topics == 1, "whatever is left is found"
    assert _topics(mosquitto) == set()


def test_what_passes_by_while_an_agent_is_forgotten_is_nothing_that_it_retains(
    mosquitto: Mosquitto,
) -> None:
    box, stop = Publisher("box"), threading.Event()
    publish(mosquitto, _retained(box), retain=True)

    def pass_by() -> None:
        with MqttClient(broker_of(mosquitto)) as client:
            while not stop.wait(0.02):
                client.publish([box.event("A")], retain=False)

    thread = threading.Thread(target=pass_by)
    thread.start()
    try:
        assert forgetting.forget_agent(broker_of(mosquitto), "box", site=SITE).topics == 8
    finally:
        stop.set()
        thread.join()


def test_an_agent_that_publishes_again_and_again_is_not_forgotten_and_that_is_said(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    box = Publisher("box")
    publish(mosquitto, _retained(box, "online"), retain=True)
    read = forgetting._read_retained

    def look(*of_whom: Any) -> forgetting.Retained:
        publish(mosquitto, [box.state("A")], retain=True)
        return read(*of_whom)

    monkeypatch.setattr(forgetting, "_read_retained", look)
    done = call(capsys, main, *_words(mosquitto, "--site", SITE, "--yes"))
    assert_one_line(done, 1, box.topics.state("A"), "comes back as often as it is cleared: stop the agent")
    assert box.topics.status in _topics(mosquitto), "as long as it stands the work isn't done"


def test_an_agent_that_comes_back_is_known_as_before(tmp_path: Path) -> None:
    box = Publisher("box")
    told = _told(box)
    with closing(open_database(tmp_path / "k.sqlite", make=True)) as database:
        writer, reader = writer_of(database), StoreReader(database)
        writer.write([parse_message(SITE, *message) for message in told])
        assert forgetting._close_alerts(database, "box") == 1
        assert forgetting._close_alerts(database, "box") == 0
        assert reader.missing_events() == []
        assert resend_requests_due(database, 0) + resend_requests_due(database, GAP_GRACE_S) == []
        again = writer.write([parse_message(SITE, *message) for message in (*told, box.event("A"))])
        assert (again.events, again.duplicates) == (1, 3)
        assert reader.missing_events()[0].missing == ((3, 3),)
        resend_requests_due(database, 0)
        assert [request.command.first for request in resend_requests_due(database, GAP_GRACE_S)] == [3]
        assert writer.acks()["box", box.epoch].contiguous_to == 2


def test_a_broker_that_clears_nothing_is_not_a_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    acl = tmp_path / "acl"
    acl.write_text(f"topic readwrite kardus/v1/{SITE}/agents/+/#\n")
    broker = Mosquitto(tmp_path / "broker", f"acl_file {acl}\n")
    broker.start()
    try:
        publish(broker, _retained(Publisher("box")), retain=True)
        acl.write_text(f"topic read kardus/v1/{SITE}/agents/+/#\ntopic write kardus/v1/{SITE}/agents/+/ack\n")
        broker.reload()
        broker.wait_for_log("Reloading config")
        state = Topics(SITE, "box").state("A")
        assert_one_line(call(capsys, main, *_words(broker, "--site", SITE)), 1, "Not authorized")
        old = BrokerSettings("127.0.0.1", broker.port, version="3.1.1")  # has no way to refuse
        with pytest.raises(BrokerError, match="doesn't clear it: check the user's right") as caught:
            forgetting.forget_agent(old, "box", site=SITE)
        assert "agents/box/" in str(caught.value)
        assert state in _seen(broker)
    finally:
        broker.kill()


@pytest.mark.parametrize(("version", "why"), [("5", "Not authorized"), ("3.1.1", "doesn't clear it")])
def test_what_the_access_list_keeps_where_nothing_is_to_be_retained_holds_up_nothing_else(
    tmp_path: Path, version: Literal["5", "3.1.1"], why: str
) -> None:
    acl = tmp_path / "acl"
    acl.write_text(f"topic readwrite kardus/v1/{SITE}/agents/+/#\n")
    broker = Mosquitto(tmp_path / "broker", f"acl_file {acl}\n")
    broker.start()
    try:
        box = Publisher("box")
        events = [box.event("A"), box.event("B")]
        publish(broker, [*_retained(box), *events, (box.topics.command("capture"), b"{}")], retain=True)
        for_everybody = acl_text(SITE, ["stock"], []).partition("user stock\n")[2]
        acl.write_text(f"{for_everybody}topic write kardus/v1/{SITE}/agents/echo\n")
        broker.reload()
        broker.wait_for_log("Reloading config")
        with pytest.raises(BrokerError, match=why) as caught:
            forgetting.forget_agent(BrokerSettings("127.0.0.1", broker.port, version=version), "box", site=SITE)
        assert "; 2 topics stay so, the other 9 of agent 'box' are cleared" in str(caught.value)
        assert _topics(broker) == {topic for topic, _ in events}
    finally:
        broker.kill()


def _seen(broker: Mosquitto) -> set[str]:
    """The agent's state, once it has come."""
    found: queue.SimpleQueue[str] = queue.SimpleQueue()
    with MqttClient(broker_of(broker), [(Topics(SITE, "box").state("A"), 0)], lambda topic, _: found.put(topic)):
        return {found.get(timeout=PATIENCE_S)}
