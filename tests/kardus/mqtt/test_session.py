"""The MQTT session beyond its contract: absent, silent and replaced brokers, short breaks, many topics, passwords."""

import queue
import socket
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from kardus.mqtt.client import MqttClient
from kardus.mqtt.connection import ANSWER_POLL_S, Handlers, Options, PublishToken
from kardus.mqtt.session import FAREWELL_S, MqttSession
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import ConfigError
from simulator.demo.broker import free_port
from tests.brokers import Amqtt, Mosquitto
from tests.kardus.mqtt.scripted_broker import (
    CONNECT,
    PUBLISH,
    SUBSCRIBE,
    ScriptedBroker,
    acknowledging_nothing,
    connack,
    packet,
    suback,
)
from tests.patience import PATIENCE_S, stretched, wait_until, within

WAIT_S = PATIENCE_S
Version = Literal["auto", "5", "3.1.1"]


class Probe:
    """Handlers that remember what they were told."""

    def __init__(self) -> None:
        self.connections: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.messages: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self.acknowledged: queue.SimpleQueue[tuple[PublishToken, str]] = queue.SimpleQueue()

    def handlers(self) -> Handlers:
        return Handlers(
            self.connections.put,
            lambda message: self.messages.put((message.topic, message.payload)),
            lambda token, refusal: self.acknowledged.put((token, refusal)),
        )


def _session(
    port: int,
    version: Literal["auto", "5", "3.1.1"] = "auto",
    will: tuple[str, bytes] | None = None,
    topics: Sequence[str] = ("in/#",),
) -> tuple[MqttSession, Probe]:
    settings = BrokerSettings("127.0.0.1", port, version=version, keepalive_s=20)
    options = Options(will=will, expiry_s=60)
    session, probe = MqttSession(settings, "tests", [(topic, 1) for topic in topics], options), Probe()
    session.start(probe.handlers())
    return session, probe


def _publish(session: MqttSession, probe: Probe) -> None:
    """Publish over the present connection, and see it acknowledged."""
    connection = session.connection
    assert connection is not None
    token = session.publish(connection, "out/y", b"there", retain=False)
    assert probe.acknowledged.get(timeout=WAIT_S) == (token, "")


def test_waits_for_an_absent_broker_and_says_why(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "later")
    session, probe = _session(broker.port)
    assert session.publish(1, "out", b"", retain=False) is None
    assert not session.wait_connected(0.5)
    assert str(broker.port) in session.problem
    broker.start()
    assert probe.connections.get(timeout=WAIT_S)
    assert session.problem == ""
    session.stop()
    broker.kill()


def _break(session: MqttSession) -> None:
    """The link breaks: neither side says goodbye."""
    assert session._live is not None
    session._live._client.socket().shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]


def test_a_link_that_comes_back_at_once_was_never_offline_and_what_was_sent_meanwhile_arrives(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    delay_s = round(stretched(4))  # however busy the machine is, the link is back before
    monkeypatch.setattr("kardus.mqtt.connection.WILL_DELAY_S", delay_s)
    monkeypatch.setattr("kardus.mqtt.session.backoff_s", lambda _: 0.1)
    seen: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    with MqttClient(BrokerSettings("127.0.0.1", mosquitto.port), [("will/#", 1)], lambda *m: seen.put(m)) as other:
        session, probe = _session(mosquitto.port, "5", will=("will/a", b"gone"))
        assert probe.connections.get(timeout=WAIT_S)
        other.publish([("in/first", b"subscribed")], retain=True)
        assert probe.messages.get(timeout=WAIT_S) == ("in/first", b"subscribed")
        session._settings = replace(session._settings, port=free_port())
        _break(session)
        assert session.wait_for(lambda: bool(session.problem), WAIT_S)
        other.publish([("in/x", b"sent while the link was down")], retain=False)
        session._settings = replace(session._settings, port=mosquitto.port)
        assert probe.connections.get(timeout=WAIT_S)
        while probe.messages.get(timeout=WAIT_S) != ("in/x", b"sent while the link was down"):
            pass  # the first one may come again: its acknowledgement can have been lost with the link
        with pytest.raises(queue.Empty):
            seen.get(timeout=delay_s + 1)
        session.stop()


def test_a_server_that_never_answers_is_named_and_does_not_hold_up_the_stop() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        session, _ = _session(port)
        open_ones = [silent.accept()[0] for _ in range(2)]  # a second attempt, in the other version
        assert f"{port} gave no answer (MQTT 5)" in session.problem
        session.stop()
        for connection in open_ones:  # one that is let go of is closed, which is an answer
            connection.close()


def test_who_gives_up_waits_no_longer_for_the_first_connection() -> None:
    asked = iter([False, True])
    session = MqttSession(BrokerSettings("127.0.0.1", free_port()), "impatient", [])
    assert not session.wait_connected(PATIENCE_S, lambda: next(asked))
    assert next(asked, None) is None, "it was asked, and heeded"


def test_speaks_3_1_1_when_the_broker_is_replaced_by_one_without_5(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kardus.mqtt.session.backoff_s", lambda _: 0.1)
    session, probe = _session(mosquitto.port)
    assert probe.connections.get(timeout=WAIT_S)
    mosquitto.kill()
    older = Amqtt(mosquitto.port)
    older.start()
    assert probe.connections.get(timeout=2 * WAIT_S)
    assert session.version == "3.1.1"
    _publish(session, probe)
    session.stop()
    older.kill()


def test_the_expected_stock_of_many_locations_arrives_whole(mosquitto: Mosquitto) -> None:
    topics = [f"in/{number}" for number in range(3000)]
    with MqttClient(BrokerSettings("127.0.0.1", mosquitto.port)) as other:
        other.publish([(topic, b"x") for topic in topics], retain=True)
    session, probe = _session(mosquitto.port, topics=topics)
    assert {probe.messages.get(timeout=WAIT_S)[0] for _ in topics} == set(topics)
    session.stop()


def test_what_was_published_is_answered_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker drops what it hasn't read yet once its answer to something before that comes to a closed socket."""
    monkeypatch.setattr("kardus.mqtt.session.FAREWELL_S", PATIENCE_S)
    answered = 0

    def answer(kind: int, body: bytes) -> bytes:
        nonlocal answered
        if kind == PUBLISH:
            threading.Event().wait(0.1)  # it is busy
            answered += 1
            behind_topic = 2 + int.from_bytes(body[:2], "big")
            return packet(0x40, body[behind_topic : behind_topic + 2])
        return {CONNECT: connack(), SUBSCRIBE: suback(body, 1)}.get(kind, b"")

    with ScriptedBroker(answer) as broker:
        session, probe = _session(broker.port, "5")
        connection = probe.connections.get(timeout=WAIT_S)
        for number in range(3):
            assert session.publish(connection, f"out/{number}", b"there", retain=True)
        session.stop()
        assert answered == 3


@pytest.mark.parametrize("published", [0, 1])
def test_a_broker_that_acknowledges_nothing_is_waited_for_once(published: int) -> None:
    with ScriptedBroker(acknowledging_nothing) as broker:
        session, probe = _session(broker.port, "5")
        connection = probe.connections.get(timeout=WAIT_S)
        for _ in range(published):
            session.publish(connection, "out/y", b"there", retain=False)
        with within(1.5 * FAREWELL_S):
            session.stop(("out/farewell", b"goodbye"))


def test_a_connection_that_is_lost_at_the_farewell_is_not_waited_for() -> None:
    session: MqttSession

    def answer(kind: int, body: bytes) -> bytes | None:
        if kind != PUBLISH:
            return acknowledging_nothing(kind, body)
        wait_until(lambda: session._stopping)
        threading.Event().wait(2 * ANSWER_POLL_S)  # it's waited for by now
        return None

    with ScriptedBroker(answer) as broker:
        session, probe = _session(broker.port, "5")
        probe.connections.get(timeout=WAIT_S)
        done = threading.Thread(target=session.stop, args=(("out/farewell", b"goodbye"), 2 * PATIENCE_S), daemon=True)
        done.start()
        done.join(PATIENCE_S)
        assert not done.is_alive()


def test_a_connection_that_is_still_being_made_holds_no_stop_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """As to a host that answers nothing at all, or whose name nobody answers for."""
    asked, given_up = threading.Event(), threading.Event()

    def unanswered(*_: object, **__: object) -> socket.socket:
        asked.set()
        given_up.wait(PATIENCE_S)
        raise TimeoutError

    monkeypatch.setattr("socket.create_connection", unanswered)
    session, _ = _session(1)
    assert asked.wait(PATIENCE_S)
    session.stop(within_s=0.0)
    assert session.is_alive, "it was left to itself"
    given_up.set()
    wait_until(lambda: not session.is_alive)


def test_stop_returns_promptly_while_no_broker_is_there() -> None:
    session, _ = _session(free_port())
    done = threading.Thread(target=session.stop)
    done.start()
    done.join(WAIT_S)
    assert not done.is_alive()


def test_a_missing_password_file_is_named(tmp_path: Path) -> None:
    settings = BrokerSettings(username="u", password_file=tmp_path / "no.txt", prefix="mqtt.")
    with pytest.raises(ConfigError, match=r"mqtt\.password_file = .*no\.txt"):
        MqttSession(settings, "x")
