"""How long tests wait, on machines of which nobody knows how fast they are or what else they do.

Two kinds of time are kept apart. A guard ends a test that hangs: it costs nothing where all is well, so it is long. A
promise is a time that the project gives its users: it is judged as it stands where the machine is at rest, and by what
the machine's processor gives where it isn't.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PATIENCE_S = 240.0
"""A guard: what hasn't come by then won't come."""
_SPIN_S = 0.03
_POLL_S = 0.05
_PAUSE_PER_LOOK = 3.0
"""A pause is so many times as long as the processor time that looking took: what is waited for needs it more."""


def slowness() -> float:
    """How many times longer than alone on a processor work takes now: wall time by processor time; 1 at rest."""
    wall_s, own_s = time.perf_counter(), time.thread_time()
    while time.thread_time() - own_s < _SPIN_S:
        pass
    return max(1.0, (time.perf_counter() - wall_s) / (time.thread_time() - own_s))


def stretched(limit_s: float) -> float:
    """What a promised time may take now: the time itself on a machine at rest, more than its slowness on a busy one.

    More, since the load comes and goes between what is measured and what was waited for, and several processes, each
    of them waiting for the processor, have a part in most promises.
    """
    return limit_s * (2 * slowness() - 1)


@contextlib.contextmanager
def within(promised_s: float) -> Iterator[None]:
    """What is done inside keeps a promised time."""
    allowed_s, began = stretched(promised_s), time.monotonic()
    yield
    took_s = time.monotonic() - began
    assert took_s < allowed_s or took_s < stretched(promised_s), f"{took_s:.1f} s, where {promised_s} s are promised"


def wait_until(condition: Callable[[], bool], what: str = "") -> None:
    """Wait for what another thread or process does, of which nothing is told here."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds(condition):
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:.0f} s: {what}"


def holds(condition: Callable[[], bool]) -> bool:
    """Whether it does; if not, after a pause: to be called again."""
    own_s = time.thread_time()
    if condition():
        return True
    time.sleep(max(_POLL_S, _PAUSE_PER_LOOK * (time.thread_time() - own_s)))
    return False


def children(process: int | None = None) -> set[int]:
    """The processes that this one (or `process`) began, and theirs; nobody else's."""
    parents: dict[int, int] = {}
    for path in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            if path.name.isdigit():
                parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
    found, wanted = set[int](), {process or os.getpid()}
    while wanted:
        wanted = {child for child, parent in parents.items() if parent in wanted} - found
        found |= wanted
    return found
