"""The network fails in every way: FAULTS 6 to 9."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulator.demo.broker import free_port
from tests.brokers import Mosquitto
from tests.faults.link import Link, Weather
from tests.faults.load import Load
from tests.faults.networks import Cable
from tests.faults.referee import judge, wait_settled
from tests.faults.sender import KEEPALIVE_S
from tests.faults.storing import StoringReceiver

READY_WITHIN_S = 10.0
BATCH = 5


@pytest.fixture
def cable() -> Iterator[Cable]:
    """A cable between the sender and the broker."""
    with Cable() as cable:
        yield cable


@pytest.mark.root
@pytest.mark.parametrize(
    ("fault", "break_it", "mend_it"),
    [
        ("6: cable pulled", Cable.pull, Cable.plug_in),
        ("7: half-open, by a blackhole route", Cable.swallow, Cable.let_through),
    ],
    ids=["cable pulled", "half-open"],
)
def test_a_dead_link_is_noticed_and_used_again_within_ten_seconds_of_its_return(
    tmp_path: Path, cable: Cable, fault: str, break_it: Callable[[Cable], None], mend_it: Callable[[Cable], None]
) -> None:
    port = free_port()
    broker = Mosquitto(tmp_path / "mosquitto", f"listener {port} {cable.here}\n")
    broker.start()
    load = Load(tmp_path, port, cable.prefix).with_orders(host=cable.here, pause_s=0.05)
    try:
        with StoringReceiver(tmp_path / "received.sqlite", broker.port) as receiver, load:
            load.wait_connected()
            load.wait_appended(BATCH)
            break_it(cable)
            noticed_s = load.wait_disconnected(2 * KEEPALIVE_S)
            load.wait_appended(BATCH)
            mend_it(cable)
            ready_s = load.wait_connected(READY_WITHIN_S)
            load.end_load()
            wait_settled(load, receiver)
            score = judge(f"{fault}: noticed after {noticed_s:.1f} s, back after {ready_s:.1f} s", load, receiver)
    finally:
        broker.kill()
    assert (score.lost, score.duplicated) == (0, 0)


@pytest.mark.parametrize(
    "weather",
    [
        pytest.param(Weather(delay_s=(0.0, 0.1), loss=0.05), marks=pytest.mark.slow),
        Weather(delay_s=(0.0, 0.02), reset=0.02),
    ],
    ids=["delay and loss", "resets"],
)
def test_loss_delay_and_resets_cost_time_and_nothing_else(
    tmp_path: Path, mosquitto: Mosquitto, receiver: StoringReceiver, weather: Weather
) -> None:
    with Link(mosquitto.port) as link, Load(tmp_path, link.port).with_orders(total=200, pause_s=0.02) as load:
        load.wait_connected()
        link.weather = weather
        load.wait_appended(200 - load.gauges["appended"])
        wait_settled(load, receiver)
        score = judge(f"8: {weather}, {link.resets} resets", load, receiver)
    assert (score.lost, score.duplicated) == (0, 0)


def _flap(tmp_path: Path, mosquitto: Mosquitto, receiver: StoringReceiver, times: int, each_s: float) -> None:
    with Link(mosquitto.port) as link, Load(tmp_path, link.port).with_orders(pause_s=0.05) as load:
        load.wait_connected()
        for _ in range(times):
            link.down()
            time.sleep(each_s)  # the fault's own length
            link.up()
            time.sleep(each_s)
        ready_s = load.wait_connected(READY_WITHIN_S)
        load.end_load()
        wait_settled(load, receiver)
        connections = load.gauges["connections"]
        score = judge(f"9: {times} x {each_s} s, {connections} connections, {ready_s:.1f} s", load, receiver)
    assert (score.lost, score.duplicated) == (0, 0)
    assert connections <= times + 3, "it connects at most once each time that it can"


def test_a_flapping_link_loses_nothing(tmp_path: Path, mosquitto: Mosquitto, receiver: StoringReceiver) -> None:
    _flap(tmp_path, mosquitto, receiver, times=3, each_s=0.7)


@pytest.mark.slow
def test_a_link_that_flaps_every_five_seconds_loses_nothing(
    tmp_path: Path, mosquitto: Mosquitto, receiver: StoringReceiver
) -> None:
    _flap(tmp_path, mosquitto, receiver, times=12, each_s=5.0)
