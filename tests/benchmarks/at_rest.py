"""What a rack at rest costs: the agent's whole process with its gate on and off, and the script beside it.

    python -m tests.benchmarks.at_rest [--scale smoke|bench|full]

24 still locations, 1080p JPEG pictures of other sensor noise each, one look a second. The agent is a process of its
own with all that it does (view guard, gate, classifier, verdicts, outbox, a real Mosquitto, its page for probes); what
counts is that process's time (user and system) over a window in which its page says how many pictures it looked at.
Gate off means `refresh_s = 0.001`: every location is classified in every picture. The script classifies them all too,
and publishes what it saw. All run their model on one thread, so that none is charged for waiting threads.

Windows lie between two refreshes; what a refresh costs is the difference of gate off and gate on, once in 300 looks
(`refresh_s` as it comes), and added. Decoding the JPEG, which all need, stands apart. Each round gives one ratio.
"""

import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge_agent.config.sections import GateSection
from kardus.inference.bundle import read_bundle
from kardus.inference.preprocess import read_photo
from simulator.demo.broker import free_port
from tests.benchmarks.networks import LIGHT, bundle_of
from tests.benchmarks.opponent import AfternoonScript
from tests.benchmarks.pairs import median, ratio
from tests.benchmarks.rack import Bench, jpeg, picture_of
from tests.benchmarks.report import Report
from tests.benchmarks.scale import Scale, run
from tests.benchmarks.start import processor_s, running_agent
from tests.brokers import Mosquitto

LOCATIONS, PICTURES, THREADS = 24, 8, 1
LOOKS_AN_HOUR = 3600
LOOKS_A_REFRESH = GateSection().refresh_s
GATE_OFF = "[gate]\nrefresh_s = 0.001\n"
SCRIPT_GOALS, GATE_GOAL, DECODING_GOAL = {"resnet18-int8": 40.0, "light-int8": 30.0}, 0.1, 1.4
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Size:
    """How much is measured, each in as many rounds."""

    models: tuple[str, ...]
    rounds: int
    still_s: int
    """Seconds that the agent is watched with its gate on ..."""
    every_s: int
    """... and off."""
    script_looks: int
    settling_s: int = 10
    """After the first verdict, until every location's votes are closed."""


SIZES: dict[Scale, Size] = {
    "smoke": Size((LIGHT,), 1, 2, 2, 1, 1),
    "bench": Size(("resnet18-int8", "light-int8"), 10, 40, 12, 12),
    "full": Size(("resnet18-int8", "light-int8", "resnet50-rmcsam-int8", "resnet50-rmcsam-fp32"), 10, 240, 60, 60),
}


@dataclass(frozen=True)
class Round:
    """Processor time of one look, in seconds."""

    between_refreshes: float
    gate_off: float
    script: float
    decode: float

    @property
    def at_rest(self) -> float:
        """With the gate, and its share of a refresh."""
        return self.between_refreshes + (self.gate_off - self.between_refreshes) / LOOKS_A_REFRESH


def measure(scale: Scale, folder: Path) -> Report:
    """Every model."""
    size, report = SIZES[scale], Report("at_rest", scale)
    for model in size.models:
        rounds = [_round(folder / f"{model}-{number}", model, size) for number in range(size.rounds)]
        _tell(report, model, rounds)
    return report


def _tell(report: Report, model: str, rounds: list[Round]) -> None:
    def hour(what: str, seconds: list[float]) -> None:
        report.add(f"{model}: {what}", median([LOOKS_AN_HOUR * s for s in seconds]), "s an hour")

    hour("the script", [r.script for r in rounds])
    hour("the agent, gate off", [r.gate_off for r in rounds])
    hour("the agent at rest", [r.at_rest for r in rounds])
    hour("decoding the pictures, in each of them", [r.decode for r in rounds])
    beside = ratio([r.at_rest for r in rounds], [r.decode for r in rounds])
    report.add(f"{model}: agent at rest / decoding the pictures", beside, "", "at most", DECODING_GOAL)
    gated = ratio([r.at_rest - r.decode for r in rounds], [r.gate_off - r.decode for r in rounds])
    report.add(f"{model}: agent at rest / gate off, decoding apart", gated, "", "at most", GATE_GOAL)
    apart = ratio([r.script - r.decode for r in rounds], [r.at_rest - r.decode for r in rounds])
    report.add(f"{model}: script / agent at rest, decoding apart", apart, "")
    whole = ratio([r.script for r in rounds], [r.at_rest for r in rounds])
    report.add(f"{model}: script / agent at rest", whole, "", "at least", SCRIPT_GOALS.get(model))


def _round(folder: Path, model: str, size: Size) -> Round:
    folder.mkdir()
    bench = Bench(LOCATIONS)
    still = _agent_s(folder / "still", bench, model, "", (size.settling_s, size.still_s))
    every = _agent_s(folder / "every", bench, model, GATE_OFF, (size.settling_s, size.every_s))
    return Round(still, every, *_script_s(folder, bench, bundle_of(model), size.script_looks))


def _agent_s(folder: Path, bench: Bench, model: str, rules: str, spans_s: tuple[int, int]) -> float:
    """Processor time of a look of the agent's process, once it has settled; `spans_s` says for how long each."""
    page = free_port()
    rules = f"[health]\nport = {page}\n{rules}"
    watched = running_agent(folder, model, bench, rules=rules, interval_s=1.0, threads=THREADS)
    with watched as (process, _), _new_noise(folder, bench):
        time.sleep(spans_s[0])
        first, began = looks_of(page), processor_s(process.pid)
        time.sleep(spans_s[1])
        spent = processor_s(process.pid) - began
        looks = looks_of(page) - first
    if not looks:
        raise RuntimeError(f"the agent has not looked in {spans_s[1]} s")
    return spent / looks


@contextmanager
def _new_noise(folder: Path, bench: Bench) -> Iterator[None]:
    """The camera's file is replaced every half a second: the same rack, other noise."""
    shelf, stopping = bench.shelf(PICTURES), threading.Event()
    pictures = [jpeg(shelf, number) for number in range(PICTURES)]
    beside = folder / "next.jpg"

    def replace_on() -> None:
        number = 0
        while not stopping.wait(0.5):
            number += 1
            beside.write_bytes(pictures[number % PICTURES])
            beside.replace(picture_of(folder))

    picture_of(folder).write_bytes(pictures[0])
    thread = threading.Thread(target=replace_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _script_s(folder: Path, bench: Bench, bundle: Path, looks: int) -> tuple[float, float]:
    """Processor time of a look of the script, in this process; and of decoding its picture."""
    shelf, broker = bench.shelf(PICTURES), Mosquitto(folder / "mosquitto")
    pictures = [folder / f"{number}.jpg" for number in range(PICTURES)]
    for number, path in enumerate(pictures):
        path.write_bytes(jpeg(shelf, number))
    broker.start()
    script = AfternoonScript(read_bundle(bundle).model, bench.boxes(), broker.port, THREADS)
    try:
        script.look(pictures[0])
        look_s = _processor_s_each(script.look, pictures, looks)
    finally:
        script.close()
        broker.kill()
    return look_s, _processor_s_each(read_photo, pictures, 2 * PICTURES)


def _processor_s_each(work: Callable[[Path], object], pictures: Sequence[Path], times: int) -> float:
    began = time.process_time()
    for number in range(times):
        work(pictures[number % len(pictures)])
    return (time.process_time() - began) / times


def looks_of(page: int) -> int:
    """How many pictures the agent has looked at, by its page."""
    with urllib.request.urlopen(f"http://127.0.0.1:{page}/metrics", timeout=PATIENCE_S) as answer:
        lines = answer.read().decode().splitlines()
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith("kardus_frames_total{")))


if __name__ == "__main__":
    run(measure)
