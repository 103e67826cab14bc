"""The broker hangs, is killed, or forgets what it accepted: FAULTS 4, 5 and 11."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.brokers import Mosquitto
from tests.faults.load import Load, wait_until
from tests.faults.referee import judge, missing, wait_settled
from tests.faults.sender import KEEPALIVE_S
from tests.faults.storing import StoringReceiver

READY_WITHIN_S = 10.0
BATCH = 5
MakeBroker = Callable[[str], Mosquitto]


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[MakeBroker]:
    """Brokers with settings of their own."""
    made: list[Mosquitto] = []

    def make(settings: str) -> Mosquitto:
        broker = Mosquitto(tmp_path / f"broker-{len(made)}", settings)
        broker.start()
        made.append(broker)
        return broker

    yield make
    for broker in made:
        broker.kill()


def test_a_broker_that_hangs_is_noticed_within_two_keepalives_and_what_is_decided_is_kept(
    load: Load, receiver: StoringReceiver, mosquitto: Mosquitto
) -> None:
    with load.with_orders(pause_s=0.05):
        load.wait_connected()
        load.wait_appended(BATCH)
        mosquitto.freeze()
        noticed_s = load.wait_disconnected(2 * KEEPALIVE_S)
        load.wait_appended(BATCH)
        mosquitto.thaw()
        ready_s = load.wait_connected(READY_WITHIN_S)
        load.end_load()
        wait_settled(load, receiver)
        score = judge(f"4: noticed after {noticed_s:.1f} s, back {ready_s:.1f} s after", load, receiver)
    assert (score.lost, score.duplicated) == (0, 0)


@pytest.mark.parametrize("persistence", ["true", "false"])
@pytest.mark.parametrize("delivery", ["confirmed", pytest.param("broker", marks=pytest.mark.slow)])
def test_what_a_killed_broker_had_not_acknowledged_is_sent_again(
    make_broker: MakeBroker, tmp_path: Path, delivery: str, persistence: str
) -> None:
    broker = make_broker(f"persistence {persistence}\n")
    load = Load(tmp_path, broker.port).with_orders(delivery=delivery, pause_s=0.0)
    with StoringReceiver(tmp_path / "received.sqlite", broker.port) as receiver, load:
        for _ in range(2):
            load.wait_connected()
            load.wait_appended(10 * BATCH)
            broker.kill()
            load.wait_disconnected(2 * KEEPALIVE_S)
            load.wait_appended(BATCH)
            broker.start()
            ready_s = load.wait_connected(READY_WITHIN_S)
        load.end_load()
        _settle(load, receiver)
        score = judge(f"5: persistence {persistence}, back after {ready_s:.1f} s", load, receiver)
    assert score.duplicated == 0
    assert delivery == "broker" or score.lost == 0


@pytest.mark.parametrize("delivery", ["confirmed", pytest.param("broker", marks=pytest.mark.slow)])
def test_what_a_broker_drops_beyond_its_queue_is_sent_again_until_it_is_confirmed(
    make_broker: MakeBroker, tmp_path: Path, delivery: str
) -> None:
    broker = make_broker("max_queued_messages 100\n")
    load = Load(tmp_path, broker.port).with_orders(delivery=delivery, total=400, batch=20)
    with StoringReceiver(tmp_path / "received.sqlite", broker.port) as receiver:
        wait_until(lambda: receiver.connected)
        receiver.leave()
        with load:
            wait_until(lambda: load.gauges["appended"] == 400 and _all_handed_over(load))
            receiver.come_back()
            _settle(load, receiver)
            score = judge("11: receiver away beyond the queue's limit", load, receiver)
    assert score.duplicated == 0
    assert (score.lost == 0) == (delivery == "confirmed"), "the broker must have forgotten something"


@pytest.mark.parametrize("delivery", ["confirmed", "broker"])
def test_what_a_broker_accepted_and_forgot_when_it_was_killed_is_sent_again(
    make_broker: MakeBroker, tmp_path: Path, delivery: str
) -> None:
    broker = make_broker("autosave_interval 1000\n")
    load = Load(tmp_path, broker.port).with_orders(delivery=delivery, total=100)
    receiver = StoringReceiver(tmp_path / "received.sqlite", broker.port)
    with receiver:
        wait_until(lambda: receiver.connected)
        receiver.leave()
        with load:
            wait_until(lambda: load.gauges["appended"] == 100 and _all_handed_over(load))
            broker.kill()
            broker.start()
            receiver.come_back()
            load.wait_connected(READY_WITHIN_S)
            _settle(load, receiver)
            score = judge("11: killed before its autosave", load, receiver)
    assert score.duplicated == 0
    assert (score.lost == 0) == (delivery == "confirmed"), "the broker must have forgotten something"


def _all_handed_over(load: Load) -> bool:
    return load.gauges["waiting"] == 0


def _settle(load: Load, receiver: StoringReceiver) -> None:
    """Until all is there; under `broker`, until nothing is on its way any more."""
    if load.orders.delivery == "confirmed":
        wait_settled(load, receiver)
        return
    wait_until(lambda: _all_handed_over(load) and load.gauges["connected"] == 1)
    before = -1
    while before != (before := len(missing(load.committed(), receiver))):
        receiver.wait_quiet()
