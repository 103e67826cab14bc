"""What the broker gives as its reason is passed on, and a name that two clients share is told as such."""

import logging
import threading
import time
from unittest.mock import Mock

import pytest

from kardus.mqtt import session as sessions
from kardus.mqtt.client import MqttClient
from kardus.mqtt.connection import Handlers, Options
from kardus.mqtt.reasons import NOT_GIVEN, TAKEN_OVER, Ending
from kardus.mqtt.session import MqttSession
from kardus.mqtt.settings import BrokerSettings
from kardus.mqtt.subscriber import Subscriber
from kardus.support.errors import BrokerError
from tests.brokers import Mosquitto
from tests.clocks import clock_of
from tests.kardus.mqtt.scripted_broker import CONNECT, SUBSCRIBE, ScriptedBroker, connack, disconnect, suback
from tests.patience import PATIENCE_S, wait_until


def _settings(port: int) -> BrokerSettings:
    return BrokerSettings("127.0.0.1", port, version="5", keepalive_s=20)


def _lost(broker: ScriptedBroker) -> tuple[MqttSession, list[Ending]]:
    """A session that has lost its first connection, and why by its own words."""
    endings: list[Ending] = []
    lost = threading.Event()

    def take(_: int, ending: Ending) -> None:
        endings.append(ending)
        lost.set()

    session = MqttSession(_settings(broker.port), "twin", options=Options(expiry_s=60))
    session.start(Handlers(on_lost=take))
    assert lost.wait(PATIENCE_S)
    return session, endings


@pytest.mark.parametrize(
    ("code", "words", "told"),
    [
        (0x8E, "", TAKEN_OVER),
        (0x8B, "", "server shutting down"),
        (0x98, "come back on\x1b[31m Monday", r"administrative action: come back on\x1b[31m Monday"),
        (0x81, "", "malformed packet"),
    ],
)
def test_why_the_broker_hung_up_is_passed_on(
    code: int, words: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with ScriptedBroker(lambda kind, _: connack() + disconnect(code, words) if kind == CONNECT else None) as broker:
        session, endings = _lost(broker)
        assert endings[0].text == told
        assert endings[0].name == told.split(": come", maxsplit=1)[0]
        wait_until(lambda: f"connection to the broker lost ({told})" in caplog.text)
        assert (session.conflict == TAKEN_OVER) == (code == 0x8E)
        session.stop()


def test_why_the_broker_refuses_connection_and_subscription_is_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    refused = b"\x1f\x00\x07no seat"
    with (
        ScriptedBroker(lambda *_: connack(reason=0x97, properties=refused)) as broker,
        pytest.raises(BrokerError, match="refused the connection: Quota exceeded: no seat"),
    ):
        MqttClient(_settings(broker.port))

    def answer(kind: int, body: bytes) -> bytes | None:
        return connack() if kind == CONNECT else suback(body, 0x87, 0) if kind == SUBSCRIBE else None

    caplog.set_level(logging.ERROR)
    with ScriptedBroker(answer) as broker:
        session = MqttSession(_settings(broker.port), "x", [("in/a", 1), ("in/b", 1)])
        session.start(Handlers())
        assert session.wait_for(lambda: session.is_subscribed, PATIENCE_S)
        assert session.refused == {"in/a": "Not authorized"}
        assert "refuses the subscription to in/a (Not authorized): check" in caplog.text
        session.stop()


def test_a_connection_that_does_not_last_leaves_the_back_off_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts from the broker's acceptance: to be kept waiting for that is no connection that lasts."""
    monkeypatch.setattr(sessions, "SHORT_S", 2 * PATIENCE_S)
    waited_s, failures = 0.0, list[int]()
    monkeypatch.setattr(sessions, "time", clock_of(monotonic=lambda: time.monotonic() + waited_s))
    enough = threading.Event()

    def backoff_s(count: int) -> float:
        failures.append(count)
        if len(failures) == 4:
            enough.set()
        return 0.01

    def late(kind: int, _: bytes) -> bytes | None:
        nonlocal waited_s
        if kind != CONNECT:
            return None
        waited_s += 0 if enough.is_set() else 3 * PATIENCE_S
        return connack() + disconnect(0x8E)

    monkeypatch.setattr(sessions, "backoff_s", backoff_s)
    with ScriptedBroker(late) as broker:
        session, _ = _lost(broker)
        assert enough.wait(PATIENCE_S)
        session.stop()
    assert failures[:4] == [1, 2, 3, 4]


def test_a_connection_that_lasts_ends_the_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = threading.Event()

    def answer(kind: int, _: bytes) -> bytes | None:
        if kind != CONNECT:
            return None
        if taken.is_set():
            return connack()
        taken.set()
        return connack() + disconnect(0x8E)

    monkeypatch.setattr(sessions, "SHORT_S", 2 * PATIENCE_S)
    with ScriptedBroker(answer) as broker:
        session, _ = _lost(broker)
        assert session.wait_for(lambda: session.connected and session.conflict == TAKEN_OVER, PATIENCE_S)
        monkeypatch.setattr(sessions, "SHORT_S", 0.5)
        wait_until(lambda: session.connected and not session.conflict)
        assert session.failures == 0
        session.stop()


def test_two_clients_of_one_name_are_told_where_the_broker_gives_no_reason(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sessions, "backoff_s", lambda _: 0.05)
    both = [MqttSession(_settings(mosquitto.port), "twin") for _ in range(2)]
    for session in both:
        session.start(Handlers())
    wait_until(lambda: all(session.conflict for session in both))
    assert f"lost ({NOT_GIVEN}; every connection is lost at once, as if {TAKEN_OVER})" in caplog.text
    for session in both:
        session.stop()


def test_who_looks_through_what_was_refused_is_not_disturbed_by_more() -> None:
    """As the thread of a health page."""
    connection = Mock(limits=Mock(packet_bytes=None), subscribed={1: ["no"]}, subscribe=lambda _: 1)
    subscriber = Subscriber(connection, lambda *_: True, lambda: False)
    subscriber.subscribe([("in/a", 1)])
    looked_through = iter(subscriber.refused.items())
    subscriber.subscribe([("in/a", 1), ("in/b", 1)])
    assert list(looked_through) == [("in/a", "no")]
    assert subscriber.refused.keys() == {"in/a", "in/b"}
