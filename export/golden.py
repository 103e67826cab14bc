"""Golden samples: one crop of every class with its outputs on the machine that built the bundle."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from export.photo_selection import Crops
from kardus.contract.manifest import GoldenSample
from kardus.inference.preprocess import Pixels


def choose_golden(
    names: Sequence[str], examples: Crops, logits: NDArray[np.float32]
) -> tuple[list[GoldenSample], list[Pixels]]:
    """For each class the example with the largest logit margin, so that rounding doesn't change its predicted class.

    `logits` (N, classes) are the exported model's for the examples.
    """
    top = np.sort(logits, axis=1)
    margin = top[:, -1] - top[:, -2]
    samples, crops = [], []
    for number, label in enumerate(names):
        own = [index for index, name in enumerate(examples.names) if name == label]
        index = max(own, key=lambda i: (logits[i].argmax() == number, margin[i]))
        row = logits[index]
        samples.append(
            GoldenSample(
                file=f"golden/{number}.png",
                label=label,
                top1=names[int(row.argmax())],
                logits=tuple(round(float(value), 5) for value in row),
            )
        )
        crops.append(examples.pixels[index])
    return samples, crops
