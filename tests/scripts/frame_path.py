"""How many files and moves a frame takes: python -m tests.scripts.frame_path [LOCATIONS].

The agent of the benchmarks (tests/benchmarks/agent.py) with the demo's model reads a 1080p JPEG. In the agent's own
thread every call of the product's code is traced, from the moment at which the inbox hands the frame over until it is
asked for the next. A move is a call from one file of the product into another one. Four frames are shown: the first
vote of all locations (votes = 1, so that a verdict stands after it), one at rest, and one in which a carton is gone,
with the event that it comes to.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from edge_agent import __file__ as _package
from simulator.script import Change, Kind
from tests.benchmarks.agent import AskedAgent
from tests.benchmarks.networks import LIGHT, bundle_of
from tests.benchmarks.rack import Bench, jpeg, picture_of
from tests.brokers import Mosquitto

ROOT = Path(_package).resolve().parents[1]
ROOMS = ("kardus", "edge_agent", "warehouse", "simulator", "train", "export")
TAKE = ("edge_agent/control/inbox.py", "take")
"""Asked for the next items: between two of its calls lies what a frame brings with it."""
FRAMES = ("_process", "_look")
RULES = "[gate]\nrefresh_s = 86400\n[verdict]\nvalid_for_s = 86400\n"


@dataclass
class Passage:
    """What the agent's thread did between two items."""

    calls: Counter[str] = field(default_factory=Counter)
    """By FILE:FUNCTION."""
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Calls from one file into another."""

    @property
    def files(self) -> set[str]:
        """Those that it passed."""
        return {name.split(":")[0] for name in self.calls}


class Tracer:
    """A profile function for the agent's thread: a list of passages."""

    def __init__(self) -> None:
        """Nothing is traced yet."""
        self.passages: list[Passage] = [Passage()]

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Count a call."""
        if event != "call" or threading.current_thread().name != "agent":
            return
        name = _product(frame)
        if name is None:
            return
        if (name, frame.f_code.co_name) == TAKE:
            self.passages.append(Passage())
            return
        if not _is_below(frame, FRAMES):
            return
        passage = self.passages[-1]
        passage.calls[f"{name}:{frame.f_code.co_qualname}"] += 1
        caller = _caller(frame)
        if caller not in (None, name):
            passage.moves[str(caller), f"{name}:{frame.f_code.co_qualname}"] += 1

    def of_frames(self) -> list[Passage]:
        """Those in which a frame was seen."""
        return [passage for passage in self.passages if any("gate.py" in name for name in passage.files)]


def _product(frame: FrameType) -> str | None:
    path = frame.f_code.co_filename
    if not path.startswith(str(ROOT)) or "<" in frame.f_code.co_name.replace("<listcomp>", "").replace("<lambda>", ""):
        return None
    name = path[len(str(ROOT)) + 1 :]
    return name if name.split("/")[0] in ROOMS else None


def _is_below(frame: FrameType | None, names: tuple[str, ...]) -> bool:
    while frame is not None:
        if frame.f_code.co_name in names and frame.f_code.co_filename.endswith(
            ("edge_agent/agent.py", "edge_agent/pipeline.py")
        ):
            return True
        frame = frame.f_back
    return False


def _caller(frame: FrameType) -> str | None:
    """The file of the nearest product code that called it."""
    above = frame.f_back
    while above is not None:
        name = _product(above)
        if name is not None:
            return name
        above = above.f_back
    return None


def trace(locations: int) -> dict[str, Passage]:
    """The frames by what they are."""
    tracer = Tracer()
    with tempfile.TemporaryDirectory() as name:
        folder, bench = Path(name), Bench(locations)
        shelf, broker = (
            bench.shelf(frames=11, changes=[Change(5, Kind.REMOVE, bench.names[0])]),
            Mosquitto(folder / "m"),
        )
        picture_of(folder).write_bytes(jpeg(shelf, 0))
        broker.start()
        threading.setprofile(tracer)
        try:
            bench.expect(broker.port, shelf)
            with AskedAgent(bench.write_config(folder, broker.port, bundle_of(LIGHT, print), RULES)) as agent:
                for number in range(1, 11):
                    picture_of(folder).write_bytes(jpeg(shelf, number))
                    agent.settle()
                    agent.look()
                agent.settle()
        finally:
            threading.setprofile(None)
            broker.kill()
    return dict(enumerate(tracer.of_frames()))  # type: ignore[arg-type]


def main(locations: int) -> None:
    """Print the table."""
    for name, passage in trace(locations).items():
        judged = sum(n for call, n in passage.calls.items() if call.endswith(":judge"))
        print(name, len(passage.files), "files", sum(passage.moves.values()), "moves", judged, "judge")
        if "-v" in sys.argv:
            for (a, b), n in passage.moves.most_common():
                print("   ", n, a, "->", b)


if __name__ == "__main__":
    main(15)
