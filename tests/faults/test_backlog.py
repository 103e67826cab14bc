"""A long absence of the broker: a large backlog, and one that is too large. FAULTS 10 and 12."""

import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.reporting.outbox.outbox import Outbox
from kardus.mqtt.connection import MAX_IN_FLIGHT
from tests.brokers import Mosquitto
from tests.faults.load import Load, wait_until
from tests.faults.referee import judge, missing, wait_settled
from tests.faults.storing import StoringReceiver
from tests.patience import stretched

ALERT_WITHIN_S = 5.0


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """It queues whatever comes, so that how fast the receiver is doesn't matter."""
    broker = Mosquitto(tmp_path / "mosquitto", "max_queued_messages 0\n")
    broker.start()
    yield broker
    broker.kill()


@pytest.mark.parametrize("backlog", [2_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_backlog_is_drained_twenty_at_a_time_and_a_live_alert_overtakes_it(
    load: Load, receiver: StoringReceiver, mosquitto: Mosquitto, backlog: int
) -> None:
    mosquitto.kill()
    # the sender itself says when, so that the drain isn't over by then, however fast it is
    with load.with_orders(total=backlog, batch=500, confirmed_within_s=60.0, alarm_at=backlog // 10):
        wait_until(lambda: load.gauges["appended"] == backlog)
        load.send(signal.SIGSTOP)  # what the broker takes before the receiver is there goes nowhere for a minute
        wait_until(lambda: not receiver.connected)
        mosquitto.start()
        wait_until(lambda: receiver.connected)
        load.send(signal.SIGCONT)
        wait_until(lambda: load.gauges["appended"] == backlog + 1)
        alert = load.committed()[-1]
        wait_settled(load, receiver)
        rows = receiver.rows()
        at_s = {sequence: at_s for _, _, sequence, at_s in rows}
        came_s = at_s[alert.first] - alert.at_s
        drained_s = max(at_s.values()) - min(at_s.values())
        most = load.gauges["most_in_flight"]
        score = judge(f"10: alert after {came_s:.2f} s, {drained_s:.1f} s in all, {most} in flight", load, receiver)
    assert alert.urgent
    assert came_s < ALERT_WITHIN_S or came_s < stretched(ALERT_WITHIN_S)
    before = sum(at < at_s[alert.first] for at in at_s.values())
    assert before < backlog / 2, "it overtakes"
    assert 1 < most <= MAX_IN_FLIGHT
    assert (score.lost, score.duplicated) == (0, 0)


def test_a_full_outbox_gives_up_what_is_least_important_and_tells_what(
    load: Load, receiver: StoringReceiver, mosquitto: Mosquitto
) -> None:
    mosquitto.kill()
    load.with_orders(total=1000, alert_every=50, limits={"events": 300, "evidence_bytes": 50_000}, evidence_bytes=2000)
    load.start()
    wait_until(lambda: load.gauges["appended"] == 1000)
    load.stop()
    outbox = Outbox(Path(load.orders.outbox), delivery="confirmed")
    announced = {n for first, last in outbox.lost()[outbox.epoch] for n in range(first, last + 1)}
    outbox.close()
    alerts = set(range(50, 1001, 50))
    with sqlite3.connect(load.orders.outbox) as database:
        kinds = dict(database.execute("SELECT kind, count(*) FROM messages GROUP BY kind").fetchall())
    database.close()
    mosquitto.start()
    with load:
        wait_until(lambda: {n for _, n in missing(load.committed(), receiver)} == announced)
        score = judge(f"12: {len(announced)} of 1000 announced as lost", load, receiver)
    stored = {sequence for _, _, sequence, _ in receiver.rows()}
    assert kinds["event"] <= 300
    assert kinds["evidence"] * 2000 <= 50_000
    assert kinds["state"] == 20, "one for every location: superseded ones go first"
    assert alerts <= stored, "alerts are the last to go"
    assert len(announced) == score.lost == load.gauges["dropped"] > 0
    assert score.duplicated == 0
