"""Who holds a target: told apart in containers, known to have ended, hidden or not."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import wait_until
from tests.warehouse.connectors.deliver.making import held_by, held_elsewhere, queue_of
from warehouse.connectors.deliver.holder import has_ended, own_holder
from warehouse.store.database import Database


@pytest.mark.root
def test_containers_of_one_name_are_told_apart_though_each_has_a_process_1(database: Database) -> None:
    """As with `hostname:` in Compose, `hostNetwork` in Kubernetes: spaces of numbers of their own, one name."""
    apart = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    with held_elsewhere(*apart) as (_, one), held_elsewhere(*apart) as (_, other):
        assert one.partition(" [")[0] == other.partition(" [")[0] == f"{socket.gethostname()}, process 1"
        assert one != other
        for holder in (one, other):
            assert not has_ended(holder), "nobody can tell from here"
            mine = queue_of(database)
            held_by(database, holder)
            assert mine.hold() == holder


_JUDGING = """
import sys
from warehouse.connectors.deliver.holder import has_ended, own_holder
print(own_holder(), *map(has_ended, sys.argv[1:]), sep="\\n")
"""
_HIDDEN = "mount -t proc -o subset=pid,hidepid=invisible proc /proc && exec "


def _judged_where_proc_hides(*holders: str, user: str = "0") -> tuple[str, list[bool]]:
    """Who it is, and whether others have ended, with `ProcSubset=pid` and `ProtectProc=invisible` as in the unit."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
    apart = ["unshare", "--mount", "sh", "-c", f'{_HIDDEN}"$@"', "sh", "setpriv", "--reuid", user, "--clear-groups"]
    reading = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]  # this folder may be root's own
    words = [*apart, *reading, sys.executable, "-c", _JUDGING, *holders]
    environment = os.environ | {"KARDUS_BOOT_ID": boot}
    found = subprocess.run(words, check=False, capture_output=True, text=True, env=environment)
    assert found.returncode == 0, found.stderr
    own, *ended = found.stdout.splitlines()
    return own, [one == "True" for one in ended]


@pytest.mark.root
def test_where_the_unit_hides_the_machine_a_killed_process_is_known_to_have_ended() -> None:
    with held_elsewhere() as (process, other):
        own, (before,) = _judged_where_proc_hides(other)
        assert own.partition(" [")[2].partition(" ")[0] == other.partition(" [")[2].partition(" ")[0]
        process.kill()
        process.wait()
        assert (before, _judged_where_proc_hides(other)[1], has_ended(own)) == (False, [True], True)


@pytest.mark.root
def test_a_process_of_another_user_that_is_hidden_has_not_ended() -> None:
    with held_elsewhere() as (process, other):
        assert _judged_where_proc_hides(other, user="65534")[1] == [False]
        process.kill()
        process.wait()
        assert _judged_where_proc_hides(other, user="65534")[1] == [True]


def test_a_process_that_was_killed_has_ended_though_its_parent_has_not_noticed() -> None:
    with held_elsewhere() as (process, other):
        assert not has_ended(other)
        process.kill()
        wait_until(lambda: has_ended(other), "nobody has waited for it")


def test_a_number_that_was_given_anew_is_another_process(database: Database) -> None:
    own = own_holder()
    assert not has_ended(own)
    before = f"{own.rpartition(' ')[0]} 1]"
    assert has_ended(before)
    mine = queue_of(database)
    held_by(database, before)
    assert mine.hold() == ""
