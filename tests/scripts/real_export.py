"""What export does to trained models: python -m tests.scripts.real_export WORK RUN [RUN ...].

Builds each run in FP32 and in eight bits into WORK, and prints a row a bundle: size, time of the build, points of
accuracy lost and share of the same answers on photos that were held out of the run, and time a crop in batches of 8 on
two threads, with its ratio to the first run's FP32 (as tests.scripts.bundle_speed measures them).
"""

import statistics
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.scripts.bundle_speed import ratio, time_in_turn
from tests.scripts.steps import run, run_json


def main(work: Path, runs: list[Path]) -> None:
    """Build, time in turn, print."""
    work.mkdir(parents=True, exist_ok=True)
    built: list[tuple[str, Path, float]] = []
    for model in runs:
        for precision in ("fp32", "int8"):
            out = work / f"{model.name}-{precision}.bundle"
            took = run("kardus-export", "build", model, "--out", out, "--precision", precision)
            built.append((f"{model.name}, {precision}", out, took))
    times = time_in_turn([out for _, out, _ in built])
    columns = (
        "bundle",
        "MB",
        "build, s",
        "largest logit difference",
        "points lost",
        "same class",
        "ms a crop",
        "ratio",
    )
    table = Table(*columns)
    for (what, out, took), own in zip(built, times, strict=True):
        manifest = run_json("kardus-export", "inspect", out, "--json")
        table.add_row(
            what,
            f"{out.stat().st_size / 1e6:.1f}",
            f"{took:.0f}",
            f"{manifest['parity']['max_logit_difference']:.1e}",
            *_lost(manifest["lower_precision"]),
            f"{statistics.median(own):.1f}",
            f"{ratio(times[0], own):.2f}",
        )
    Console(width=160).print(table)


def _lost(found: dict[str, Any] | None) -> tuple[str, str]:
    if found is None:
        return "", ""
    before, now = found["accuracy_before"], found["accuracy"]
    points = 100 * (before["value"] - now["value"])
    return f"{points:.2f} of {100 * before['value']:.1f} % (n = {now['n']})", f"{100 * found['agreement']:.1f} %"


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), [Path(word) for word in sys.argv[2:]])
