"""Receivers of a group are refused where the broker would acknowledge their subscription and deliver nothing."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import BrokerError
from tests.brokers import Amqtt, Mosquitto
from tests.kardus.mqtt.scripted_broker import CONNECT, SUBSCRIBE, ScriptedBroker, connack, suback
from tests.patience import PATIENCE_S, wait_until
from tests.publishers import SITE
from warehouse.receiving.receiver import Receiver, ReceiverSettings

NOT_SHARED = 0x9E


def _refusing(body: bytes) -> bytes:
    """A SUBACK that takes every filter but the shared ones."""
    filters, rest = [], body[3:]
    while rest:
        length = int.from_bytes(rest[:2], "big")
        filters.append(rest[2 : 2 + length])
        rest = rest[3 + length :]
    return suback(body, *(NOT_SHARED if each.startswith(b"$share/") else 0 for each in filters))


def _unavailable(kind: int, body: bytes) -> bytes | None:
    """RabbitMQ's way: CONNACK says that there are no shared subscriptions."""
    return connack(properties=b"\x2a\x00") if kind == CONNECT else _refusing(body) if kind == SUBSCRIBE else None


def _refused(kind: int, body: bytes) -> bytes | None:
    """It says so when it is asked."""
    return connack() if kind == CONNECT else _refusing(body) if kind == SUBSCRIBE else None


def _is_refused(broker: BrokerSettings, path: Path) -> None:
    settings = ReceiverSettings(SITE, path, group="team")
    with Receiver(broker, settings) as receiver:
        wait_until(lambda: receiver._session.lacks_sharing)
        with pytest.raises(BrokerError, match=r"--group 'team': .*shared subscriptions.*leave --group out, or use a"):
            receiver.require_alive()
        assert "shared subscriptions" in receiver.status().problem


def test_a_broker_without_mqtt_5_ends_the_command_with_one_line(tmp_path: Path) -> None:
    broker = Amqtt()
    broker.start()
    command = [sys.executable, "-m", "warehouse", "receive", "--sqlite", str(tmp_path / "k.sqlite"), "--site", SITE]
    address = ["--host", "127.0.0.1", "--port", str(broker.port), "--group", "team"]
    done = subprocess.run([*command, *address], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    broker.kill()
    assert done.returncode == 1
    last = [line for line in done.stderr.splitlines() if " INFO " not in line]
    assert len(last) == 1
    assert "MQTT 3.1.1) serves no shared subscriptions" in last[0]
    assert "leave --group out, or use a broker with MQTT 5" in last[0]


def test_mqtt_3_1_1_is_refused_whatever_the_broker_makes_of_it(mosquitto: Mosquitto, tmp_path: Path) -> None:
    _is_refused(BrokerSettings("127.0.0.1", mosquitto.port, version="3.1.1"), tmp_path / "k.sqlite")


@pytest.mark.parametrize("answer", [_unavailable, _refused])
def test_a_broker_with_mqtt_5_that_serves_none_is_refused_too(
    answer: Callable[[int, bytes], bytes | None], tmp_path: Path
) -> None:
    with ScriptedBroker(answer) as broker:
        _is_refused(BrokerSettings("127.0.0.1", broker.port, version="5"), tmp_path / "k.sqlite")


def test_without_a_group_nothing_is_asked_of_the_broker(tmp_path: Path) -> None:
    with (
        ScriptedBroker(_unavailable) as broker,
        Receiver(
            BrokerSettings("127.0.0.1", broker.port, version="5"), ReceiverSettings(SITE, tmp_path / "k.sqlite")
        ) as receiver,
    ):
        wait_until(lambda: receiver.status().connected)
        receiver.require_alive()
