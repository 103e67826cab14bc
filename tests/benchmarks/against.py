"""The same benchmarks in two commits, in turn: what HEAD comes to beside an earlier commit.

Both are checked out below `build/`, and run with this environment's interpreter and libraries and the same bundles, so
that nothing but the code differs. What isn't committed isn't measured.
"""

import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.networks import FOLDER as BUNDLES
from tests.benchmarks.pairs import ratio
from tests.benchmarks.report import read_report

ROOT = Path(__file__).parents[2]
TREES = ROOT / "build" / "side_by_side"
RESULTS = Path("build/benchmarks/results")
Pair = tuple[list[float], list[float]]
"""A figure's values before and now, one each round."""


@contextmanager
def tree(commit: str, name: str) -> Iterator[Path]:
    """The files of a commit, in a folder of their own."""
    folder = TREES / name
    subprocess.run(["git", "worktree", "add", "--force", "--detach", str(folder), commit], cwd=ROOT, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(folder)], cwd=ROOT, check=True)


def compare(commit: str, names: Sequence[str], scale: str, rounds: int) -> int:
    """Print a row for each figure that both commits have; 1 where a benchmark broke."""
    found: dict[str, Pair] = defaultdict(lambda: ([], []))
    with tree(commit, "before") as before, tree("HEAD", "now") as now:
        for number in range(rounds):
            order = ((0, before), (1, now)) if number % 2 else ((1, now), (0, before))  # neither is always the first
            for which, folder in order:
                for name in names:
                    values = _figures(folder, name, scale)
                    if values is None:
                        return 1
                    for what, value in values.items():
                        found[f"{name}: {what}"][which].append(value)
    print_ratios(commit, {what: pair for what, pair in found.items() if len(pair[0]) == len(pair[1]) == rounds})
    return 0


def print_ratios(commit: str, found: dict[str, Pair]) -> None:
    """A Markdown table: medians of both, and the median of the rounds' ratios with its interval."""
    rows = [f"| HEAD beside {commit} | before | now | ratio | 95 % interval | n |", "|---" * 6 + "|"]
    for what, (earlier, later) in found.items():
        each = ratio(later, earlier)
        before, now = (f"{statistics.median(values):.4g}" for values in (earlier, later))
        rows.append(f"| {what} | {before} | {now} | {each.value:.3f} | {each.low:.3f} to {each.high:.3f} | {each.n} |")
    sys.stdout.write("\n".join(rows) + "\n")


def _figures(folder: Path, name: str, scale: str) -> dict[str, float] | None:
    """A benchmark's figures in a tree, with their units; None where it broke. Ratios of nothing are left out."""
    _share_bundles(folder)
    command = [sys.executable, "-m", f"tests.benchmarks.{name}", "--scale", scale]
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": ""}
    if subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=False).returncode:
        return None
    report, _ = read_report(folder / RESULTS / f"{name}.json")
    return {f"{figure.what}, {figure.unit}".rstrip(", "): figure.value for figure in report.figures if figure.value}


def _share_bundles(folder: Path) -> None:
    """Models that are built already; one that an earlier commit can't read is built there anew."""
    (folder / BUNDLES).mkdir(parents=True, exist_ok=True)
    for bundle in (ROOT / BUNDLES).glob("*.bundle"):
        link = folder / BUNDLES / bundle.name
        if not link.exists():
            link.symlink_to(bundle)
