"""The MQTT session against a real Mosquitto, and against a broker without MQTT 5."""

from __future__ import annotations

import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_agent.config.sections import MqttSection
from kardus.mqtt.connection import WILL_DELAY_S, Handlers, Token
from kardus.mqtt.session import MqttSession
from kardus.support.errors import ConfigError
from simulator.demo.broker import free_port, run_broker
from tests.brokers import Mosquitto
from tests.patience import PATIENCE_S, stretched, wait_until
from warehouse.receiving.connection import Broker, Connection

WAIT_S = PATIENCE_S


class Probe:
    """Handlers that remember what they were told."""

    def __init__(self) -> None:
        self.connections: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.messages: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self.acknowledged: queue.SimpleQueue[tuple[Token, bool]] = queue.SimpleQueue()

    def handlers(self) -> Handlers:
        return Handlers(
            self.connections.put,
            lambda message: self.messages.put((message.topic, message.payload)),
            lambda token, accepted: self.acknowledged.put((token, accepted)),
        )


def _session(
    port: int, version: str = "auto", will: tuple[str, bytes] | None = None, topics: Sequence[str] = ("in/#",)
) -> tuple[MqttSession, Probe]:
    settings = MqttSection.model_validate({"host": "127.0.0.1", "port": port, "version": version, "keepalive_s": 20})
    session, probe = MqttSession(settings, "tests", topics, will), Probe()
    session.start(probe.handlers())
    return session, probe


def _publish(session: MqttSession, probe: Probe) -> None:
    """Publish over the present connection, and see it acknowledged."""
    connection = session.connection
    assert connection is not None
    token = session.publish(connection, "out/y", b"there", retain=False)
    assert probe.acknowledged.get(timeout=WAIT_S) == (token, True)


@pytest.mark.parametrize(("asked", "used"), [("auto", "5"), ("5", "5"), ("3.1.1", "3.1.1")])
def test_connects_subscribes_and_publishes(mosquitto: Mosquitto, asked: str, used: str) -> None:
    session, probe = _session(mosquitto.port, asked)
    assert session.wait_connected(WAIT_S)
    assert session.version == used
    with Connection(Broker("127.0.0.1", mosquitto.port)) as other:
        other.publish([("in/x", b"hello")], retain=True)
    assert probe.messages.get(timeout=WAIT_S) == ("in/x", b"hello")
    _publish(session, probe)
    session.stop()


@pytest.mark.parametrize("will", [None, ("will/a", b"gone" * 40)], ids=["refused", "left without an answer"])
def test_falls_back_to_3_1_1_where_the_broker_has_no_5(will: tuple[str, bytes] | None) -> None:
    with run_broker("embedded") as broker:
        session, probe = _session(broker.port, will=will)
        assert session.wait_connected(WAIT_S)
        assert session.version == "3.1.1"
        _publish(session, probe)
        session.stop()


def test_waits_for_an_absent_broker_and_says_why(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "later")
    session, probe = _session(broker.port)
    assert session.publish(1, "out", b"", retain=False) is None
    wait_until(lambda: str(broker.port) in session.refusal)
    assert not session.connected
    broker.start()
    assert probe.connections.get(timeout=WAIT_S)
    assert session.refusal == ""
    session.stop()
    broker.kill()


def test_connects_again_after_the_broker_was_killed(mosquitto: Mosquitto) -> None:
    session, probe = _session(mosquitto.port)
    first = probe.connections.get(timeout=WAIT_S)
    mosquitto.kill()
    mosquitto.start()
    assert probe.connections.get(timeout=WAIT_S) > first
    assert session.publish(first, "out", b"for the connection that is gone", retain=False) is None
    _publish(session, probe)
    session.stop()


def _break(session: MqttSession) -> None:
    """The link breaks: neither side says goodbye."""
    assert session._live is not None
    session._live._client.socket().shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_the_last_will_is_published_when_the_connection_is_lost_and_not_at_a_clean_stop(
    tmp_path: Path, version: str
) -> None:
    broker = Mosquitto(tmp_path)
    broker.start()
    seen: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    with Connection(Broker("127.0.0.1", broker.port), [("will/#", 1)], lambda *m: seen.put(m)):
        session, probe = _session(broker.port, version, will=("will/a", b"gone"))
        assert probe.connections.get(timeout=WAIT_S)
        session._settings = session._settings.model_copy(update={"port": free_port()})  # it finds no way back
        _break(session)
        began = time.monotonic()
        assert seen.get(timeout=WAIT_S) == ("will/a", b"gone")
        took_s = time.monotonic() - began
        assert took_s >= WILL_DELAY_S - 1 if version == "5" else took_s < stretched(WILL_DELAY_S - 1)
        session._settings = session._settings.model_copy(update={"port": broker.port})
        assert probe.connections.get(timeout=WAIT_S)
        session.stop(("will/a", b"goodbye"))
        assert seen.get(timeout=WAIT_S) == ("will/a", b"goodbye")
        assert seen.empty()
    broker.kill()


def test_a_link_that_comes_back_at_once_was_never_offline_and_what_was_sent_meanwhile_arrives(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    delay_s = 3 * WILL_DELAY_S  # however busy the machine is, the link is back before
    monkeypatch.setattr("kardus.mqtt.connection.WILL_DELAY_S", delay_s)
    seen: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    with Connection(Broker("127.0.0.1", mosquitto.port), [("will/#", 1)], lambda *m: seen.put(m)) as other:
        session, probe = _session(mosquitto.port, "5", will=("will/a", b"gone"))
        assert probe.connections.get(timeout=WAIT_S)
        other.publish([("in/first", b"subscribed")], retain=True)
        assert probe.messages.get(timeout=WAIT_S) == ("in/first", b"subscribed")
        session._settings = session._settings.model_copy(update={"port": free_port()})
        _break(session)
        assert session._wait(lambda: bool(session.refusal), WAIT_S)
        other.publish([("in/x", b"sent while the link was down")], retain=False)
        session._settings = session._settings.model_copy(update={"port": mosquitto.port})
        assert probe.connections.get(timeout=WAIT_S)
        while probe.messages.get(timeout=WAIT_S) != ("in/x", b"sent while the link was down"):
            pass  # the first one may come again: its acknowledgement can have been lost with the link
        with pytest.raises(queue.Empty):
            seen.get(timeout=delay_s + 1)
        session.stop()


def test_a_refusal_is_not_a_connection(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "closed", extra="")
    settings = tmp_path / "closed" / "mosquitto.conf"
    settings.write_text(settings.read_text().replace("allow_anonymous true", "allow_anonymous false"))
    broker.start()
    session, probe = _session(broker.port)
    wait_until(lambda: "refused the connection: Not authorized" in session.refusal)
    assert not session.connected
    assert probe.connections.empty()
    session.stop()
    broker.kill()


def test_a_server_that_never_answers_is_named_and_does_not_hold_up_the_stop() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        session, _ = _session(port)
        open_ones = [silent.accept()[0] for _ in range(2)]  # a second attempt, in the other version
        assert f"{port} gave no answer (MQTT 5)" in session.refusal
        session.stop()
        for connection in open_ones:  # one that is let go of is closed, which is an answer
            connection.close()


def test_speaks_3_1_1_when_the_broker_is_replaced_by_one_without_5(mosquitto: Mosquitto) -> None:
    session, probe = _session(mosquitto.port)
    assert probe.connections.get(timeout=WAIT_S)
    mosquitto.kill()
    command = [sys.executable, "-m", "simulator.demo.embedded", str(mosquitto.port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as older:
        try:
            assert probe.connections.get(timeout=2 * WAIT_S)
            assert session.version == "3.1.1"
            _publish(session, probe)
        finally:
            session.stop()
            older.terminate()


def test_the_expected_stock_of_many_locations_arrives_whole(mosquitto: Mosquitto) -> None:
    topics = [f"in/{number}" for number in range(3000)]
    with Connection(Broker("127.0.0.1", mosquitto.port)) as other:
        other.publish([(topic, b"x") for topic in topics], retain=True)
    session, probe = _session(mosquitto.port, topics=topics)
    assert {probe.messages.get(timeout=WAIT_S)[0] for _ in topics} == set(topics)
    session.stop()


def test_stop_returns_promptly_while_no_broker_is_there() -> None:
    session, _ = _session(free_port())
    done = threading.Thread(target=session.stop)
    done.start()
    done.join(WAIT_S)
    assert not done.is_alive()


def test_a_missing_password_file_is_named(tmp_path: Path) -> None:
    settings = MqttSection(username="u", password_file=tmp_path / "no.txt")
    with pytest.raises(ConfigError, match=r"mqtt\.password_file = .*no\.txt"):
        MqttSession(settings, "x", [], None)
