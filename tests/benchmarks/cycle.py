"""The agent's whole cycle beside bare onnxruntime, and beside the script that an engineer would write.

    python -m tests.benchmarks.cycle [--scale smoke|bench|full]

The cycle is the agent's own, with all its threads (tests/benchmarks/agent.py): a 1080p JPEG file is read, decoded,
judged by the view guard, every location is cut out, classified in one batch and judged against the expected stock, a
state for every location is stored in the outbox (SQLite, FULL) and acknowledged by a real Mosquitto, which ends the
cycle. The gate lets every location through. Bare is `session.run` on the same crops in one batch: the agent's own
onnxruntime session. The script has a session of its own, with as many threads. All three take turns, and each round
gives one ratio.

The event: one carton is exchanged, and the look that finds it is timed until the broker has event and state; less the
time that the classifier took. Here the gate is as it comes: only that location is classified.
"""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from edge_agent.seeing.camera_view import SlotCutting
from kardus.inference.bundle import read_bundle
from kardus.inference.graph_forms import INPUT, OUTPUTS
from kardus.inference.preprocess import read_photo
from simulator.script import Change, ChangeKind
from tests.benchmarks.agent import AskedAgent
from tests.benchmarks.networks import LIGHT, bundle_of
from tests.benchmarks.opponent import AfternoonScript
from tests.benchmarks.pairs import in_turn, median, percentile, ratio
from tests.benchmarks.rack import ALWAYS, Bench, jpeg, picture_of
from tests.benchmarks.report import Curve, Report
from tests.benchmarks.scale import Scale, run
from tests.brokers import Mosquitto

THREADS = 2
EVENT_GOAL_MS, EVENT_P99_GOAL_MS = 15.0, 25.0


@dataclass(frozen=True)
class Goals:
    """What one model's cycle may come to; None: nothing was asked for."""

    beyond_ms: float | None = None
    """Cycle - bare, a frame."""
    of_bare: float | None = None
    """Cycle / bare."""
    script: float | None = None
    """Script / cycle, at least."""


GOALS = {
    (LIGHT, 16): Goals(beyond_ms=18, script=1.8),
    ("resnet18-int8", 16): Goals(beyond_ms=23, of_bare=1.37, script=1.35),
    ("resnet18-int8", 64): Goals(of_bare=1.18),
    ("resnet50-rmcsam-int8", 16): Goals(beyond_ms=23, of_bare=1.16, script=1.45),
    ("resnet50-rmcsam-int8", 64): Goals(of_bare=1.06),
    ("resnet50-rmcsam-fp32", 16): Goals(of_bare=1.04),
    ("resnet50-rmcsam-fp32", 64): Goals(of_bare=1.01),
}
"""By model and locations."""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    models: tuple[str, ...]
    locations: tuple[int, ...]
    crops: int
    """About so many crops go through each of the three ..."""
    rounds: tuple[int, int]
    """... in as many rounds as that makes, but from the first to the second of these."""
    events: int


ALL = (LIGHT, "resnet18-int8", "resnet50-rmcsam-int8", "resnet50-rmcsam-fp32")
SIZES: dict[Scale, Size] = {
    "smoke": Size((LIGHT,), (4,), 8, (2, 2), 2),
    "bench": Size(ALL, (4, 16, 64), 320, (10, 20), 100),
    "full": Size(ALL, (4, 16, 64), 2000, (20, 100), 1000),
}
Times = dict[str, list[float]]


def measure(scale: Scale, folder: Path) -> Report:
    """Every model at every number of locations, and the event."""
    size, report = SIZES[scale], Report("cycle", scale)
    ratios: dict[str, list[tuple[float, float]]] = {}
    for model in size.models:
        bundle = bundle_of(model, print)
        for locations in size.locations:
            least, most = size.rounds
            rounds = min(most, max(least, size.crops // locations))
            times = compare(folder / f"{model}-{locations}", bundle, locations, rounds)
            _tell(report, model, locations, times)
            ratios.setdefault(f"{model}, agent", []).append((locations, _last(report, "cycle / bare")))
            ratios.setdefault(f"{model}, script", []).append((locations, _last(report, "script / bare")))
    report.curves.append(Curve("cycle beside bare session.run", "locations", "ratio", ratios, logarithmic=True))
    waits = event_waits_s(folder / "event", bundle_of(LIGHT), size.events)
    middle = median([1000 * wait for wait in waits])
    report.add("one event, beyond inference, median", middle, "ms", "at most", EVENT_GOAL_MS)
    p99 = 1000 * percentile(waits, 0.99)
    report.add_value("one event, beyond inference, p99", p99, "ms", len(waits), "at most", EVENT_P99_GOAL_MS)
    return report


def compare(folder: Path, bundle: Path, locations: int, rounds: int) -> Times:
    """Seconds a frame of agent, bare session and script, round by round."""
    folder.mkdir()
    bench = Bench(locations)
    shelf = bench.shelf()
    picture_of(folder).write_bytes(jpeg(shelf, 0))
    broker = Mosquitto(folder / "mosquitto")
    broker.start()
    script = AfternoonScript(read_bundle(bundle).model, bench.boxes(), broker.port, THREADS)
    try:
        bench.expect(broker.port, shelf)
        config = bench.write_config(folder, broker.port, bundle, ALWAYS, threads=THREADS)
        with AskedAgent(config) as agent:
            session, size_px = agent.classifier._session, agent.classifier.size_px
            crops = SlotCutting(bench.corners(), Image.fromarray(read_photo(picture_of(folder))), size_px).result()
            before = agent.classified
            times = in_turn(
                {
                    "agent": lambda: agent.look_acknowledged(locations),
                    "bare": lambda: session.run(OUTPUTS, {INPUT: crops}),
                    "script": lambda: script.look(picture_of(folder)),
                },
                rounds,
            )
            if agent.classified - before != locations * (rounds + 1):
                raise RuntimeError("the agent hasn't classified every location in every picture")
            return times
    finally:
        script.close()
        broker.kill()


def event_waits_s(folder: Path, bundle: Path, events: int) -> list[float]:
    """One carton is exchanged again and again: seconds from the picture to the broker's answer, less inference."""
    folder.mkdir()
    bench = Bench(16)
    names = bench.shelf().script.stock
    location = bench.names[5]
    other = next(name for name in names.values() if name != names[location])
    shelf = bench.shelf(4, (Change(2, ChangeKind.PLACE, location, name=str(other)),))
    pictures = [jpeg(shelf, number) for number in range(4)]  # two of each, of different noise
    broker = Mosquitto(folder / "mosquitto")
    broker.start()
    try:
        bench.expect(broker.port, shelf)
        picture_of(folder).write_bytes(pictures[0])
        rules = "[verdict]\nvotes = 1\nwindow = 1\n"
        waits: list[float] = []
        with AskedAgent(bench.write_config(folder, broker.port, bundle, rules, threads=THREADS)) as agent:
            for number in range(2 * events):
                picture_of(folder).write_bytes(pictures[2 * ((number + 1) % 2)])
                agent.look()  # it moves: nothing is said of it
                agent.settle()
                picture_of(folder).write_bytes(pictures[2 * ((number + 1) % 2) + 1])
                known, inferred = agent.events, agent.classify_s
                wait = agent.look_acknowledged(1) - (agent.classify_s - inferred)
                if agent.events == known:
                    raise RuntimeError("an exchanged carton made no event")
                waits.append(wait)
                agent.settle()
                if len(waits) == events:
                    break
        return waits
    finally:
        broker.kill()


def _tell(report: Report, model: str, locations: int, times: Times) -> None:
    what = f"{model}, {locations} locations"
    goals = GOALS.get((model, locations), Goals())
    report.add(f"{what}: bare", median([1000 * s for s in times["bare"]]), "ms a frame")
    beyond = [1000 * (own - bare) for own, bare in zip(times["agent"], times["bare"], strict=True)]
    report.add(f"{what}: cycle - bare", median(beyond), "ms a frame", "at most", goals.beyond_ms)
    report.add(f"{what}: script / bare", ratio(times["script"], times["bare"]), "")
    report.add(f"{what}: script / cycle", ratio(times["script"], times["agent"]), "", "at least", goals.script)
    report.add(f"{what}: cycle / bare", ratio(times["agent"], times["bare"]), "", "at most", goals.of_bare)


def _last(report: Report, ending: str) -> float:
    return next(figure.value for figure in reversed(report.figures) if figure.what.endswith(ending))


if __name__ == "__main__":
    run(measure)
