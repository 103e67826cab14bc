"""What a benchmark found: a table for people, JSON for programs, curves as PNG, and pages in docs/performance.md."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import onnxruntime as ort
from rich.console import Console
from rich.table import Table

from kardus.support.files import write_whole
from tests.benchmarks.pairs import Estimate

Bound = Literal["at most", "at least"]


@dataclass(frozen=True)
class Figure:
    """One measured value."""

    what: str
    value: float
    unit: str
    n: int
    low: float | None = None
    high: float | None = None
    """With `low`: a 95 % interval (fewer than six values: their range)."""
    bound: Bound | None = None
    goal: float | None = None

    @property
    def outcome(self) -> str:
        """Whether the goal was met; empty where there is none."""
        if self.bound is None or self.goal is None:
            return ""
        met = self.value <= self.goal if self.bound == "at most" else self.value >= self.goal
        return "met" if met else "missed"

    @property
    def cells(self) -> tuple[str, ...]:
        """As a row of a table."""
        interval = (
            f"{_short(self.low)} to {_short(self.high)}" if self.low is not None and self.high is not None else ""
        )
        goal = f"{self.bound} {_short(self.goal)}" if self.bound and self.goal is not None else ""
        return self.what, f"{_short(self.value)} {self.unit}".strip(), interval, str(self.n), goal, self.outcome


@dataclass(frozen=True)
class Curve:
    """Values over something, as one panel of the picture."""

    title: str
    x: str
    y: str
    series: dict[str, list[tuple[float, float]]]
    logarithmic: bool = False
    """Whether x grows by factors."""


@dataclass(frozen=True)
class Report:
    """All of one benchmark."""

    name: str
    scale: str
    figures: list[Figure] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, what: str, found: Estimate, unit: str, bound: Bound | None = None, goal: float | None = None) -> None:
        """A median with its interval."""
        self.figures.append(Figure(what, found.value, unit, found.n, found.low, found.high, bound, goal))

    def add_value(  # noqa: PLR0917 - as above
        self, what: str, value: float, unit: str, n: int, bound: Bound | None = None, goal: float | None = None
    ) -> None:
        """A value without an interval."""
        self.figures.append(Figure(what, value, unit, n, bound=bound, goal=goal))


COLUMNS = ("what", "value", "95 % interval", "n", "goal", "")


def publish(report: Report, folder: Path) -> None:
    """Print the table, and write NAME.json and NAME.png."""
    table = Table(*COLUMNS, title=f"{report.name} ({report.scale})")
    for figure in report.figures:
        table.add_row(*figure.cells)
    console = Console()
    console.print(table)
    for note in report.notes:
        console.print(note)
    folder.mkdir(parents=True, exist_ok=True)
    content = asdict(report) | {"machine": machine(), "at": datetime.now(UTC).isoformat(timespec="seconds")}
    write_whole(folder / f"{report.name}.json", (json.dumps(content, indent=1) + "\n").encode())
    if report.curves:
        _draw(report.curves, folder / f"{report.name}.png")


def read_report(path: Path) -> tuple[Report, dict[str, Any]]:
    """What `publish` wrote, and the rest of the file: machine and time."""
    content = json.loads(path.read_text(encoding="utf-8"))
    figures = [Figure(**figure) for figure in content["figures"]]
    return Report(content["name"], content["scale"], figures, [], content["notes"]), content


def tables(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """The tables of the benchmarks that were run, by their names, for docs/performance.md."""
    return {name: _table(name, folder / f"{name}.json") for name in names if (folder / f"{name}.json").exists()}


def _table(name: str, path: Path) -> str:
    report, content = read_report(path)
    lines = [f"### {name}", "", f"`make bench` ({report.scale}), {content['at']},", str(content["machine"]), ""]
    lines += ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    lines += ["| " + " | ".join(figure.cells) + " |" for figure in report.figures]
    lines += ["", *(f"{note}\n" for note in report.notes)]
    return "\n".join(lines).strip() + "\n"


def machine() -> str:
    """Where this runs, in words, and how busy it was."""
    cores = len(os.sched_getaffinity(0))
    return (
        f"{_processor()}, {cores} cores, Python {platform.python_version()}, onnxruntime {ort.__version__}, "
        f"load {os.getloadavg()[0]:.1f}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _draw(curves: Sequence[Curve], path: Path) -> None:
    from matplotlib.figure import Figure as Drawing

    drawing = Drawing(figsize=(5.5 * len(curves), 4), layout="constrained")
    for place, curve in enumerate(curves, start=1):
        axes = drawing.add_subplot(1, len(curves), place)
        for name, points in curve.series.items():
            axes.plot(*zip(*points, strict=True), marker="o", label=name)
        if curve.logarithmic:
            axes.set_xscale("log")
        axes.set(title=curve.title, xlabel=curve.x, ylabel=curve.y)
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    drawing.savefig(path, dpi=120)
