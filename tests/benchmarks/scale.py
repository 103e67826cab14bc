"""How large a run is, and the command line that every benchmark has."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from tests.benchmarks.report import Report, publish

Scale = Literal["smoke", "bench", "full"]
"""`smoke`: does it run (a second or two); `bench`: a few minutes for all; `full`: every size that is promised."""
RESULTS = Path("build/benchmarks/results")
Measure = Callable[[Scale, Path], Report]
"""Measures at a scale, in an empty folder of its own."""


def run(measure: Measure) -> None:
    """Measure as the command line says, print the table, and write JSON and PNG."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", choices=get_args(Scale), default="bench")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kardus-bench-", dir=_on_disk()) as work:
        report = measure(options.scale, Path(work))
    publish(report, options.out)


def _on_disk() -> Path:
    """Durable writes are measured on the disk that the project lies on: /tmp may be memory."""
    folder = Path("build/benchmarks").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder
