"""What golden samples in one batch would spare of a start, and cost: python -m tests.scripts.golden_batch [PAIRS].

For each network a bundle is loaded as the agent loads it (read, checked, opened, tried on its golden samples, two
threads), each time in a process of its own, in turn with the samples in batches of 8, as they are, and all at once.
Seconds of wall time for the samples alone and for the whole model, the process's peak memory (VmHWM); the ratios'
medians with intervals of order statistics (95 %).
"""

import json
import subprocess
import sys
from statistics import median

from tests.benchmarks.networks import LIGHT, bundle_of
from tests.benchmarks.pairs import ratio

PAIRS = 10
NETWORKS = (LIGHT, "kardus-int8", "resnet18-int8", "resnet50-rmcsam-int8", "resnet50-rmcsam-fp32")
CHILD = """
import json, sys, time
from pathlib import Path
from kardus.inference import classifier
from kardus.inference.bundle import read_bundle
path, batch = Path(sys.argv[1]), int(sys.argv[2])
classifier.BATCH = batch
began = time.perf_counter()
bundle = read_bundle(path)
opened = classifier.Classifier(bundle, 2)
before = time.perf_counter()
opened.check_golden(bundle)
ended = time.perf_counter()
lines = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
print(json.dumps([len(bundle.golden), ended - before, ended - began, peak * 1024 / 1e6]))
"""


def loaded(bundle: str, batch: int) -> tuple[int, float, float, float]:
    """How many samples, their seconds, the model's, and the peak in MB."""
    done = subprocess.run([sys.executable, "-c", CHILD, bundle, str(batch)], check=True, capture_output=True, text=True)
    samples, golden_s, model_s, peak_mb = json.loads(done.stdout)
    return samples, golden_s, model_s, peak_mb


def main(pairs: int) -> None:
    """Print a table."""
    print("| network | samples | in batches of 8: samples, model, peak | at once | ratios |\n|---|---|---|---|---|")
    for network in NETWORKS:
        path = str(bundle_of(network, print))
        rounds = [(loaded(path, 8), loaded(path, 10_000)) for _ in range(pairs)]
        cells = [network, str(rounds[0][0][0])]
        for which in (0, 1):
            golden_s, model_s, peak_mb = (median(one[which][i] for one in rounds) for i in (1, 2, 3))
            cells.append(f"{1000 * golden_s:.0f} ms, {1000 * model_s:.0f} ms, {peak_mb:.0f} MB")
        each = [ratio([b[i] for _, b in rounds], [a[i] for a, _ in rounds]) for i in (1, 2, 3)]
        cells.append(", ".join(f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})" for one in each))
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS)
