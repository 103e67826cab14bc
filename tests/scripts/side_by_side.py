"""Cycle, event and start of HEAD beside an earlier commit's: python -m tests.scripts.side_by_side COMMIT [--rounds N].

Both trees are checked out below `build/` and run in turn, with the same interpreter, libraries and bundle (the demo's:
the smaller the model, the more the agent's own work weighs). Each round gives one ratio of medians for: a cycle of 16
locations (every location classified, 20 cycles), an event beyond inference (20), and the start of `kardus-agent run`
until the first verdict (3). Exit code 1 where a ratio is above 1.03.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from tests.benchmarks.against import Pair, print_ratios, tree
from tests.benchmarks.pairs import ratio

LIMIT = 1.03
CHILD = """
import json, sys, tempfile
from pathlib import Path
from tests.benchmarks import cycle, start
from tests.benchmarks.networks import LIGHT, bundle_of
cycles, events, starts = map(int, sys.argv[1:])
with tempfile.TemporaryDirectory(dir=".") as name:
    folder = Path(name).resolve()
    cycle_s = cycle.compare(folder / "cycle", bundle_of(LIGHT, print), 16, cycles)["agent"]
    event_s = cycle.event_waits_s(folder / "event", bundle_of(LIGHT, print), events)
    start_s = [start._start(folder / f"start{number}", LIGHT, 0)[0] for number in range(starts)]
found = {"cycle of 16 locations": cycle_s, "event beyond inference": event_s, "start to first verdict": start_s}
print(json.dumps(found))
"""
Seconds = dict[str, float]


def medians(folder: Path, counts: tuple[int, int, int]) -> Seconds:
    """Of a tree, in a process of its own; seconds by what was measured."""
    command = [sys.executable, "-c", CHILD, *map(str, counts)]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    printed = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout
    return {what: statistics.median(times) for what, times in json.loads(printed.splitlines()[-1]).items()}


def compare(commit: str, rounds: int, counts: tuple[int, int, int] = (20, 20, 3)) -> int:
    """Print a row for each figure; 1 where a ratio is above the limit."""
    found: dict[str, Pair] = defaultdict(lambda: ([], []))
    with tree(commit, "before") as before, tree("HEAD", "now") as now:
        for number in range(rounds):
            order = ((0, before), (1, now)) if number % 2 else ((1, now), (0, before))  # neither is always the first
            for which, folder in order:
                for what, median_s in medians(folder, counts).items():
                    found[f"{what}, s"][which].append(median_s)
    print_ratios(commit, found)
    return max(int(ratio(later, earlier).value > LIMIT) for earlier, later in found.values())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("commit")
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    sys.exit(compare(options.commit, options.rounds))
