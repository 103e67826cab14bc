"""A tool's session: what it waits for, and what it gives up at."""

import errno
import os
import re
import socket
import subprocess
import sys

import pytest

from kardus.mqtt.client import TRIES_MORE, MqttClient
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import BrokerError
from tests.brokers import Mosquitto
from tests.kardus.mqtt.scripted_broker import CONNECT, SUBSCRIBE, ScriptedBroker, connack, suback
from tests.patience import PATIENCE_S


def _cutting_off(times: int) -> ScriptedBroker:
    """Takes each client, and ends its first connections at the subscription without a word."""
    cut: list[bytes] = []

    def answer(kind: int, body: bytes) -> bytes | None:
        if kind == SUBSCRIBE and len(cut) < times:
            cut.append(body)
            return None
        return {CONNECT: connack(), SUBSCRIBE: suback(body, 0)}.get(kind, b"")

    return ScriptedBroker(answer)


def _settings(port: int) -> BrokerSettings:
    return BrokerSettings(host="127.0.0.1", port=port, version="5")


def test_a_connection_that_is_cut_off_before_the_subscription_is_answered_is_tried_again() -> None:
    with _cutting_off(TRIES_MORE) as broker, MqttClient(_settings(broker.port), [("a", 0)]) as client:
        assert client.is_subscribed
        assert broker.connections == 1 + TRIES_MORE


def test_where_it_is_cut_off_each_time_that_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kardus.mqtt.session.backoff_s", lambda failures: PATIENCE_S if failures > TRIES_MORE else 0.0)
    with _cutting_off(1000) as broker, pytest.raises(BrokerError) as caught:
        MqttClient(_settings(broker.port), [("a", 0)])
    assert "connection to the broker lost (no reason given): " in str(caught.value)
    assert str(caught.value).endswith("start it, or correct --host, --port and --username")
    assert broker.connections == 1 + TRIES_MORE


def test_an_address_without_a_route_is_no_lack_of_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `::1` where there is no IPv6."""

    def without_route(*_: object, **__: object) -> socket.socket:
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))

    monkeypatch.setattr("socket.create_connection", without_route)
    with pytest.raises(BrokerError) as caught:
        MqttClient(_settings(1))
    assert f"no broker there ([Errno {errno.EADDRNOTAVAIL}] " in str(caught.value)
    assert str(caught.value).endswith("start it, or correct --host, --port and --username")


_WITHOUT_FILES = """
import gc, os, resource, sys
from kardus.mqtt.client import MqttClient
from kardus.mqtt.connection import Handlers
from kardus.mqtt.session import MqttSession
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import BrokerError
from tests.patience import wait_until

settings = BrokerSettings(host="127.0.0.1", port=int(sys.argv[1]), version="5")
session = MqttSession(settings, "c")
gc.collect()
gc.disable()  # it would close files of others, and make room
taken, (_, hard) = [], resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
try:
    while True:
        taken.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    for _ in range(int(sys.argv[2])):
        os.close(taken.pop())
session.start(Handlers())
wait_until(lambda: session.problem)
print(session.problem)
try:
    MqttClient(settings)
except BrokerError as error:
    print(error)
for number in taken:
    os.close(number)
wait_until(lambda: session.connected)
session.stop()
"""
"""A process that has only so many files left to open, until it closes others."""


@pytest.mark.parametrize(
    "left", [0, 1, 2], ids=["none", "for the connection", "for the connection and a part of the rest"]
)
def test_where_no_sockets_are_left_that_is_said_and_tried_again_until_there_are(
    mosquitto: Mosquitto, left: int
) -> None:
    words = (sys.executable, "-c", _WITHOUT_FILES, str(mosquitto.port), str(left))
    ran = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert ran.returncode == 0, ran.stderr
    said = r".+: no socket left on this machine \(\[Errno 24\] .+\): end what takes them, or raise its limits"
    assert re.fullmatch(rf"({said}\n){{2}}", ran.stdout)
