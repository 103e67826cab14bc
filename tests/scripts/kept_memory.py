"""What keeping freed memory spares a training step: python -m tests.scripts.kept_memory [PAIRS].

Steps of the default recipe (EfficientNet-Lite0 at 224 px, batches of 32, 32 bits, one thread) in processes of their
own, which keep what is freed (`kardus.support.memory.keep_freed`) or don't, in turn. Printed: the ratio of their
processor times with an interval of order statistics (95 %), the pages that each step was given, and the largest memory.
"""

import json
import resource
import subprocess
import sys
import time

import torch

from kardus.support.memory import keep_freed
from tests.benchmarks.pairs import median, ratio
from train.config import make_config
from train.networks.carton import CartonNet
from train.recipe import read_recipe

PAIRS, STEPS, WARM_UP, CLASSES = 10, 3, 2, 28
Figures = tuple[float, float, float]
"""Of a step: seconds of processor time, pages; of the process: MB at most."""


def measure() -> Figures:
    """In this process."""
    torch.set_num_threads(1)
    config = make_config(**read_recipe("kardus"))
    network = CartonNet(config.arch, CLASSES).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters())
    crops = torch.rand(config.batch, 3, config.size, config.size) * 255
    for step in range(WARM_UP + STEPS):
        if step == WARM_UP:
            began, pages = time.process_time(), _usage().ru_minflt
        optimizer.zero_grad()
        network(crops).square().mean().backward()
        optimizer.step()
    used = (time.process_time() - began) / STEPS
    return used, (_usage().ru_minflt - pages) / STEPS, _usage().ru_maxrss * 1024 / 1e6


def _usage() -> resource.struct_rusage:
    return resource.getrusage(resource.RUSAGE_SELF)


def main(pairs: int) -> None:
    """Measure in turn, print."""
    found: dict[str, list[Figures]] = {"kept": [], "returned": []}
    for number in range(pairs):
        for how in sorted(found, reverse=number % 2 == 1):
            command = [sys.executable, "-m", "tests.scripts.kept_memory", "--one", how]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[how].append(json.loads(done.stdout))
    for how, figures in found.items():
        seconds, faults, memory = (median([one[place] for one in figures]).value for place in range(3))
        print(f"{how}: {seconds:.2f} s of processor time a step, {faults:,.0f} pages, {memory:,.0f} MB at most")
    each = ratio([one[0] for one in found["kept"]], [one[0] for one in found["returned"]])
    print(f"kept / returned: {each.value:.3f} ({each.low:.3f} to {each.high:.3f}, n = {each.n})")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        if sys.argv[2] == "kept":
            keep_freed()
        print(json.dumps(measure()))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else PAIRS)
