"""How much processor time a whole training takes by each recipe: python -m tests.scripts.training_time [RECIPE ...].

Times two steps of the real loop (augmentation, step, moving average) at every crop size that a recipe comes to, all
recipes in turn, in two rounds, and adds up the medians over the epochs of 886 photos and of the refit. Processor time,
not the clock: other work on the machine moves it less. Run it with OMP_NUM_THREADS=1: threads that wait count too.
"""

import statistics
import sys
import time
from collections import Counter
from functools import cache

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from train.augmentation.augmented_views import CACHE_MARGIN, FreshViews, Photos, size_of
from train.cli import quiet_libraries
from train.config import TrainConfig, make_config
from train.fitting.loop import train
from train.networks.carton import CartonNet
from train.recipe import read_recipe

PHOTOS, CLASSES, STEPS, ROUNDS = 886, 28, 2, 2


def steps_by_size(config: TrainConfig) -> Counter[int]:
    """How many steps a run of PHOTOS photos has at each crop size, its refit included."""
    config = config.for_photos(PHOTOS)
    batches = PHOTOS // config.batch
    found: Counter[int] = Counter()
    for epoch in range(1, config.epochs + 1):
        found[size_of(epoch, config)] += batches
    found[config.size] += batches * round(config.refit * config.epochs)
    return found


def step_seconds(config: TrainConfig, size_px: int) -> float:
    """Processor seconds of a step at this crop size."""
    config = config.model_copy(update={"size": size_px, "first_size": 0, "epochs": 1, "precision": "32"})
    views = _views(config)
    nothing = Photos(views.photos.pixels[:0], views.photos.labels[:0])
    network = CartonNet(config.arch, CLASSES)
    began = time.process_time()
    train(network, views, nothing, config, lambda _: None)
    return (time.process_time() - began) / STEPS


@cache
def _views(config: TrainConfig) -> FreshViews:
    """Two batches of noise, with the synthetic unknowns that are drawn once in a run."""
    count, side = STEPS * config.batch, round(config.size * CACHE_MARGIN)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, side, side, 3), np.uint8)
    views = FreshViews(Photos(pixels, rng.integers(0, CLASSES, count)), config)
    views.clutter(1, 1, torch.Generator().manual_seed(0))
    return views


def main(recipes: list[str]) -> None:
    """Time in turn, print."""
    quiet_libraries()
    configs = {recipe: make_config(**read_recipe(recipe)) for recipe in recipes}
    counts = {recipe: steps_by_size(config) for recipe, config in configs.items()}
    seen: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        for recipe, sizes in counts.items():
            for size_px in sorted(sizes):
                seen.setdefault((recipe, size_px), []).append(step_seconds(configs[recipe], size_px))
    total = {
        recipe: sum(number * statistics.median(seen[recipe, size_px]) for size_px, number in sizes.items())
        for recipe, sizes in counts.items()
    }
    table = Table("recipe", "steps", "processor minutes", f"of {recipes[-1]}'s")
    for recipe in recipes:
        shown = (str(counts[recipe].total()), f"{total[recipe] / 60:.1f}", f"{total[recipe] / total[recipes[-1]]:.2f}")
        table.add_row(recipe, *shown)
    Console(width=120).print(table)
    for (recipe, size_px), times in seen.items():
        print(f"{recipe}, {size_px} px: {', '.join(f'{seconds:.2f}' for seconds in times)} s a step")


if __name__ == "__main__":
    main(sys.argv[1:] or ["kardus", "light", "scratch"])
