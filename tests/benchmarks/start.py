"""The agent's own process: start to first verdict, resident memory, and what an installation takes on the disk.

    python -m tests.benchmarks.start [--scale smoke|bench|full]

`kardus-agent run` on a 1080p JPEG file with 16 locations, a look every 0.1 s, votes as they come (3 looks). The clock
runs from the start of the process until the WMS side has the first event. Memory is VmRSS after the looks that are
named, and its peak (VmHWM). Python's imports and the model (read, checked, opened, and tried on its golden samples) are
measured by themselves too; the rest is mostly three looks at 16 locations. The agent runs from `.venv-agent` where that
is there (`make bench` makes it); the installed size is that environment's: agent, warehouse's side and demo.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kardus.contract.topics import agents_filter
from kardus.inference.bundle import read_bundle
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from tests.benchmarks.networks import LIGHT, bundle_of
from tests.benchmarks.pairs import median
from tests.benchmarks.rack import ONLY_ONCE_S, SITE, Bench, jpeg, picture_of
from tests.benchmarks.report import Report
from tests.benchmarks.scale import Scale, run
from tests.brokers import Mosquitto

ENVIRONMENT = Path(".venv-agent")
PROMISED = "resnet50-rmcsam-int8"
START_GOALS_S = {LIGHT: 0.7, "resnet18-int8": 0.85, PROMISED: 1.2, "resnet50-rmcsam-fp32": 2.2}
MEMORY_GOALS_MB = {LIGHT: 140.0, "resnet18-int8": 160.0, PROMISED: 230.0}
RULES = "[gate]\nrefresh_s = 0.001\n"
PATIENCE_S = 120.0
PARTS = """
import time
began = time.perf_counter()
import json, sys
from pathlib import Path
import edge_agent.cli.main
from edge_agent.config.sections import ModelSection
from edge_agent.models.load import load_model
imported = time.perf_counter()
load_model(ModelSection(bundle=Path(sys.argv[1]), trust=sys.argv[2:], threads=2, allow_unsigned=True))
print(json.dumps([imported - began, time.perf_counter() - imported]))
"""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    models: tuple[str, ...]
    starts: int
    watched_s: float
    """For how long it classifies every location before its memory is read."""


SIZES: dict[Scale, Size] = {
    "smoke": Size((LIGHT,), 1, 0.2),
    "bench": Size((LIGHT, "resnet18-int8", PROMISED, "resnet50-rmcsam-fp32"), 10, 3),
    "full": Size((LIGHT, "resnet18-int8", PROMISED, "resnet50-rmcsam-fp32"), 12, 60),
}


@dataclass
class Started:
    """A process of the agent, seen from the WMS side."""

    first_verdict: threading.Event = field(default_factory=threading.Event)
    at_s: float = 0.0
    """When the first event came (perf_counter)."""

    def take(self, topic: str, payload: bytes) -> None:
        """A message has come."""
        if payload and topic.endswith("/events") and not self.first_verdict.is_set():
            self.at_s = time.perf_counter()
            self.first_verdict.set()


def measure(scale: Scale, folder: Path) -> Report:
    """Every model."""
    size, report = SIZES[scale], Report("start", scale)
    for model in size.models:
        found = [_start(folder / f"{model}-{number}", model, size.watched_s) for number in range(size.starts)]
        seconds = median([first for first, _, _ in found])
        report.add(f"{model}: start to first verdict", seconds, "s", "at most", START_GOALS_S.get(model))
        imports_s, model_s = zip(*(_parts_s(model) for _ in range(size.starts)), strict=True)
        report.add(f"{model}: of it imports", median(imports_s), "s")
        report.add(f"{model}: of it the model, until it has answered its golden samples", median(model_s), "s")
        resident = median([own for _, own, _ in found])
        goal = MEMORY_GOALS_MB.get(model)
        report.add(f"{model}: resident memory, 16 locations", resident, "MB", "at most", goal)
        report.add(f"{model}: its peak", median([peak for _, _, peak in found]), "MB")
    if ENVIRONMENT.is_dir():
        report.add_value("installed size of what `make demo` installs", disk_mb(ENVIRONMENT), "MB", 1)
    else:
        report.notes.append(f"{ENVIRONMENT} isn't there: the agent ran from the development environment.")
    return report


def _parts_s(model: str) -> tuple[float, float]:
    """Seconds of imports, and of loading the model, in a process of their own."""
    python = ENVIRONMENT / "bin" / "python"
    bundle = bundle_of(model, print)
    words = [
        str(python) if python.exists() else sys.executable,
        "-c",
        PARTS,
        str(bundle),
        *read_bundle(bundle).signed_by,
    ]
    imports_s, model_s = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    return imports_s, model_s


def _start(folder: Path, model: str, watched_s: float) -> tuple[float, float, float]:
    """Seconds to the first verdict, resident memory and its peak in MB."""
    with running_agent(folder, model, Bench(16)) as (process, first_s):
        time.sleep(watched_s)
        return first_s, *memory_mb(process.pid)


@contextmanager
def running_agent(
    folder: Path, model: str, bench: Bench, *, rules: str = RULES, interval_s: float = 0.1, threads: int = 2
) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """An agent's process, by default one that looks all the time; with the seconds that its first verdict took."""
    folder.mkdir()
    broker = Mosquitto(folder / "mosquitto")
    broker.start()
    shelf = bench.shelf()
    for number in range(bench.cameras):
        picture_of(folder, number).write_bytes(jpeg(shelf, 0))
    bench.expect(broker.port, shelf)
    config = bench.write_config(folder, broker.port, bundle_of(model, print), rules, threads=threads)
    told_once = f"interval_s = {ONLY_ONCE_S}"
    config.write_text(config.read_text(encoding="utf-8").replace(told_once, f"interval_s = {interval_s}"))
    started = Started()
    try:
        with MqttClient(BrokerSettings("127.0.0.1", broker.port), [(agents_filter(SITE), 1)], started.take):
            began = time.perf_counter()
            process = subprocess.Popen([*_agent(), "run", str(config)], stderr=subprocess.DEVNULL)
            try:
                if not started.first_verdict.wait(PATIENCE_S):
                    raise TimeoutError(f"no verdict in {PATIENCE_S:.0f} s")
                yield process, started.at_s - began
            finally:
                process.terminate()
                process.wait()
    finally:
        broker.kill()


def memory_mb(pid: int) -> tuple[float, float]:
    """A process's resident memory, and its peak."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    values = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return int(values["VmRSS"]) * 1024 / 1e6, int(values["VmHWM"]) * 1024 / 1e6


def processor_s(pid: int) -> float:
    """User and system time of a process and its threads, also those that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def disk_mb(folder: Path) -> float:
    """What a folder takes on the disk."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*")) / 1e6


def _agent() -> list[str]:
    program = ENVIRONMENT / "bin" / "kardus-agent"
    return [str(program)] if program.exists() else [sys.executable, "-m", "edge_agent"]


if __name__ == "__main__":
    run(measure)
