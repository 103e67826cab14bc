"""What the MQTT client promises over each broker and version: Mosquitto (5, 3.1.1), and amqtt, which lacks 5."""

import gc
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from kardus.mqtt.client import MqttClient
from kardus.mqtt.connection import WILL_DELAY_S, Connection, Handlers, Options, PublishToken
from kardus.mqtt.incoming import Incoming
from kardus.mqtt.session import MqttSession
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import BrokerError
from simulator.demo.broker import free_port
from tests.brokers import Amqtt, Mosquitto
from tests.patience import PATIENCE_S, stretched, wait_until

WAIT_S = PATIENCE_S
PERSISTENT = Options(persistent=True, expiry_s=60, receive_maximum=500, manual_ack=True)
Kind = Literal["mosquitto 5", "mosquitto 3.1.1", "amqtt"]
KINDS: tuple[Kind, ...] = ("mosquitto 5", "mosquitto 3.1.1", "amqtt")
MOSQUITTO = KINDS[:2]
ADMIN = "topic readwrite #\ntopic deny refused/#\n"


@dataclass(frozen=True)
class Running:
    """A broker, and how it is spoken to."""

    kind: Kind
    process: Mosquitto | Amqtt
    settings: BrokerSettings

    @property
    def version(self) -> str:
        """Which version of MQTT is to be spoken."""
        return "5" if self.kind == "mosquitto 5" else "3.1.1"


class Probe:
    """What a session told its handlers."""

    def __init__(self) -> None:
        self.connections: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.messages: queue.SimpleQueue[Incoming] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[tuple[PublishToken, str]] = queue.SimpleQueue()

    def handlers(self, on_message: Callable[[Incoming], None] | None = None) -> Handlers:
        return Handlers(self.connections.put, on_message or self.messages.put, lambda *answer: self.answers.put(answer))

    def message(self) -> tuple[str, bytes]:
        """The next one."""
        found = self.messages.get(timeout=WAIT_S)
        return found.topic, found.payload


def _running(kind: Kind, folder: Path, *, closed: bool = False) -> Running:
    process: Mosquitto | Amqtt
    if kind == "amqtt":
        process = Amqtt(anonymous=not closed)
    else:
        (folder / "acl").write_text(ADMIN)
        process = Mosquitto(folder, extra=f"acl_file {folder}/acl\n")
        if closed:
            conf = folder / "mosquitto.conf"
            conf.write_text(conf.read_text().replace("allow_anonymous true", "allow_anonymous false"))
    process.start()
    version: Literal["auto", "3.1.1"] = "auto" if kind == "mosquitto 5" else "3.1.1"
    return Running(kind, process, BrokerSettings("127.0.0.1", process.port, version=version, keepalive_s=20))


def _finding_out(running: Running) -> Running:
    """Where amqtt's version isn't named: it gives no answer to MQTT 5, for which each client waits 5 s."""
    if running.kind != "amqtt":
        return running
    return replace(running, settings=replace(running.settings, version="auto"))


@pytest.fixture
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """Each of them in turn."""
    running = _running(request.param, tmp_path)
    yield running
    running.process.kill()


every_broker = pytest.mark.parametrize("broker", KINDS, indirect=True)
every_mosquitto = pytest.mark.parametrize("broker", MOSQUITTO, indirect=True)


@contextmanager
def _session(
    broker: Running,
    options: Options | None = None,
    on_message: Callable[[Incoming], None] | None = None,
    client_id: str = "contract",
) -> Iterator[tuple[MqttSession, Probe]]:
    """A session that is connected and subscribed to `in/#`."""
    session, probe = MqttSession(broker.settings, client_id, [("in/#", 1)], options), Probe()
    session.start(probe.handlers(on_message))
    try:
        assert session.wait_for(lambda: session.is_subscribed, WAIT_S), session.problem
        yield session, probe
    finally:
        session.stop()


def _break(session: MqttSession) -> None:
    """The link breaks: neither side says goodbye."""
    assert session._live is not None
    session._live._client.socket().shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]


@every_broker
@pytest.mark.parametrize("will", [None, ("will/a", b"gone" * 40)], ids=["no will", "a will"])
def test_it_connects_in_the_version_that_the_broker_has(broker: Running, will: tuple[str, bytes] | None) -> None:
    with _session(_finding_out(broker), Options(will=will)) as (session, probe):
        assert session.version == broker.version
        assert probe.connections.get(timeout=WAIT_S) == session.connection
        assert session.problem == ""


@every_broker
def test_what_is_published_is_acknowledged_and_received(broker: Running) -> None:
    with _session(broker) as (session, probe), MqttClient(broker.settings, [("out/#", 1)], lambda *m: seen.put(m)) as c:
        seen: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        token = session.publish(session.connection or 0, "out/y", b"there", retain=False)
        assert probe.answers.get(timeout=WAIT_S) == (token, "")
        assert seen.get(timeout=WAIT_S) == ("out/y", b"there")
        c.publish([("in/x", b"1"), ("in/y", b"2")], retain=False)
        assert {probe.message(), probe.message()} == {("in/x", b"1"), ("in/y", b"2")}


@every_broker
def test_what_is_retained_comes_with_the_subscription(broker: Running) -> None:
    with MqttClient(broker.settings) as client:
        client.publish([("in/kept", b"before"), ("in/other", b"too")], retain=True)
    with _session(broker) as (_, probe):
        found = [probe.messages.get(timeout=WAIT_S) for _ in range(2)]
        assert {(m.topic, m.payload, m.retained) for m in found} == {
            ("in/kept", b"before", True),
            ("in/other", b"too", True),
        }


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_is_no_connection_and_is_said(kind: Kind, tmp_path: Path) -> None:
    broker = _finding_out(_running(kind, tmp_path, closed=True))
    session, probe = MqttSession(broker.settings, "contract"), Probe()
    session.start(probe.handlers())
    assert session.wait_for(lambda: "refused the connection: Not authorized" in session.problem, WAIT_S)
    assert not session.connected
    session.stop()
    assert probe.connections.empty()
    with pytest.raises(BrokerError, match="refused the connection: Not authorized"):
        MqttClient(broker.settings)
    broker.process.kill()


@pytest.mark.parametrize("broker", ["mosquitto 5"], indirect=True)
def test_a_message_that_is_refused_is_said(broker: Running) -> None:
    with _session(broker) as (session, probe), MqttClient(broker.settings) as client:
        token = session.publish(session.connection or 0, "refused/x", b"", retain=False)
        assert probe.answers.get(timeout=WAIT_S) == (token, "Not authorized")
        with pytest.raises(BrokerError, match=r"refused/x: the broker refused it \(Not authorized\)"):
            client.publish([("allowed", b"1"), ("refused/x", b"2")], retain=False)


@every_broker
@pytest.mark.parametrize("by_hand", [False, True], ids=["", "acknowledged by hand"])
def test_a_connection_that_is_over_leaves_no_socket_to_the_collector_of_garbage(
    broker: Running, monkeypatch: pytest.MonkeyPatch, *, by_hand: bool
) -> None:
    monkeypatch.setattr("kardus.mqtt.session.backoff_s", lambda _: 0.01)
    gc.collect()
    gc.disable()
    try:
        with _session(broker, Options(manual_ack=by_hand)) as (session, probe):
            assert probe.connections.get(timeout=WAIT_S)
            before = _sockets()
            for _ in range(6):
                _break(session)
                assert probe.connections.get(timeout=WAIT_S)
            wait_until(lambda: _sockets() <= before)
    finally:
        gc.enable()


def _sockets() -> int:
    found = 0
    for opened in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # it was closed meanwhile
            found += str(opened.readlink()).startswith("socket:")
    return found


@every_broker
def test_the_will_is_published_when_the_connection_is_lost_and_not_at_a_clean_stop(
    broker: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kardus.mqtt.session.backoff_s", lambda _: 0.1)
    seen: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    with MqttClient(broker.settings, [("will/#", 1)], lambda *m: seen.put(m)):
        with _session(broker, Options(will=("will/a", b"gone"), expiry_s=60)) as (session, probe):
            assert probe.connections.get(timeout=WAIT_S)
            session._settings = replace(broker.settings, port=free_port())  # it finds no way back
            began_s = time.monotonic()
            _break(session)
            assert seen.get(timeout=WAIT_S) == ("will/a", b"gone")
            took_s = time.monotonic() - began_s
            if broker.version == "5":
                assert took_s >= WILL_DELAY_S - 1
            else:
                assert took_s < stretched(WILL_DELAY_S - 1)
            session._settings = broker.settings
            assert probe.connections.get(timeout=WAIT_S)
            session.stop(("will/a", b"goodbye"))
            assert seen.get(timeout=WAIT_S) == ("will/a", b"goodbye")
        assert seen.empty()


@every_broker
def test_it_connects_and_subscribes_again_after_the_broker_was_killed(broker: Running) -> None:
    seen: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    with (
        _session(_finding_out(broker), Options(expiry_s=60)) as (session, probe),
        MqttClient(broker.settings, [("in/#", 1)], lambda *m: seen.put(m)) as client,
    ):
        first = probe.connections.get(timeout=WAIT_S)
        broker.process.kill()
        assert session.wait_for(lambda: bool(session.problem), WAIT_S)
        broker.process.start()
        assert probe.connections.get(timeout=WAIT_S) > first
        assert session.publish(first, "out", b"for the connection that is gone", retain=False) is None
        for waiting in (session, client._session):
            assert waiting.wait_for(lambda waiting=waiting: waiting.is_subscribed, WAIT_S)  # type: ignore[misc]
        token = session.publish(session.connection or 0, "in/x", b"again", retain=False)
        assert probe.answers.get(timeout=WAIT_S) == (token, "")
        assert probe.message() == seen.get(timeout=WAIT_S) == ("in/x", b"again")


@every_broker
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_callback_that_raises_leaves_no_dead_connection_standing(broker: Running) -> None:
    seen: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def take(message: Incoming) -> None:
        seen.put(message.payload)
        if message.payload == b"trouble" and seen.qsize() == 1:
            raise RuntimeError("a fault of the program")

    with _session(broker, on_message=take) as (session, probe), MqttClient(broker.settings) as client:
        first = probe.connections.get(timeout=WAIT_S)
        client.publish([("in/x", b"trouble")], retain=False)
        assert probe.connections.get(timeout=WAIT_S) > first
        assert session.publish(first, "out", b"", retain=False) is None
        assert session.wait_for(lambda: session.is_subscribed, WAIT_S)
        client.publish([("in/x", b"after")], retain=False)
        while seen.get(timeout=WAIT_S) != b"after":
            pass


@every_mosquitto
def test_what_was_not_acknowledged_by_hand_comes_again(broker: Running) -> None:
    with _session(broker, PERSISTENT) as (session, probe), MqttClient(broker.settings) as client:
        client.publish([("in/x", b"1"), ("in/x", b"2")], retain=False)
        first, second = (probe.messages.get(timeout=WAIT_S) for _ in range(2))
        first.acknowledge()
        token = session.publish(session.connection or 0, "out", b"", retain=False)
        assert probe.answers.get(timeout=WAIT_S) == (token, "")  # so the broker has the acknowledgement too
        session.drop(session.connection or 0)
        again = probe.messages.get(timeout=WAIT_S)
        assert again.payload == second.payload == b"2"
        second.acknowledge()  # over the connection that it came by, which is gone: it goes nowhere
    with _session(broker, PERSISTENT) as (_, probe):
        once_more = probe.messages.get(timeout=WAIT_S)
        assert once_more.payload == b"2"
        once_more.acknowledge()
    with _session(broker, PERSISTENT) as (_, probe), MqttClient(broker.settings) as client:
        client.publish([("in/x", b"3")], retain=False)
        assert probe.message() == ("in/x", b"3")


@every_mosquitto
def test_a_persistent_session_gets_what_was_published_while_it_was_away(broker: Running) -> None:
    with _session(broker, PERSISTENT):
        pass
    with MqttClient(broker.settings) as client:
        client.publish([("in/x", b"meanwhile")], retain=False)
    with _session(broker, PERSISTENT) as (_, probe):
        assert probe.message() == ("in/x", b"meanwhile")


def test_a_persistent_session_that_the_broker_says_was_taken_over_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_take_over, args=(listener,), daemon=True).start()
        settings = BrokerSettings("127.0.0.1", listener.getsockname()[1])
        session = MqttSession(settings, "twin", options=PERSISTENT)
        session.start(Handlers())
        assert session.wait_for(lambda: session.taken_over, WAIT_S)
        assert "taken over" in session.problem
        session.stop()
        assert not session.is_alive


def test_a_take_over_right_after_the_acceptance_is_noticed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    accepted = Connection._on_connect

    def unnoticed(connection: Connection, *what: Any) -> None:  # the session wakes up when both packets have come
        changed, connection._changed = connection._changed, lambda: None
        accepted(connection, *what)
        connection._changed = changed

    monkeypatch.setattr(Connection, "_on_connect", unnoticed)
    test_a_persistent_session_that_the_broker_says_was_taken_over_ends()


def _take_over(listener: socket.socket) -> None:
    """A broker that accepts (MQTT 5) and says at once that another client has taken over: Mosquitto 2.0.11 doesn't."""
    client, _ = listener.accept()
    with client:
        client.recv(1000)
        client.sendall(b"\x20\x03\x00\x00\x00" + b"\xe0\x02\x8e\x00")
        client.recv(1000)
