"""How long onnxruntime takes for a crop of each bundle: python -m tests.scripts.bundle_speed BUNDLE [BUNDLE ...].

In place of a bundle, a name of `tests.benchmarks.networks` (kardus-int8, light-int8, resnet18-int8) is one with random
weights, which is built once.

Batches of 8 on two threads, each bundle once and then again, so that a slow moment hits all of them. Prints medians,
and the median of the ratios that the first bundle's batches have to those beside them.
"""

import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from rich.console import Console
from rich.table import Table

from kardus.inference.bundle import read_bundle
from kardus.inference.graph_forms import INPUT, OUTPUTS
from tests.benchmarks.networks import NETWORKS, RECIPES, bundle_of

BATCH, THREADS, SECONDS, WARM_UP = 8, 2, 30.0, 2


def time_in_turn(paths: Sequence[Path], seconds: float = SECONDS) -> list[list[float]]:
    """Milliseconds a crop of each bundle in each round; a round is one batch of every bundle."""
    works = [_session(path) for path in paths]
    times: list[list[float]] = [[] for _ in works]
    for session, crops in works * WARM_UP:
        session.run(OUTPUTS, {INPUT: crops})
    end = time.monotonic() + seconds
    while time.monotonic() < end or not times[0]:
        for own, (session, crops) in zip(times, works, strict=True):
            began = time.perf_counter()
            session.run(OUTPUTS, {INPUT: crops})
            own.append(1000 * (time.perf_counter() - began) / BATCH)
    return times


def ratio(first: Sequence[float], other: Sequence[float]) -> float:
    """How many times as long the first takes: the median over the rounds."""
    return statistics.median(one / two for one, two in zip(first, other, strict=True))


def _session(path: Path) -> tuple[ort.InferenceSession, np.ndarray]:
    bundle = read_bundle(path)
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    side = bundle.manifest.input.size
    crops = np.random.default_rng(0).integers(0, 256, (BATCH, side, side, 3), dtype=np.uint8)
    return ort.InferenceSession(bundle.model, options, providers=["CPUExecutionProvider"]), crops


def main(paths: list[Path]) -> None:
    """Time in turn, print."""
    times = time_in_turn(paths)
    table = Table("bundle", "ms a crop", "rounds", f"{paths[0].name} takes so many times as long")
    for path, own in zip(paths, times, strict=True):
        table.add_row(path.name, f"{statistics.median(own):.2f}", str(len(own)), f"{ratio(times[0], own):.2f}")
    Console(width=140).print(table)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main([bundle_of(word, print) if word in NETWORKS | RECIPES else Path(word) for word in sys.argv[1:]])
