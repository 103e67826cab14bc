"""Registers a later picture against the reference picture: finds its marks again, and the motion that they tell.

Marks are small patches with edges in two directions. They are compared by normalised cross-correlation (Lewis, Fast
Normalized Cross-Correlation, 1995), which doesn't mind other light. The motion is a shift, a turn and a zoom that fit
the marks, or a shift of the whole picture. How sharp a picture is is told by its marks, too. Pictures are grey and
reduced: arrays (height, width) float32; positions are (x, y) in their pixels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from kardus.inference.geometry import Float64Array, project
from kardus.inference.part_decoded import PartlyDecodedPicture
from kardus.inference.preprocess import Pixels

FloatGrey = NDArray[np.float32]
PATCH = 24
"""Width and height of a patch, in pixels of the reduced picture."""
MAX_MARKS = 32
"""Marks enough to fit a motion to, however many of them a person covers."""
LIKE = 0.7
"""Correlation from which a patch is taken to be the mark."""
FEW_FIXED_MARKS = 12
"""With fewer marks that can't change, those that can are taken too."""
MIN_PATCH_SHARE = 0.15
"""Share of a patch that must lie where nothing is expected to change."""
_AT_ONCE = 1_000_000
"""So many pixels of patches are copied at a time: 4 MB."""
_EDGES = 0.95  # noise has no strong edges, and print has some
_STRONG_TO_TYPICAL = 2.91  # of normally distributed values without their signs: this quantile to their median
_PLAIN = 1.0  # grey levels squared: the strength of a patch that tells no place


MIN_MARKS = 3
"""Two fix a similarity; a third can contradict them."""
_WHOLE = 255
_NO_SPREAD = 1e-9  # pixels squared: points in one place tell a shift, and no turn
MOVED_PX = 0.5
"""Pixels of the reduced picture up to which a camera stands still."""
AGREE_PX = 1.5
"""A mark that lies further from the motion of the others, in pixels of the reduced picture, was mistaken."""


@dataclass(frozen=True)
class ReferencePatches:
    """Patches of the reference picture."""

    corners: NDArray[np.int64]
    """Top left corner of each, (n, 2)."""
    patches: FloatGrey
    """(n, PATCH, PATCH), each of mean 0 and length 1 where it counts, and 0 elsewhere."""
    counts: FloatGrey
    """(n, PATCH, PATCH): 1 where a pixel counts, 0 where the picture is expected to change."""
    lasting: int
    """The first so many hold nothing that is expected to change; the others were taken for want of such."""

    def some(self, which: NDArray[np.intp]) -> "ReferencePatches":
        """Those of these indices, in their order."""
        lasting = int((which < self.lasting).sum())
        return ReferencePatches(self.corners[which], self.patches[which], self.counts[which], lasting)

    @property
    def centres(self) -> Float64Array:
        """(n, 2)."""
        return self.corners.astype(np.float64) + PATCH / 2


@dataclass(frozen=True)
class FoundMarks:
    """Where the marks are in a later picture."""

    shifts: Float64Array
    """(n, 2), to a fraction of a pixel."""
    likeness: FloatGrey
    """The correlation there, (n,), at most 1."""
    inside: NDArray[np.bool_]
    """Whether that is a peak, (n,), and not the edge of what was searched."""

    @property
    def sure(self) -> NDArray[np.bool_]:
        """Which of them were found, (n,)."""
        return (self.likeness >= LIKE) & self.inside


def choose_marks(
    grey: FloatGrey, changing: NDArray[np.bool_], never: NDArray[np.bool_] | None = None
) -> ReferencePatches:
    """The patches whose place is told best by their content, spread over the picture.

    Strength is the smaller eigenvalue of the structure tensor (Shi and Tomasi, Good Features to Track, CVPR 1994).

    Args:
        grey: the reference picture.
        changing: (height, width), where the picture is expected to change. That part of a patch doesn't count, unless
            there is too little else.
        never: (height, width), what doesn't count even then.
    """
    marks = _strongest(grey, ~changing)
    if len(marks.corners) >= FEW_FIXED_MARKS:
        return marks
    anything = np.ones_like(changing) if never is None else ~never
    return _joined(marks, _strongest(grey, anything))


def _strongest(grey: FloatGrey, counts: NDArray[np.bool_]) -> ReferencePatches:
    strength, where = _patch_strengths(np.gradient(grey, axis=1) * counts, np.gradient(grey, axis=0) * counts)
    parts = np.array([_patch(counts, x, y).mean() for x, y in where])
    good = np.flatnonzero((strength > _PLAIN) & (parts >= MIN_PATCH_SHARE))
    chosen = where[good[np.argsort(-strength[good])[:MAX_MARKS]]].reshape(-1, 2)
    masks = np.array([_patch(counts, x, y) for x, y in chosen], np.float32).reshape(-1, PATCH, PATCH)
    patches = np.array([_patch(grey, x, y) for x, y in chosen], np.float32).reshape(-1, PATCH, PATCH)
    means = (patches * masks).sum(axis=(1, 2), keepdims=True) / np.maximum(masks.sum(axis=(1, 2), keepdims=True), 1)
    centred = (patches - means) * masks
    scaled = centred / np.maximum(np.sqrt((centred**2).sum(axis=(1, 2), keepdims=True)), 1e-6)
    return ReferencePatches(chosen, scaled, masks, len(chosen))


def _joined(lasting: ReferencePatches, others: ReferencePatches) -> ReferencePatches:
    """All that last, and of the others as many as there is room for."""
    room = slice(0, MAX_MARKS - len(lasting.corners))
    return ReferencePatches(
        np.concatenate([lasting.corners, others.corners[room]]),
        np.concatenate([lasting.patches, others.patches[room]]),
        np.concatenate([lasting.counts, others.counts[room]]),
        lasting.lasting,
    )


def find_marks(marks: ReferencePatches, grey: FloatGrey, near: Float64Array, reach: int) -> FoundMarks:
    """Look for each mark within `reach` pixels of where it should be.

    Args:
        marks: those of the reference picture.
        grey: the later picture, of the same size.
        near: shifts (n, 2) of the marks that are expected.
        reach: pixels, 1 or more.
    """
    start = np.round(near).astype(int)
    size = PATCH + 2 * reach
    places = np.clip(marks.corners + start, -PATCH, [grey.shape[1], grey.shape[0]])
    windows = _windows(grey, places - reach, size)
    correlation = _correlate(windows, marks)
    flat = correlation.reshape(len(near), (2 * reach + 1) ** 2)
    ys, xs = np.unravel_index(flat.argmax(axis=1), correlation.shape[1:])
    each = np.arange(len(near))
    peaks = np.stack([xs + _vertices(correlation[each, ys, :], xs), ys + _vertices(correlation[each, :, xs], ys)], 1)
    inside = (ys > 0) & (ys < 2 * reach) & (xs > 0) & (xs < 2 * reach)
    return FoundMarks(start + peaks - reach, flat.max(axis=1, initial=-1.0), inside)


def _windows(grey: FloatGrey, corners: NDArray[np.int64], size: int) -> FloatGrey:
    """Squares of a picture, (n, size, size), with these top left corners (n, 2), from -size to its width and height.

    Beyond its edges stands what is at them. Most lie inside, and all of a picture is copied for none of those.
    """
    if ((corners < 0) | (corners + size > [grey.shape[1], grey.shape[0]])).any():
        grey = np.pad(grey, size, mode="edge")
        corners = corners + size
    return np.array([grey[y : y + size, x : x + size] for x, y in corners.tolist()], np.float32).reshape(-1, size, size)


def find_marks_near(marks: ReferencePatches, grey: FloatGrey, near: Float64Array, reach: int) -> FoundMarks:
    """As `find_marks`; a mark that has a peak where it should be is looked for no further: cameras stand still."""
    found = find_marks(marks, grey, near, 1)
    others = np.flatnonzero(~found.sure)
    if not len(others):
        return found
    again = find_marks(marks.some(others), grey, near[others], reach)
    for known, new in ((found.shifts, again.shifts), (found.likeness, again.likeness), (found.inside, again.inside)):
        known[others] = new
    return found


def _patch_strengths(across: FloatGrey, down: FloatGrey) -> tuple[FloatGrey, NDArray[np.int64]]:
    """The strength of the patches of a grid, and their top left corners."""
    height, width = across.shape
    rows, columns = height // PATCH, width // PATCH
    blocks = [
        product[: rows * PATCH, : columns * PATCH].reshape(rows, PATCH, columns, PATCH).mean(axis=(1, 3))
        for product in (across * across, down * down, across * down)
    ]
    xx, yy, xy = blocks
    smaller = (xx + yy) / 2 - np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    ys, xs = np.mgrid[0:rows, 0:columns] * PATCH
    return smaller.ravel(), np.stack([xs.ravel(), ys.ravel()], axis=1)


def _correlate(windows: FloatGrey, marks: ReferencePatches) -> FloatGrey:
    """Normalised cross-correlation of each patch at every place of its window, from -1 to 1: (n, places, places)."""
    n, size = windows.shape[:2]
    places = size - PATCH + 1
    middle = windows - windows.mean(axis=(1, 2), keepdims=True)  # small numbers keep the difference below exact
    views = sliding_window_view(middle, (PATCH, PATCH), (1, 2))
    sought = np.stack([marks.patches.reshape(n, -1), marks.counts.reshape(n, -1)], axis=2)
    sums = np.empty((n, places * places, 3), np.float32)
    at_once = max(1, _AT_ONCE // (places * places * PATCH * PATCH))
    for few in (slice(first, first + at_once) for first in range(0, n, at_once)):
        rows = views[few].reshape(-1, places * places, PATCH * PATCH)  # copied: a product of matrices is far quicker
        sums[few, :, :2] = rows @ sought[few]
        sums[few, :, 2:] = np.square(rows) @ sought[few, :, 1:]
    dot, total, squares = np.moveaxis(sums, 2, 0)
    energy = squares - total**2 / np.maximum(marks.counts.sum(axis=(1, 2)), 1)[:, None]
    result: FloatGrey = (dot / np.sqrt(np.maximum(energy, 1.0))).reshape(n, places, places)
    return result


def _vertices(values: FloatGrey, at: NDArray[np.intp]) -> Float64Array:
    """How far the peak of each row of (n, places) is from place `at` (n,): the vertex of a parabola through three."""
    each, middle = np.arange(len(at)), np.clip(at, 1, values.shape[1] - 2)
    before, here, after = (values[each, middle + step].astype(np.float64) for step in (-1, 0, 1))
    bend = before - 2 * here + after
    is_peak = (middle == at) & (bend < 0)
    found: Float64Array = np.where(is_peak, 0.5 * (before - after) / np.where(is_peak, bend, 1.0), 0.0)
    return found


def _patch(values: NDArray[Any], x: int, y: int) -> NDArray[Any]:
    return values[y : y + PATCH, x : x + PATCH]


def fit_similarity(source: Float64Array, target: Float64Array) -> tuple[Float64Array, int]:
    """The similarity (3 x 3) that most of the points agree on, and how many do.

    It is fitted by least squares; where points contradict it, every pair of them proposes one (RANSAC without chance:
    they are few), and it is fitted to those that agree with the best.

    Args:
        source: (n, 2).
        target: (n, 2).

    Returns:
        The identity and 0 where fewer than MIN_MARKS agree.
    """
    if len(source) < MIN_MARKS:
        return np.eye(3), 0
    whole = _least_squares(source, target)
    if (_errors(whole, source, target) <= AGREE_PX).all():
        return whole, len(source)
    best = np.zeros(len(source), bool)
    for first in range(len(source)):
        for second in range(first + 1, len(source)):
            pair = [first, second]
            if np.linalg.norm(source[first] - source[second]) < 1:
                continue
            agree = _errors(_least_squares(source[pair], target[pair]), source, target) <= AGREE_PX
            if agree.sum() > best.sum():
                best = agree
    if best.sum() < MIN_MARKS:
        return np.eye(3), 0
    return _least_squares(source[best], target[best]), int(best.sum())


def whole_shift(before: FloatGrey, now: FloatGrey) -> Float64Array:
    """By how much a picture as a whole has been shifted, however far, if it has: (2,), in whole pixels.

    Phase correlation (Kuglin and Hines, The phase correlation image alignment method, 1975): light and contrast don't
    count. Another picture gives some shift too: look there before you believe it.

    Args:
        before: (h, w).
        now: (h, w).
    """
    height, width = before.shape
    window = np.outer(np.hanning(height), np.hanning(width))  # a picture's borders would be the strongest edges
    first, second = (np.fft.rfft2((grey - grey.mean()) * window) for grey in (before, now))
    product = first.conj() * second
    peaks = np.fft.irfft2(product / np.maximum(np.abs(product), 1e-6), before.shape)
    y, x = np.unravel_index(peaks.argmax(), peaks.shape)
    middle = np.array([width // 2, height // 2])
    shift: Float64Array = ((np.array([x, y]) + middle) % [width, height] - middle).astype(np.float64)
    return shift


def _least_squares(source: Float64Array, target: Float64Array) -> Float64Array:
    """The similarity x' = a x - b y + c, y' = b x + a y + d, of points that don't all lie in one place."""
    middle, aim = source.mean(axis=0), target.mean(axis=0)
    (x, y), (to_x, to_y) = (source - middle).T, (target - aim).T
    spread = max(float(x @ x + y @ y), _NO_SPREAD)
    a, b = float(x @ to_x + y @ to_y) / spread, float(x @ to_y - y @ to_x) / spread
    c, d = aim - [a * middle[0] - b * middle[1], b * middle[0] + a * middle[1]]
    return np.array([[a, -b, c], [b, a, d], [0.0, 0.0, 1.0]])


def _errors(matrix: Float64Array, source: Float64Array, target: Float64Array) -> Float64Array:
    moved = source @ matrix[:2, :2].T + matrix[:2, 2]
    errors: Float64Array = np.linalg.norm(moved - target, axis=1)
    return errors


def sharpness(picture: Image.Image, centres: Float64Array, factor: int) -> FloatGrey:
    """How strong the strong edges around each centre are, beyond the sensor's noise and in shares of the light: (n,).

    The Laplacian, at half the picture's resolution. The patch with the weakest typical one tells the noise, which is
    taken off; but half of what was measured always stays: a mesh looks like noise, and is sharp.

    Args:
        picture: RGB.
        centres: (n, 2), in its pixels.
        factor: by which patches are larger in it than in the reduced picture.
    """
    reach = PATCH * factor // 2
    corners = _patch_corners(picture.size, centres, reach)
    greens = (picture.crop((x, y, x + 2 * reach, y + 2 * reach)).getchannel(1) for x, y in corners)
    patches = np.array([np.asarray(green) for green in greens], np.float32).reshape(-1, 2 * reach, 2 * reach)
    return _strength(patches[:, ::2, ::2] + patches[:, 1::2, ::2] + patches[:, ::2, 1::2] + patches[:, 1::2, 1::2])


def sharpness_of_part(picture: PartlyDecodedPicture, centres: Float64Array, factor: int) -> FloatGrey:
    """As `sharpness`, of a picture of which not all is decoded."""
    reach = PATCH * factor // 4
    half = -(-picture.size[0] // 2), -(-picture.size[1] // 2)
    corners = _patch_corners(half, centres / 2, reach)
    greens = picture.halved_greens([(x, y, x + 2 * reach, y + 2 * reach) for x, y in corners])
    return _strength(4 * np.array(greens, np.float32).reshape(-1, 2 * reach, 2 * reach))


def _strength(halved: FloatGrey) -> FloatGrey:
    """Of patches at half the picture's resolution, (n, side, side), with the sums of each two by two pixels."""
    around = halved[:, :-2, 1:-1] + halved[:, 2:, 1:-1] + halved[:, 1:-1, :-2] + halved[:, 1:-1, 2:]
    edges = np.abs(4 * halved[:, 1:-1, 1:-1] - around).reshape(len(halved), (halved.shape[1] - 2) ** 2)
    edges.sort(axis=1)
    strength: FloatGrey = edges[:, int(edges.shape[1] * _EDGES)]
    typical = edges[:, (edges.shape[1] - 1) // 2]
    noise = _STRONG_TO_TYPICAL * typical.min(initial=np.inf)
    light = halved.mean(axis=(1, 2)) / 4 + 1
    beyond: FloatGrey = np.sqrt(np.maximum(strength**2 - noise**2, strength**2 / 4)) / light
    return beyond


def _patch_corners(size: tuple[int, int], centres: Float64Array, reach: int) -> list[tuple[int, int]]:
    """The top left corners of patches around the centres (n, 2), kept inside a picture of this width and height."""
    corners = np.clip(np.round(centres).astype(int) - reach, 0, np.subtract(size, 2 * reach))
    return [(x, y) for x, y in corners.tolist()]


def undone(small: Pixels, shown: NDArray[np.bool_], motion: Float64Array) -> tuple[Pixels, NDArray[np.bool_]]:
    """A reduced picture (height, width, 3) as it would be, had its camera not moved; and which of its pixels say so.

    Args:
        small: uint8 RGB.
        shown: which pixels show what the camera sees, and no mask (height, width).
        motion: from the reference picture's pixels to this picture's, both reduced; a similarity (3 x 3).
    """
    size = small.shape[1], small.shape[0]
    to_now = tuple((motion / motion[2, 2])[:2].ravel())
    back, covered = (
        np.asarray(Image.fromarray(part).transform(size, Image.Transform.AFFINE, to_now, Image.Resampling.BILINEAR))
        for part in (small, shown.astype(np.uint8) * _WHOLE)
    )
    return back, covered == _WHOLE


def stands_still(motion: Float64Array, width: int, height: int) -> bool:
    """Whether a motion of reduced pictures of this size is none that matters."""
    edges = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    return bool(np.abs(project(motion, edges) - edges).max() <= MOVED_PX)
