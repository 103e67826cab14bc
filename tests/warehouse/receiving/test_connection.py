"""The warehouse side's connection, also to a broker without MQTT 5."""

from __future__ import annotations

import queue

import pytest

from kardus.support.errors import BrokerError
from simulator.demo.broker import run_broker
from tests.brokers import Mosquitto
from tests.patience import PATIENCE_S
from warehouse.receiving.connection import Broker, Connection

WAIT_S = PATIENCE_S


@pytest.mark.parametrize("kind", ["mosquitto", "embedded"])
def test_what_is_published_is_received(kind: str) -> None:
    seen: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    with run_broker(kind) as running:
        broker = Broker("127.0.0.1", running.port)
        with Connection(broker, [("a/+", 1)], lambda *m: seen.put(m)), Connection(broker) as other:
            other.publish([("a/b", b"1"), ("a/c", b"2")], retain=True)
            assert {seen.get(timeout=WAIT_S) for _ in range(2)} == {("a/b", b"1"), ("a/c", b"2")}


def test_subscribes_again_after_the_broker_was_killed(mosquitto: Mosquitto) -> None:
    seen: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    broker = Broker("127.0.0.1", mosquitto.port)
    with Connection(broker, [("a", 1)], lambda _, payload: seen.put(payload)):
        mosquitto.kill()
        mosquitto.start()
        with Connection(broker) as other:
            other.publish([("a", b"again")], retain=True)
        assert seen.get(timeout=WAIT_S) == b"again"


def test_a_broker_that_refuses_is_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("closed")
    broker = Mosquitto(folder)
    settings = folder / "mosquitto.conf"
    settings.write_text(settings.read_text().replace("allow_anonymous true", "allow_anonymous false"))
    broker.start()
    with pytest.raises(BrokerError, match="refused the connection: Not authorized"):
        Connection(Broker("127.0.0.1", broker.port))
    broker.kill()
