"""Where a look's time goes: python -m tests.scripts.look_profile [MODEL] [LOCATIONS] [LOOKS].

The agent of the benchmarks (tests/benchmarks/agent.py) looks at a 1080p JPEG whose every location is classified and
told; between two looks onnxruntime runs on as many crops, so that a look finds the caches as at work. For each stage:
when it began and ended, in milliseconds from the moment at which the reader is told to look, and how long it took
together; medians. A stage that another one waits for, in another thread, can take long and cost nothing.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge_agent.deciding.recorder import Recorder
from edge_agent.pipeline import Pipeline
from edge_agent.reporting.delivery import Delivery
from edge_agent.reporting.outbox.outbox import Outbox
from edge_agent.seeing.camera_view import CameraView
from edge_agent.seeing.gate import ChangeGate
from edge_agent.seeing.view_guard import ViewGuard
from kardus.inference import preprocess
from kardus.inference.classifier import Classifier
from kardus.inference.graph_forms import INPUT, OUTPUTS
from kardus.mqtt.session import MqttSession
from tests.benchmarks.agent import AskedAgent
from tests.benchmarks.networks import LIGHT, bundle_of
from tests.benchmarks.rack import ALWAYS, Bench, jpeg, picture_of
from tests.brokers import Mosquitto

STAGES: tuple[tuple[str, Any, str], ...] = (
    ("JPEG decoded", preprocess, "_decode"),
    ("from picture to findings", Pipeline, "process"),
    ("- view judged", ViewGuard, "check"),
    ("- gate", ChangeGate, "decide"),
    ("- waited for the crops", CameraView, "_cut"),
    ("- classified", Classifier, "classify"),
    ("written down", Recorder, "record"),
    ("- outbox", Outbox, "append"),
    ("read to be sent", Outbox, "pending"),
    ("handed to MQTT", MqttSession, "publish"),
    ("acknowledged", Delivery, "acknowledged"),
)
Span = tuple[str, float, float]


def main(model: str, locations: int, looks: int) -> None:
    """Print the table."""
    spans: list[Span] = []
    for name, owner, attribute in STAGES:
        setattr(owner, attribute, _noting(spans, name, getattr(owner, attribute)))
    found: dict[str, list[tuple[float, float, float]]] = {}
    for began, seen in _looks(spans, model, locations, looks):
        for name in {name for name, _, _ in seen}:
            own = [(start - began, end - began) for other, start, end in seen if other == name]
            first, last = min(start for start, _ in own), max(end for _, end in own)
            found.setdefault(name, []).append((first, last, sum(end - start for start, end in own)))
    print(f"{model}, {locations} locations, n = {looks}, ms\n\n| stage | from | to | in it |\n|---|---|---|---|")
    for name, _, _ in STAGES:
        first, last, inside = 1000 * np.median(found[name], axis=0)
        print(f"| {name} | {first:.1f} | {last:.1f} | {inside:.1f} |")


def _noting(spans: list[Span], name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*args: object, **options: object) -> object:
        began = time.perf_counter()
        result = call(*args, **options)
        spans.append((name, began, time.perf_counter()))
        return result

    return noted


def _looks(spans: list[Span], model: str, locations: int, looks: int) -> list[tuple[float, list[Span]]]:
    """When each look began, and its stages; the first three aren't counted."""
    seen: list[tuple[float, list[Span]]] = []
    with tempfile.TemporaryDirectory() as name:
        folder, bench = Path(name), Bench(locations)
        shelf, broker = bench.shelf(), Mosquitto(folder / "mosquitto")
        picture_of(folder).write_bytes(jpeg(shelf, 0))
        broker.start()
        try:
            bench.expect(broker.port, shelf)
            with AskedAgent(
                bench.write_config(folder, broker.port, bundle_of(model, print), ALWAYS, threads=2)
            ) as agent:
                session, size = agent.classifier._session, agent.classifier.size_px
                crops = np.zeros((locations, size, size, 3), np.uint8)
                for _ in range(looks + 3):
                    session.run(OUTPUTS, {INPUT: crops})
                    agent.settle()
                    spans.clear()
                    began = time.perf_counter()
                    agent.look_acknowledged(locations)
                    seen.append((began, list(spans)))
        finally:
            broker.kill()
    return seen[3:]


if __name__ == "__main__":
    asked = sys.argv[1:]
    main(asked[0] if asked else LIGHT, int(asked[1]) if len(asked) > 1 else 16, int(asked[2]) if len(asked) > 2 else 40)
