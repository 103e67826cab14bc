"""A receiver stores every retained state, though the broker drops what it can't queue, or says what is missing."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from tests.brokers import Mosquitto
from tests.publishers import Publisher
from tests.warehouse.flood import announced, flooded_broker
from tests.warehouse.receiving.test_receiver import receiving, wait_for
from warehouse.receiving.completeness import Completeness
from warehouse.receiving.receiver import Receiver


@pytest.fixture
def flooded(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = flooded_broker(tmp_path / "m")
    yield broker
    broker.kill()


def _stored(receiver: Receiver) -> int:
    return len(receiver.reader.site_state().states)


def test_all_retained_states_are_stored_though_the_broker_drops_what_it_cannot_queue(
    flooded: Mosquitto, tmp_path: Path
) -> None:
    with receiving(flooded, tmp_path / "k.sqlite") as receiver:
        wait_for(lambda: _stored(receiver) == 400)
        wait_for(lambda: not receiver.status().problem)


def test_what_is_missing_is_in_the_status_and_logged_once(
    flooded: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with MqttClient(BrokerSettings("127.0.0.1", flooded.port)) as client:
        client.publish([announced(Publisher("a"), 57)], retain=True)
    monkeypatch.setattr("warehouse.receiving.receiver.GAP_CHECK_INTERVAL_S", 0.2)
    missing = "incomplete: 7 states haven't come yet (a 50 of 57)"
    with caplog.at_level(logging.WARNING), receiving(flooded, tmp_path / "k.sqlite") as receiver:
        wait_for(lambda: receiver.status().problem == missing)
        wait_for(lambda: missing in caplog.text)
        wait_for(lambda: _stored(receiver) == 400)
    assert caplog.text.count(missing) == 1


def test_without_asking_again_some_are_missing(
    flooded: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the broker really drops them, and the receiver says so."""
    monkeypatch.setattr(Completeness, "look", lambda _: None)
    with receiving(flooded, tmp_path / "k.sqlite") as receiver:
        wait_for(lambda: receiver.status().problem.startswith("incomplete") or _stored(receiver) == 400)
