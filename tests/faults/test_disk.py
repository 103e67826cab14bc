"""The disk: power cut, full, read-only, damaged. FAULTS 2 and 13 to 15."""

import contextlib
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.reporting.outbox.outbox import Outbox
from tests.brokers import Mosquitto
from tests.faults.disks import Image, abort, memory_disk, mounted
from tests.faults.load import Committed, Load, wait_until
from tests.faults.referee import judge, log, missing, wait_settled
from tests.faults.storing import StoringReceiver

PAGE = 4096
SAID_WITHIN_S = 10.0
NOWHERE = 9
"""A port that nothing listens on: nothing leaves the outbox."""


def _stored(path: Path) -> set[tuple[str, int]]:
    """The events in a file that SQLite finds whole."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        found = database.execute("SELECT epoch, sequence FROM messages WHERE sequence IS NOT NULL")
        return set(found.fetchall())


def _events(committed: list[Committed]) -> set[tuple[str, int]]:
    return {(c.epoch, n) for c in committed for n in range(c.first, c.last + 1)}


def _cut_power(tmp_path: Path, cuts: int) -> None:
    image, rng, seen = Image(tmp_path / "disk.img"), random.Random(cuts), 0
    with mounted(image.path, tmp_path / "disk") as disk:
        load = Load(tmp_path, NOWHERE, outbox=disk / "outbox.sqlite").with_orders(pause_s=0.0, total=20_000)
        with load:
            for number in range(cuts):
                load.wait_appended(load.orders.batch)
                time.sleep(rng.uniform(0, 0.2))  # the moment is what is random here
                load.send(signal.SIGSTOP)
                before = _events(load.committed())
                copy = tmp_path / f"copy-{number}.img"
                image.copy_to(copy)
                with mounted(copy, tmp_path / f"copy-{number}") as after:
                    lost = before - _stored(after / "outbox.sqlite")
                    assert lost == set(), f"cut {number}: {len(lost)} of {len(before)} committed events are gone"
                    outbox = Outbox(after / "outbox.sqlite")
                    assert outbox.last_sequence >= max(n for _, n in before)
                    assert outbox.losses.damaged == 0
                    outbox.close()
                copy.unlink()
                seen += len(before)
                load.send(signal.SIGCONT)  # only now: what it may append has an end, and so has the disk
    log.info('{"fault": "2: power cut", "cuts": %d, "events looked for": %d, "lost": 0}', cuts, seen)


@pytest.mark.root
def test_what_was_committed_is_there_after_a_power_cut(tmp_path: Path) -> None:
    _cut_power(tmp_path, cuts=3)


@pytest.mark.slow
@pytest.mark.root
def test_what_was_committed_is_there_after_fifty_power_cuts(tmp_path: Path) -> None:
    _cut_power(tmp_path, cuts=50)


def test_a_disk_that_forgot_what_it_had_doesnt_make_new_events_pass_for_confirmed_ones(
    tmp_path: Path, load: Load, receiver: StoringReceiver
) -> None:
    with load.with_orders(pause_s=0.01):
        load.wait_appended(100)
        load.send(signal.SIGSTOP)
        for suffix in ("", "-wal"):
            shutil.copy(f"{load.outbox}{suffix}", tmp_path / f"earlier{suffix}")
        load.send(signal.SIGCONT)
        load.wait_appended(200)
        load.end_load()
        wait_settled(load, receiver)
        load.kill()
        for suffix in ("", "-wal"):
            (tmp_path / f"earlier{suffix}").replace(f"{load.outbox}{suffix}")
        _as_of_another_boot(load.outbox)
        load.with_orders(pause_s=0.01, total=10**9)
        load.start()
        load.wait_appended(200)
        load.end_load()
        wait_settled(load, receiver)
        score = judge("2: a disk that forgot", load, receiver)
    assert (score.lost, score.duplicated) == (0, 0)


def _as_of_another_boot(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE meta SET value = 'another' WHERE key = 'open_since_boot'")


@pytest.mark.root
def test_a_full_disk_is_said_and_nothing_refused_is_claimed_and_it_recovers(
    tmp_path: Path, mosquitto: Mosquitto, receiver: StoringReceiver
) -> None:
    with memory_disk(tmp_path / "disk", "4m") as disk:
        mosquitto.kill()
        load = Load(tmp_path, mosquitto.port, outbox=disk / "outbox.sqlite").with_orders(batch=50, pause_s=0.0)
        with load:
            wait_until(lambda: load.gauges["refusals"] >= 3)
            assert load.is_running
            assert "No space left" in load.log()
            assert "check the disk's space" in load.log()
            mosquitto.start()
            load.wait_connected()
            stored = receiver.stored
            wait_until(lambda: receiver.stored > stored + 100, what="it drains though the disk is full")
            load.end_load()
            wait_settled(load, receiver)
            score = judge(f"13: {load.gauges['refusals']} appends refused", load, receiver)
            load.stop()
            load.with_orders(total=10**9, batch=5, pause_s=0.05)
            load.start()
            load.wait_appended(50)
    assert (score.lost, score.duplicated) == (0, 0)
    assert load.gauges["damaged"] == 0


@pytest.mark.root
def test_a_disk_that_takes_nothing_any_more_is_said_within_ten_seconds_and_nothing_is_claimed(tmp_path: Path) -> None:
    image = Image(tmp_path / "disk.img")
    with mounted(image.path, tmp_path / "disk") as disk:
        load = Load(tmp_path, NOWHERE, outbox=disk / "outbox.sqlite").with_orders(pause_s=0.01)
        with load:
            load.wait_appended(200)
            aborting_s = time.monotonic()
            abort(disk)
            said_s = wait_until(lambda: load.gauges["refusals"] > 0, SAID_WITHIN_S)
            committed = load.committed()
            wait_until(lambda: load.gauges["refusals"] > 3)
            assert load.is_running
            assert load.committed() == committed, "nothing more is claimed to be stored"
    shutil.copyfile(image.path, tmp_path / "copy.img")
    with mounted(tmp_path / "copy.img", tmp_path / "after") as after:
        lost = _events(committed) - _stored(after / "outbox.sqlite")
    at_that_moment = [c for c in committed if c.at_s >= aborting_s][-1:]
    log.info(
        '{"fault": "14: read-only", "said after s": %.2f, "committed": %d, "synced at that moment, and gone": %d}',
        *(said_s, len(_events(committed)), len(lost)),
    )
    assert lost <= _events(at_that_moment), (
        "but for the append whose sync the kernel confirmed while it stopped the disk"
    )


def _spoil_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(random.Random(1).randbytes(PAGE))


def _spoil_pages(path: Path) -> None:
    pages = path.stat().st_size // PAGE
    with path.open("r+b") as file:
        for page in random.Random(2).sample(range(pages // 2, pages), 3):
            file.seek(PAGE * page)
            file.write(random.Random(page).randbytes(PAGE))


@pytest.mark.parametrize("spoil", [_spoil_header, _spoil_pages], ids=["header", "pages"])
def test_a_damaged_outbox_is_set_aside_and_what_can_be_read_arrives_and_the_rest_is_announced(
    load: Load, receiver: StoringReceiver, mosquitto: Mosquitto, spoil: Callable[[Path], None]
) -> None:
    mosquitto.kill()
    load.with_orders(total=500)
    load.start()
    wait_until(lambda: load.gauges["appended"] == 500)
    load.stop()
    spoil(load.outbox)
    first = load.committed()[0].epoch
    mosquitto.start()
    with load.with_orders(total=100):
        wait_until(lambda: load.gauges["appended"] == 600)
        wait_until(lambda: not {event for event in missing(load.committed(), receiver) if event[0] != first})
        # A killed broker has forgotten the receiver's session: what it took before that one was back comes again.
        wait_until(lambda: load.gauges["waiting"] == 0 and load.gauges["unconfirmed"] == 0)
        load.stop()
    outbox = Outbox(load.outbox, delivery="confirmed")
    announced = {n for low, high in outbox.lost().get(first, []) for n in range(low, high + 1)}
    outbox.close()
    score = judge(f"15: {spoil.__name__}, {len(announced)} announced as lost", load, receiver)
    lost = {n for _, n in missing(load.committed(), receiver)}
    assert load.gauges["damaged"] == 1
    assert len({c.epoch for c in load.committed()}) == 2
    assert len([f for f in load.outbox.parent.glob("*.damaged-*") if not f.name.endswith(("-wal", "-shm"))]) == 1
    assert score.duplicated == 0
    assert "was damaged" in load.log()
    assert lost == announced
    assert len(lost) < (250 if spoil is _spoil_pages else 1)
