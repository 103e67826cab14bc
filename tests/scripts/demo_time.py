"""How long `make demo` takes in a fresh clone: python -m tests.scripts.demo_time [ROUNDS].

Each round clones what is committed into a folder of its own, and removes it afterwards. One round more comes first, so
that the package cache is warm. Installing and the demo are timed apart.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.pairs import median

ROOT = Path(__file__).parents[2]
PARTS = ("installing", "the demo", "together")


def main(rounds: int) -> None:
    """Print a Markdown table of seconds."""
    _round()
    found = [_round() for _ in range(rounds)]
    print("| what | seconds | 95 % interval | n |\n|---|---|---|---|")
    for what, seconds in zip(PARTS, zip(*found, strict=True), strict=True):
        estimate = median(seconds)
        print(f"| {what} | {estimate.value:.1f} | {estimate.low:.1f} to {estimate.high:.1f} | {estimate.n} |")


def _round() -> tuple[float, float, float]:
    with tempfile.TemporaryDirectory() as name:
        clone = Path(name) / "kardus"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        installing = _seconds(lambda: _make(clone, ".venv-agent/installed"))
        demo = _seconds(lambda: _make(clone, "demo"))
    print(f"-- {installing:.1f} s and {demo:.1f} s", file=sys.stderr)
    return installing, demo, installing + demo


def _make(clone: Path, target: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # the clone's own code
    subprocess.run(["make", "--silent", target], cwd=clone, env=environment, stdout=subprocess.DEVNULL, check=True)


def _seconds(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
