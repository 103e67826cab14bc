"""Decoded photos, kept in memory: every photo is read and rectified once for a run."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from kardus.inference.preprocess import Pixels, read_converted, rectify_whole
from kardus.support.console import err
from kardus.support.errors import DataError
from train.data.data_set import DataSet


def load_crops(data: DataSet, size_px: int, label: str) -> Pixels:
    """Every photo of the data set as the classifier would see it: (n, size_px, size_px, 3) uint8 RGB.

    Raises:
        DataError: a photo is missing or unreadable.
    """
    doubtful: list[str] = []
    crops = np.empty((len(data.samples), size_px, size_px, 3), dtype=np.uint8)
    quiet = not err.is_terminal
    with ThreadPoolExecutor(max_workers=4) as pool:
        loaded = pool.map(lambda sample: _load_crop(sample.path, size_px, doubtful), data.samples)
        for index, crop in enumerate(
            track(loaded, label, len(data.samples), console=err, transient=True, disable=quiet)
        ):
            crops[index] = crop
    if doubtful:
        more = f" (and {len(doubtful) - 1} more: kardus-train check-data names them)" if doubtful[1:] else ""
        err.print(f"note: {doubtful[0]}{more}", highlight=False, soft_wrap=True)
    return crops


def _load_crop(path: Path, size_px: int, doubtful: list[str]) -> Pixels:
    """One photo's crop; what of its colours may be wrong is added to `doubtful`."""
    try:
        read = read_converted(path)
    except DataError as error:
        raise DataError(f"{error}: replace it, or take it out of the data set") from error
    doubtful += [f"{path}: {doubt}" for doubt in read.doubts]
    return rectify_whole(np.asarray(read.picture), size_px)


def label_indices(data: DataSet, names: list[str]) -> NDArray[np.int64]:
    """The index of each photo's class in `names`, shape (n,)."""
    position = {name: index for index, name in enumerate(names)}
    return np.array([position[sample.name] for sample in data.samples], dtype=np.int64)
