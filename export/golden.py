"""Golden samples: one crop of every class with its outputs on the machine that built the bundle."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kardus.contract.manifest import GoldenSample

Float32Array = NDArray[np.float32]


def choose_golden(names: Sequence[str], labels: Sequence[str], logits: Float32Array) -> list[int]:
    """For each class the example with the largest logit margin, so that rounding doesn't change its predicted class.

    Args:
        names: the classes.
        labels: (N,), the class of each example.
        logits: (N, classes), the exported model's for the examples.
    """
    top = np.sort(logits, axis=1)
    margin = top[:, -1] - top[:, -2]
    chosen = []
    for number, label in enumerate(names):
        rank = list(zip(logits.argmax(axis=1) == number, margin, strict=True))
        chosen.append(max((i for i, name in enumerate(labels) if name == label), key=rank.__getitem__))
    return chosen


def golden_samples(names: Sequence[str], logits: Float32Array) -> list[GoldenSample]:
    """The samples of all classes, in their order, from a network's logits (classes, classes) for the chosen crops."""
    return [
        GoldenSample(
            file=f"golden/{number}.png",
            label=label,
            top1=names[int(row.argmax())],
            logits=tuple(round(float(value), 5) for value in row),
        )
        for number, (label, row) in enumerate(zip(names, logits, strict=True))
    ]
