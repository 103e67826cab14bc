"""Finds near-duplicate photos: bursts of one carton, copies under two labels, leakage between splits.

Perceptual hash of 64 bits: the signs of the lowest frequencies of a discrete cosine transform (Zauner, "Implementation
and Benchmarking of Perceptual Image Hash Functions", 2010). It finds candidates; their similarity is the
correlation of their brightness.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kardus.inference.preprocess import Pixels

NEARLY_SAME_BITS = 10
"""Two photos whose hashes differ in at most so many bits are candidates for near-duplicates."""
NEARLY_SAME_CORRELATION = 0.95
"""Smallest similarity of near-duplicates. Separate photos of one carton in one place stay below."""
_SIDE, _KEPT = 32, 8
_CHUNK = 1024
_WAVES = np.cos(np.pi * np.arange(_SIDE)[:, None] * (2 * np.arange(_SIDE)[None, :] + 1) / (2 * _SIDE))


def perceptual_hash(photo: Pixels) -> int:
    """A hash of 64 bits of a photo (height, width, 3) uint8; near-duplicates differ in few bits."""
    grey = Image.fromarray(photo).convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    spectrum = (_WAVES @ np.asarray(grey, dtype=np.float64) @ _WAVES.T)[:_KEPT, :_KEPT].ravel()
    bits = spectrum > np.median(spectrum[1:])  # the first is the mean brightness, which doesn't depend on the content
    bits[0] = False
    return int(np.packbits(bits).view(">u8")[0])


def brightness(photo: Pixels) -> NDArray[np.float64]:
    """The photo's brightness on a grid of 32 x 32, with mean 0 and norm 1: shape (1024,)."""
    small = Image.fromarray(photo).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    grid = np.asarray(small, dtype=np.float64)
    flat = grid.ravel() - grid.mean()
    even: NDArray[np.float64] = flat / max(float(np.linalg.norm(flat)), 1e-9)
    return even


def brightness_correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The similarity of two photos, the correlation of their `brightness`: -1 to 1, 1 for a copy."""
    return float(one @ other)


def nearly_same(hashes: Sequence[int], bits: int = NEARLY_SAME_BITS) -> list[tuple[int, int]]:
    """Every pair of indices (first below second) whose hashes differ in at most `bits` bits."""
    codes = np.array(hashes, dtype=np.uint64)
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(codes), _CHUNK):
        distance = np.bitwise_count(codes[start : start + _CHUNK, None] ^ codes[None, :])
        rows, columns = np.nonzero(distance <= bits)
        later = columns > rows + start
        pairs.extend((int(i) + start, int(j)) for i, j in zip(rows[later], columns[later], strict=True))
    return pairs


def groups(count: int, pairs: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """The group of each of `count` photos, shape (count,): the connected components of the graph of pairs."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - the command line imports this module before it needs scipy
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    ends = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(pairs)), (ends[0], ends[1])), shape=(count, count))
    components: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return components
