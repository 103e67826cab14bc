"""The same promises over MQTT 3.1.1: to Mosquitto, and to amqtt, which speaks nothing else. FAULTS 1, 4 and 5."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.demo.broker import run_broker
from tests.brokers import Mosquitto
from tests.faults.load import Load
from tests.faults.referee import judge, wait_settled
from tests.faults.storing import StoringReceiver

KILLS = 20
BATCH = 5


@pytest.fixture(params=["mosquitto", "embedded"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """That of a broker of each kind."""
    with run_broker(request.param) as broker:
        yield broker.port


@pytest.mark.slow
@pytest.mark.parametrize("delivery", ["confirmed", "broker"])
def test_an_agent_killed_at_random_moments_goes_on_from_its_outbox(tmp_path: Path, port: int, delivery: str) -> None:
    rng = random.Random(KILLS)
    load = Load(tmp_path, port).with_orders(version="3.1.1", delivery=delivery, pause_s=0.05)
    with StoringReceiver(tmp_path / "received.sqlite", port, version="3.1.1") as receiver:
        for _ in range(KILLS):
            load.start()
            load.wait_connected()
            load.wait_appended(BATCH)
            time.sleep(rng.uniform(0, 0.3))  # the moment is what is random here
            load.kill()
        with load.with_orders(total=0):
            load.wait_connected()
            wait_settled(load, receiver)
            score = judge(f"1, MQTT 3.1.1: {KILLS} kills", load, receiver)
            load.stop()
    assert (score.lost, score.duplicated) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_a_broker_that_fails_costs_time_and_nothing_else(tmp_path: Path, mosquitto: Mosquitto, fault: str) -> None:
    load = Load(tmp_path, mosquitto.port).with_orders(version="3.1.1", pause_s=0.05)
    with StoringReceiver(tmp_path / "received.sqlite", mosquitto.port, version="3.1.1") as receiver, load:
        load.wait_connected()
        load.wait_appended(BATCH)
        (mosquitto.kill if fault == "killed" else mosquitto.freeze)()
        load.wait_disconnected(20)
        load.wait_appended(BATCH)
        (mosquitto.start if fault == "killed" else mosquitto.thaw)()
        load.wait_connected()
        load.end_load()
        wait_settled(load, receiver)
        score = judge(f"4 and 5, MQTT 3.1.1: {fault}", load, receiver)
    assert (score.lost, score.duplicated) == (0, 0)
