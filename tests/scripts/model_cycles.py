"""Whole cycles of agents with several models, in turn: python -m tests.scripts.model_cycles MODEL MODEL [MODEL ...].

A cycle is what `tests.benchmarks.cycle` times: 16 locations of a 1080p JPEG file, all of them classified, each one's
state stored and acknowledged by a real Mosquitto; two threads. Models are those of `tests.benchmarks.networks`
(kardus-int8, light-int8, resnet18-int8 ...). Each has an agent of its own, all in this process, of which one works at a
time. Prints medians, and the median of the rounds' ratios to the last model's cycle.
"""

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.benchmarks.agent import AskedAgent
from tests.benchmarks.networks import bundle_of
from tests.benchmarks.pairs import in_turn, median, ratio
from tests.benchmarks.rack import ALWAYS, Bench, jpeg, picture_of
from tests.brokers import Mosquitto

LOCATIONS, THREADS = 16, 2


def main(models: Sequence[str], rounds: int) -> None:
    """Print a Markdown table."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        agents = {model: _agent(stack, Path(name) / model, model) for model in models}
        works = {model: partial(agent.look_acknowledged, LOCATIONS) for model, agent in agents.items()}
        times = in_turn(works, rounds)
    print(f"| model | a cycle of {LOCATIONS} locations | by {models[-1]}'s | n |\n|---|---|---|---|")
    for model, seconds in times.items():
        cycle, beside = median([1000 * s for s in seconds]), ratio(seconds, times[models[-1]])
        print(
            f"| {model} | {cycle.value:.1f} ms ({cycle.low:.1f} to {cycle.high:.1f}) "
            f"| {beside.value:.3f} ({beside.low:.3f} to {beside.high:.3f}) | {rounds} |"
        )


def _agent(stack: ExitStack, folder: Path, model: str) -> AskedAgent:
    folder.mkdir()
    bench, broker = Bench(LOCATIONS), Mosquitto(folder / "mosquitto")
    shelf = bench.shelf()
    picture_of(folder).write_bytes(jpeg(shelf, 0))
    broker.start()
    stack.callback(broker.kill)
    bench.expect(broker.port, shelf)
    config = bench.write_config(folder, broker.port, bundle_of(model, print), ALWAYS, threads=THREADS)
    return stack.enter_context(AskedAgent(config))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    main(options.models, options.rounds)
