"""What onnxruntime's arena costs in memory and spares in time: python -m tests.scripts.arena [NETWORK ...].

For each network (names of `tests.benchmarks.networks`): the memory that a session keeps after batches of 8, with its
arena and without, in processes of their own (resident anonymous memory above that before; also after `malloc_trim`);
and the processor time of a batch without the arena beside one with it, in turn, n = 30, median with an interval of
order statistics (95 %). One thread.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort

from kardus.inference.bundle import read_bundle
from kardus.inference.graph_forms import INPUT, OUTPUTS
from kardus.inference.onnx_session import UNWANTED_OPTIMIZERS
from kardus.support.memory import give_back, share_one_heap
from tests.benchmarks.networks import LIGHT, bundle_of
from tests.benchmarks.pairs import in_turn, ratio

NETWORKS = (LIGHT, "kardus-int8", "resnet18-int8", "resnet50-rmcsam-int8")
BATCH, ROUNDS, WARM_UP = 8, 30, 3


def work_of(network: str, *, has_arena: bool) -> Callable[[], float]:
    """Opens a session; gives what runs a batch, and the processor time of that in seconds."""
    bundle = read_bundle(bundle_of(network))
    side = bundle.manifest.input.size
    crops = np.random.default_rng(0).integers(0, 256, (BATCH, side, side, 3), dtype=np.uint8)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_mem_pattern = False
    options.enable_cpu_mem_arena = has_arena
    session = ort.InferenceSession(
        bundle.model, options, providers=["CPUExecutionProvider"], disabled_optimizers=UNWANTED_OPTIMIZERS
    )

    def run() -> float:
        began = time.process_time()
        session.run(OUTPUTS, {INPUT: crops})
        return time.process_time() - began

    return run


def kept_mb(network: str, *, has_arena: bool) -> tuple[float, float]:
    """What this process keeps after some batches, and after the C library has given back what is free."""
    share_one_heap()  # as `kardus-agent run` does
    before = _anonymous_mb()
    run = work_of(network, has_arena=has_arena)
    for _ in range(2 * WARM_UP):
        run()
    kept = _anonymous_mb()
    give_back()
    return kept - before, _anonymous_mb() - before


def _anonymous_mb() -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024 / 1e6


def main(networks: list[str]) -> None:
    """Print a line of JSON for each network."""
    for network in networks:
        bundle_of(network, print)
        found = {}
        for has_arena in (True, False):
            command = [sys.executable, "-m", "tests.scripts.arena", "--kept", network, *["arena"] * has_arena]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found["with" if has_arena else "without"] = json.loads(done.stdout)
        works = {str(has): work_of(network, has_arena=has) for has in (True, False)}
        times = in_turn(works, ROUNDS, WARM_UP)
        each = ratio(times["False"], times["True"])
        time_ratio = [round(value, 3) for value in (each.value, each.low, each.high)]
        print(json.dumps({"network": network, "kept_and_trimmed_mb": found, "time_ratio": time_ratio, "n": each.n}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--kept"]:
        print(json.dumps([round(value, 1) for value in kept_mb(sys.argv[2], has_arena="arena" in sys.argv[3:])]))
    else:
        main(sys.argv[1:] or list(NETWORKS))
