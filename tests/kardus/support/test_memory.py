"""Memory that was freed goes back to the system."""

import ctypes
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest

from kardus.support.memory import keep_freed

PROGRAM = """
from kardus.support.memory import give_back

def resident_mb():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

held = [bytes(1000) for _ in range(60_000)]  # too small for pages of their own
last = bytes(1000)
del held
before = resident_mb()
give_back()
print(before - resident_mb())
"""
THREADS = """
import ctypes, sys, threading
from kardus.support.memory import share_one_heap

if sys.argv[1] == "shared":
    share_one_heap()
meet = threading.Barrier(4)

def allocate():
    held = [bytes(1000) for _ in range(1000)]
    meet.wait()

threads = [threading.Thread(target=allocate) for _ in range(3)]
for thread in threads:
    thread.start()
meet.wait()
ctypes.CDLL(None).malloc_stats()
"""
FAULTS = """
import resource, sys
from kardus.support.memory import keep_freed

if sys.argv[1] == "kept":
    keep_freed()
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = bytearray(100 << 20)
    held[::4096] = bytes(len(held) // 4096)
    del held
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_what_was_freed_is_handed_to_the_system() -> None:
    if platform.libc_ver()[0] != "glibc":
        pytest.fail("this test needs glibc: other C libraries have nothing to be told")
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 30


def test_threads_share_one_heap() -> None:
    heaps = {}
    for how in ("shared", "apart"):
        done = subprocess.run([sys.executable, "-c", THREADS, how], capture_output=True, text=True, check=True)
        heaps[how] = done.stderr.count("Arena ")
    assert heaps["shared"] == 1
    assert heaps["apart"] > 1


def test_what_is_kept_is_used_again_without_new_pages() -> None:
    faults = {
        how: int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, check=True).stdout)
        for how in ("kept", "returned")
    }
    assert faults["kept"] < faults["returned"] / 5


@pytest.mark.parametrize(("most", "asked"), [(2**31 - 1, [-3, -1]), (32 << 20, [-3, -3, -1]), (0, [-3, -3])])
def test_an_older_c_library_keeps_what_it_takes_and_none_keeps_less(
    monkeypatch: pytest.MonkeyPatch, most: int, asked: list[int]
) -> None:
    told: list[int] = []

    def mallopt(what: int, value: int) -> int:
        told.append(what)
        return int(what == -1 or value <= most)

    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(mallopt=mallopt))
    keep_freed()
    assert told == asked
