"""The agent is killed, or hangs: FAULTS 1."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import Mosquitto
from tests.faults.load import Load
from tests.faults.referee import judge, wait_settled
from tests.faults.storing import StoringReceiver

ROOM = "max_queued_messages 200000\nmax_queued_bytes 536870912\n"
"""As deploy/mosquitto/mosquitto.conf has it. What a broker drops beyond its queue is test_broker's."""


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that can wait for a slow receiver."""
    broker = Mosquitto(tmp_path / "mosquitto", ROOM)
    broker.start()
    yield broker
    broker.kill()


def _kill_often(load: Load, receiver: StoringReceiver, kills: int, seed: int) -> None:
    rng, caught, unsettled = random.Random(seed), 0, 0
    load.with_orders(pause_s=0.0)
    for _ in range(kills):
        load.start()
        load.wait_connected()
        load.wait_appended(load.orders.batch)
        time.sleep(rng.uniform(0, 0.3))  # the moment is what is random here
        load.kill()
        caught += load.gauges["in_transaction"]
        unsettled += bool(load.gauges["in_transaction"] or load.gauges["published"] > load.gauges["acknowledged"])
    assert 2 * unsettled >= kills, f"{unsettled} of {kills} inside a transaction or with a publish unacknowledged"
    load.with_orders(total=0)
    load.start()
    load.wait_connected()
    wait_settled(load, receiver)
    score = judge(f"1: {kills} kills, {caught} in a transaction, {unsettled} unsettled", load, receiver)
    assert (score.lost, score.duplicated) == (0, 0)
    assert len({c.epoch for c in load.committed()}) == 1
    load.stop()


def test_an_agent_killed_at_random_moments_goes_on_from_its_outbox(load: Load, receiver: StoringReceiver) -> None:
    _kill_often(load, receiver, kills=5, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("delivery", ["confirmed", "broker"])
def test_an_agent_killed_two_hundred_times_goes_on_from_its_outbox(
    load: Load, receiver: StoringReceiver, delivery: str
) -> None:
    _kill_often(load.with_orders(delivery=delivery), receiver, kills=200, seed=2)
