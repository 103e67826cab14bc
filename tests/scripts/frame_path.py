"""How many files a frame passes, and how often it moves between them: python -m tests.scripts.frame_path [-v].

The agent of the benchmarks (tests/benchmarks/agent.py) with the demo's model and 15 locations reads 1080p JPEG files.
In the agent's own thread every call of the product's code below `Agent._process` is traced. A move is a call from one
file of the product into another one. Shown are the frame with the first full vote of all locations, one at rest, and
one with the event that a carton is gone. `-v` lists the moves.
"""

import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from simulator.script import Change, ChangeKind
from tests.benchmarks.agent import AskedAgent
from tests.benchmarks.networks import LIGHT, bundle_of
from tests.benchmarks.rack import Bench, jpeg, picture_of
from tests.brokers import Mosquitto

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("kardus", "edge_agent", "warehouse", "simulator", "train", "export")
ENTRY = ("edge_agent/agent.py", "_process")
"""What takes the frames."""
LOCATIONS, VOTES = 15, 3
RULES = f"[gate]\nrefresh_s = 86400\n[verdict]\nvotes = {VOTES}\nvalid_for_s = 86400\n"
FRAMES = 11
GONE = 5
"""From this frame on a carton is gone."""
LIMITS = {"first full vote": (21, 300), "at rest": (12, 60), "event": (20, 110)}
"""Files and moves, at most."""


@dataclass
class Passage:
    """What the agent's thread did for one frame."""

    calls: Counter[str] = field(default_factory=Counter)
    """By FILE:FUNCTION."""
    moves: Counter[str] = field(default_factory=Counter)
    """Calls from one file into another, FILE -> FILE:FUNCTION."""

    @property
    def files(self) -> set[str]:
        """Those that it passed."""
        return {call.split(":")[0] for call in self.calls}

    @property
    def judged(self) -> int:
        """How many votes were judged."""
        return self.calls["edge_agent/deciding/verdict.py:judge_vote"]


class Tracer:
    """A profile function for the agent's thread."""

    def __init__(self) -> None:
        """Nothing is traced yet."""
        self.passages: list[Passage] = []

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Count a call."""
        name = _product(frame) if event == "call" and threading.current_thread().name == "agent" else None
        if name is None:
            return
        if (name, frame.f_code.co_name) == ENTRY:
            self.passages.append(Passage())
        callers = _callers(frame)
        if (name, frame.f_code.co_name) != ENTRY and ENTRY not in callers:
            return
        call = f"{name}:{frame.f_code.co_qualname}"
        self.passages[-1].calls[call] += 1
        if callers and callers[0][0] != name and (name, frame.f_code.co_name) != ENTRY:
            self.passages[-1].moves[f"{callers[0][0]} -> {call}"] += 1


def _product(frame: FrameType) -> str | None:
    """The file of the product that a frame runs, from the root; comprehensions belong to their function."""
    path = frame.f_code.co_filename
    if not path.startswith(f"{ROOT}/") or frame.f_code.co_name in (
        "<genexpr>",
        "<listcomp>",
        "<dictcomp>",
        "<setcomp>",
    ):
        return None
    name = path[len(str(ROOT)) + 1 :]
    return name if name.split("/")[0] in ROOMS else None


def _callers(frame: FrameType) -> list[tuple[str, str]]:
    """File and function of the product's code that a call stands in, the nearest first."""
    found, above = [], frame.f_back
    while above is not None:
        if (name := _product(above)) is not None:
            found.append((name, above.f_code.co_name))
        above = above.f_back
    return found


def trace() -> dict[str, Passage]:
    """The three frames by what they are."""
    tracer = Tracer()
    with tempfile.TemporaryDirectory() as name:
        folder, bench = Path(name), Bench(LOCATIONS)
        shelf = bench.shelf(frames=FRAMES, changes=[Change(GONE, ChangeKind.REMOVE, bench.names[0])])
        broker = Mosquitto(folder / "mosquitto")
        picture_of(folder).write_bytes(jpeg(shelf, 0))
        broker.start()
        threading.setprofile(tracer)
        try:
            bench.expect(broker.port, shelf)
            with AskedAgent(bench.write_config(folder, broker.port, bundle_of(LIGHT, print), RULES)) as agent:
                for number in range(1, FRAMES):
                    picture_of(folder).write_bytes(jpeg(shelf, number))
                    agent.settle()
                    agent.look()
        finally:
            threading.setprofile(None)
            broker.kill()
    return _named(tracer.passages)


def _named(passages: list[Passage]) -> dict[str, Passage]:
    """By what they are: the votes are full with the last of VOTES frames; an event is what is written down after."""
    events = [number for number, passage in enumerate(passages) if "MessageWriter.event" in str(passage.calls)]
    return {"first full vote": passages[events[0]], "at rest": passages[GONE - 1], "event": passages[events[-1]]}


def main(*, verbose: bool) -> int:
    """Print the table; 1 where a limit isn't kept."""
    worst = 0
    for name, passage in trace().items():
        files, moves = len(passage.files), passage.moves.total()
        worst |= files > LIMITS[name][0] or moves > LIMITS[name][1]
        print(
            f"{name}: {files} files of {LIMITS[name][0]}, {moves} moves of {LIMITS[name][1]}, {passage.judged} judged"
        )
        for move, count in passage.moves.most_common() if verbose else ():
            print(f"  {count:4d} {move}")
    return int(worst)


if __name__ == "__main__":
    sys.exit(main(verbose="-v" in sys.argv))
