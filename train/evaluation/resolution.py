"""Accuracy by resolution: how many pixels a carton needs in the image, and so how near or how good a camera."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from kardus.contract.manifest import PixelAccuracy
from kardus.inference.preprocess import Pixels, read_photo, rectify_whole
from train.data.data_set import Sample
from train.evaluation.metrics import proportion
from train.evaluation.predictor import Predictor

SIDES_PX = (16, 24, 32, 48, 64, 96, 128, 192, 256)
MAX_PHOTOS = 200


def accuracy_by_pixels(model: Predictor, samples: Sequence[Sample]) -> tuple[PixelAccuracy, ...]:
    """Accuracy by class on photos downscaled to each of SIDES_PX, up to the size of the smallest photo.

    On at most MAX_PHOTOS photos, evenly spaced. The carton is assumed to fill the photo, so that a figure holds for
    crops like it.
    """
    chosen = [samples[i] for i in np.linspace(0, len(samples) - 1, min(len(samples), MAX_PHOTOS)).astype(int)]
    with ThreadPoolExecutor(max_workers=4) as pool:
        photos = list(pool.map(_read_smaller, chosen))
    names = [info.name for info in model.classes]
    curve = []
    for side in (side for side in SIDES_PX if all(side in photo for photo in photos)):
        crops = np.stack([rectify_whole(photo[side], model.size_px) for photo in photos])
        answers = model.outputs(crops).logits.argmax(axis=1)
        hits = sum(names[int(a)] == sample.name for a, sample in zip(answers, chosen, strict=True))
        curve.append(PixelAccuracy(side_px=side, accuracy=proportion("class", hits, len(chosen))))
    return tuple(curve)


def _read_smaller(sample: Sample) -> dict[int, Pixels]:
    """The photo at each of SIDES_PX that it has the pixels for: in memory, all of these are a fraction of the photo."""
    photo = read_photo(sample.path)
    return {side: _smaller(photo, side) for side in SIDES_PX if side <= min(photo.shape[:2])}


def _smaller(photo: Pixels, side_px: int) -> Pixels:
    """The photo downscaled by area averaging to a shorter side of `side_px`, as a camera farther away would see it."""
    height, width = photo.shape[:2]
    scale = side_px / min(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BOX))
