"""How the cost of a look grows: with locations that changed, with locations at rest, and with cameras.

    python -m tests.benchmarks.growth [--scale smoke|bench|full]

The agent's own cycle (tests/benchmarks/agent.py) with the light model, from the JPEG file to what is stored. Changed:
the gate lets every location through. At rest: the gate as it comes, so that nothing is classified. The slopes are
least squares over the numbers of locations; straight means that no point lies farther from the line than the tolerance.
What the outbox costs as it fills is in `outbox`.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.benchmarks.agent import AskedAgent
from tests.benchmarks.networks import LIGHT, bundle_of
from tests.benchmarks.pairs import median
from tests.benchmarks.rack import ALWAYS, Bench, jpeg, picture_of
from tests.benchmarks.report import Curve, Report
from tests.benchmarks.scale import Scale, run
from tests.benchmarks.start import memory_mb, running_agent
from tests.brokers import Mosquitto

AT_REST = "[gate]\nrefresh_s = 86400\n[verdict]\nvotes = 1\nwindow = 1\n"
STRAIGHT, FLAT = 0.2, 0.1
"""Of the largest, a point may lie off the line; of a changed location's cost, one at rest may cost."""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    locations: tuple[int, ...]
    cameras: tuple[int, ...]
    looks: int
    memory: tuple[int, ...]
    """Numbers of locations whose memory is measured."""


SIZES: dict[Scale, Size] = {
    "smoke": Size((1, 4), (), 2, ()),
    "bench": Size((1, 4, 16, 64, 256), (1, 2, 4, 8), 10, (1, 16, 64, 256)),
    "full": Size((1, 4, 16, 64, 128, 256), (1, 2, 4, 8), 50, (1, 16, 64, 256)),
}
Points = list[tuple[float, float]]


def measure(scale: Scale, folder: Path) -> Report:
    """Locations, then cameras, then memory."""
    size, report = SIZES[scale], Report("growth", scale)
    changed = [(n, _look_ms(folder / f"changed-{n}", Bench(n), ALWAYS, size.looks)) for n in size.locations]
    at_rest = [(n, _look_ms(folder / f"rest-{n}", Bench(n), AT_REST, size.looks)) for n in size.locations]
    _tell_slopes(report, _points(changed), _points(at_rest), size.looks)
    series = {"every location changed": _points(changed), "all at rest": _points(at_rest)}
    report.curves.append(Curve("one look of one camera", "locations", "ms", series))
    many = [(n, _look_ms(folder / f"cameras-{n}", Bench(16, n), ALWAYS, size.looks)) for n in size.cameras]
    for number, times in many:
        report.add(f"{number} cameras with 16 locations each, one look of all", median(times), "ms")
    if many:
        report.curves.append(
            Curve("16 changed locations a camera", "cameras", "ms", {"one look of all": _points(many)})
        )
    memory = [(float(n), _memory_mb(folder / f"memory-{n}", n)) for n in size.memory]
    for locations, resident in memory:
        report.add_value(f"resident memory, {locations:.0f} locations", resident, "MB", 1)
    if memory:
        report.curves.append(Curve("resident memory", "locations", "MB", {"light model": memory}))
    return report


def slope(points: Points) -> tuple[float, float]:
    """What one more costs, and how far the farthest point lies from the line, as a share of the largest value."""
    x, y = np.array(points, float).T
    found = np.polyfit(x, y, 1)
    return float(found[0]), float(np.abs(np.polyval(found, x) - y).max() / y.max())


def _tell_slopes(report: Report, changed: Points, at_rest: Points, looks: int) -> None:
    for (locations, ms), (_, still_ms) in zip(changed, at_rest, strict=True):
        report.add_value(f"{locations:.0f} locations, all changed", ms, "ms a look", looks)
        report.add_value(f"{locations:.0f} locations, all at rest", still_ms, "ms a look", looks)
    each, off = slope(changed)
    each_still, _ = slope(at_rest)
    n = looks * len(changed)
    report.add_value("a changed location more", each, "ms", n)
    report.add_value("farthest point off that line", off, "of the largest", n, "at most", STRAIGHT)
    report.add_value("a location at rest more", each_still, "ms", n)
    report.add_value("a location at rest / a changed one", each_still / each, "", n, "at most", FLAT)


def _points(found: Sequence[tuple[int, list[float]]]) -> Points:
    return [(float(number), statistics.median(times)) for number, times in found]


def _look_ms(folder: Path, bench: Bench, rules: str, looks: int) -> list[float]:
    folder.mkdir()
    shelf = bench.shelf()
    for number in range(bench.cameras):
        picture_of(folder, number).write_bytes(jpeg(shelf, 0))
    broker = Mosquitto(folder / "mosquitto")
    broker.start()
    try:
        bench.expect(broker.port, shelf)
        config = bench.write_config(folder, broker.port, bundle_of(LIGHT), rules, threads=2)
        with AskedAgent(config) as agent:
            agent.look()
            before = agent.classified
            times = [1000 * agent.look() for _ in range(looks)]
            wanted = looks * len(bench.names) if rules == ALWAYS else 0
            if agent.classified - before != wanted:
                raise RuntimeError(f"{agent.classified - before} crops classified, not {wanted}")
            return times
    finally:
        broker.kill()


def _memory_mb(folder: Path, locations: int) -> float:
    with running_agent(folder, LIGHT, Bench(locations)) as (process, _):
        return memory_mb(process.pid)[0]


if __name__ == "__main__":
    run(measure)
