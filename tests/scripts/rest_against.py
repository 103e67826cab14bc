"""What a look at rest costs beside an earlier commit: python -m tests.scripts.rest_against COMMIT [ROUNDS].

In each round the agent of either commit, a process of its own with the demo's model and 24 still locations (as
`tests.benchmarks.at_rest` runs it), is watched for 40 s with its gate on, in turn; and decoding the whole picture is
timed beside each. Processor time in milliseconds a look, and the agent's by decoding's; what isn't committed isn't
measured.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from tests.benchmarks.against import Pair, print_ratios, tree

MEASURE = """
import json, sys, tempfile
from pathlib import Path
from kardus.inference.preprocess import read_photo
from tests.benchmarks import at_rest
from tests.benchmarks.networks import LIGHT
from tests.benchmarks.rack import Bench, jpeg
with tempfile.TemporaryDirectory() as name:
    folder, bench = Path(name), Bench(at_rest.LOCATIONS)
    paths = [folder / f"{number}.jpg" for number in range(at_rest.PICTURES)]
    for number, path in enumerate(paths):
        path.write_bytes(jpeg(bench.shelf(at_rest.PICTURES), number))
    first = at_rest._processor_s_each(read_photo, paths, 40)
    agent = at_rest._agent_s(folder / "agent", bench, LIGHT, "", (10, 40))
    decode = (first + at_rest._processor_s_each(read_photo, paths, 40)) / 2
json.dump({"the agent's look at rest, ms": 1000 * agent, "decoding the picture, ms": 1000 * decode,
           "agent / decoding": agent / decode}, sys.stdout)
"""


def main(commit: str, rounds: int) -> None:
    """Print a table."""
    found: dict[str, Pair] = defaultdict(lambda: ([], []))
    with tree(commit, "before") as before, tree("HEAD", "now") as now:
        for number in range(rounds):
            order = ((0, before), (1, now)) if number % 2 else ((1, now), (0, before))
            for which, folder in order:
                for what, value in _figures(folder).items():
                    found[what][which].append(value)
    print_ratios(commit, found)


def _figures(folder: Path) -> dict[str, float]:
    command = [sys.executable, "-c", MEASURE]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    ran = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, check=True)
    figures: dict[str, float] = json.loads(ran.stdout)
    return figures


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 6)
