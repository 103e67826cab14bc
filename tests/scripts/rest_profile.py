"""Where a look's processor time goes while a rack rests: python -m tests.scripts.rest_profile [LOCATIONS] [LOOKS].

The agent of the benchmarks (tests/benchmarks/agent.py) with the demo's model and the gate as it comes looks once a
second, as cameras do, so that caches are as cold as at work, at 1080p JPEG pictures of other sensor noise each. For
each stage the processor time of its own thread, and for the agent all that its process takes between two looks: medians
in milliseconds, and by decoding the whole picture alone, which is timed between the looks, as cold.
"""

import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge_agent.camera import still
from edge_agent.pipeline import Pipeline
from edge_agent.seeing import camera_view
from edge_agent.seeing.gate import ChangeGate
from edge_agent.seeing.last_picture import RepeatGuard
from edge_agent.seeing.view_colours import ViewColours
from edge_agent.seeing.view_guard import JudgedPicture, ViewGuard
from kardus.inference.preprocess import read_photo
from tests.benchmarks.agent import AskedAgent
from tests.benchmarks.networks import LIGHT, bundle_of
from tests.benchmarks.rack import Bench, jpeg, picture_of
from tests.brokers import Mosquitto

STAGES: tuple[tuple[str, Any, str], ...] = (
    ("read", still, "_looked_at"),
    ("from picture to findings", Pipeline, "process"),
    ("- view guard", ViewGuard, "check"),
    ("- - reduced", JudgedPicture, "__init__"),
    ("- - whether it is the last picture once more", RepeatGuard, "is_repeated"),
    ("- - marks", ViewGuard, "_recognise"),
    ("- - - of it sharpness", JudgedPicture, "sharpness"),
    ("- colours", ViewColours, "check"),
    ("- - cells", camera_view, "cells_of"),
    ("- gate", ChangeGate, "decide"),
)
PICTURES, SETTLES, PAUSE_S = 8, 8, 1.0
Spans = dict[str, list[float]]


def main(locations: int, looks: int) -> None:
    """Print the table."""
    spans: Spans = defaultdict(list)
    for name, owner, attribute in STAGES:
        setattr(owner, attribute, _noting(spans, name, getattr(owner, attribute)))
    whole, alone = _looks(spans, locations, looks)
    decode = np.median(alone)
    print(f"{locations} locations at rest, n = {looks}, ms of processor time\n")
    print("| what | a look | by decoding |\n|---|---|---|")
    rows = {"decoding the whole picture alone": alone, "the agent's process": whole} | spans
    for name, values in rows.items():
        print(f"| {name} | {1000 * np.median(values):.2f} | {np.median(values) / decode:.2f} |")


def _noting(spans: Spans, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*args: object, **options: object) -> object:
        began = time.thread_time()
        result = call(*args, **options)
        spans[name].append(time.thread_time() - began)
        return result

    return noted


def _looks(spans: Spans, locations: int, looks: int) -> tuple[list[float], list[float]]:
    """What the process took for each look, and decoding alone beside it."""
    whole, alone = [], []
    with tempfile.TemporaryDirectory() as name:
        folder, bench = Path(name), Bench(locations)
        shelf, broker = bench.shelf(PICTURES), Mosquitto(folder / "mosquitto")
        picture_of(folder).write_bytes(jpeg(shelf, 0))
        broker.start()
        try:
            bench.expect(broker.port, shelf)
            with AskedAgent(bench.write_config(folder, broker.port, bundle_of(LIGHT, print), threads=1)) as agent:
                for number in range(SETTLES + looks):
                    if number == SETTLES:
                        spans.clear()
                    picture_of(folder).write_bytes(jpeg(shelf, number % PICTURES))
                    began = time.process_time()
                    agent.look_at_rest()
                    threading.Event().wait(PAUSE_S)
                    whole.append(time.process_time() - began)
                    began = time.process_time()
                    read_photo(picture_of(folder))
                    alone.append(time.process_time() - began)
        finally:
            broker.kill()
    return whole[SETTLES:], alone[SETTLES:]


if __name__ == "__main__":
    asked = [int(word) for word in sys.argv[1:]]
    main(*(asked + [24, 40][len(asked) :]))
