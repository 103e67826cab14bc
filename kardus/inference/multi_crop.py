"""Multi-crop inference: what a crop shows is judged by the mean over itself and its four overlapping quarters.

Each part shows some of the carton larger. The mean is surer of what is known and less sure of what isn't (multi-crop
testing: Krizhevsky et al., NeurIPS 2012; that such means tell strangers better: docs/adr/0047-multi-crop.md). It costs
four crops more, so only crops that look less like the classes than most known ones do are judged so: the others are
known either way.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kardus.contract.manifest import Calibration
from kardus.inference.classification import Float32Array, rejection_scores
from kardus.inference.preprocess import Pixels
from kardus.inference.raw_outputs import RawOutputs

CORNER_CROPS = 4
"""The parts of a crop: one in each corner."""
PART_SIDE = 0.8
"""Their width and height, as a share of the crop's."""

Run = Callable[[Pixels], RawOutputs]
"""The network's outputs for crops (N, S, S, 3) uint8 RGB."""


def outputs_of(crops: Pixels, run: Run, calibration: Calibration, prototypes: Float32Array) -> RawOutputs:
    """Outputs for crops (N, S, S, 3) uint8 RGB, N from 1, as the agent's classifier judges by them.

    Args:
        crops: as above.
        run: gives the network's outputs.
        calibration: says which score counts, and below which of them a crop is judged by its parts, too.
        prototypes: (classes, d).
    """
    outputs, below = run(crops), calibration.multi_crop_below
    if below is None:
        return outputs
    kind, blend = calibration.rejection_score, calibration.blend
    low = rejection_scores(kind, outputs.logits, outputs.embedding, prototypes, blend) < below
    return with_parts(outputs, crops, low, run) if low.any() else outputs


def mean_outputs(outputs: RawOutputs, crops: Pixels, run: Run) -> RawOutputs:
    """Outputs over several parts of each of the crops (N, S, S, 3), N from 1, whose own are `outputs`."""
    return with_parts(outputs, crops, np.ones(len(crops), dtype=bool), run)


def with_parts(outputs: RawOutputs, crops: Pixels, low: NDArray[np.bool_], run: Run) -> RawOutputs:
    """The outputs for crops (N, S, S, 3), those of some (N,), one at least, averaged with those of their parts."""
    of_parts = run(parts_of(crops[low]))
    return replace(
        outputs,
        logits=_averaged(outputs.logits, low, of_parts.logits),
        embedding=_averaged(outputs.embedding, low, of_parts.embedding),
    )


def parts_of(crops: Pixels) -> Pixels:
    """The parts of crops (N, S, S, 3) uint8 RGB, each as large as a crop: (N * CORNER_CROPS, S, S, 3), crop by crop."""
    side = crops.shape[1]
    near, far = 0.0, (1 - PART_SIDE) * side
    boxes = [(x, y, x + PART_SIDE * side, y + PART_SIDE * side) for y in (near, far) for x in (near, far)]
    pictures = [Image.fromarray(crop) for crop in crops]
    parts = [picture.resize((side, side), Image.Resampling.BILINEAR, box) for picture in pictures for box in boxes]
    return np.stack([np.asarray(part) for part in parts])


def _averaged(values: Float32Array, low: NDArray[np.bool_], of_parts: Float32Array) -> Float32Array:
    result = values.copy()
    parts = of_parts.reshape(-1, CORNER_CROPS, values.shape[1])
    result[low] = (values[low] + parts.sum(axis=1)) / np.float32(CORNER_CROPS + 1)
    return result
