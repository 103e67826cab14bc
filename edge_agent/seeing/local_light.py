"""A second opinion on slots that look otherwise: whether another light alone explains it.

A lamp that goes out, a shadow, the sun on a part of the rack and a camera's other gamma change neighbouring places
alike, whatever stands there; somebody in front doesn't. So each place of a slot's surroundings is held against its
earlier self by the change that its neighbours show: level' = gain * level ** exponent, with one exponent for the
picture (its contrast) and a gain for each place, the running median of those beside it, which keeps the edge of a
shadow sharp. A light may be as dim as it likes, but its colour differs little from that of the whole picture.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edge_agent.seeing.colours import GAIN_SLACK, RING, RING_SIDE, WHITE, Colours, ColourSample, SlotColours

BESIDE = 2
"""A place's gain is the median of so many places on each side of it, on both rings."""
BRIGHTNESS_SLACK = 8.0
"""A part of the rack may be lit by this factor less, or more, than the picture as a whole, ..."""
COLOUR_SLACK = 1.6
"""... and a channel of it by this one, beyond its brightness."""
EXPONENTS = (0.4, 2.5)
CONTRAST = 0.25
"""Places that differ from their neighbours by this, as a logarithm of levels, tell the exponent ..."""
MIN_CONTRASTS = 48
"""... if there are so many of them; else it is 1."""
SPLIT = 0.14
"""The edge of a light runs through a slot where the lights around it differ by so much (a logarithm of levels)."""
HALO = 0.3
"""A camera that sharpens makes an edge's dark side darker by this share of the edge, and its bright side brighter."""
DARKEST, BRIGHTEST = 8, 250
"""Levels between which a place tells what the light is."""
DIMMED = 3.0
"""In the dark a difference counts for so much more at most: there everything differs by less, but for noise."""
_SIDES = 4


@dataclass(frozen=True)
class RelitSlots:
    """n slots held against their earlier selves, in the light that explains most."""

    around: Colours
    """What no light explains, in levels of the earlier picture, of each place around: (n, places, 3)."""
    contents: Colours
    """The same of each place within: (n, GRID * GRID, 3) ..."""
    crossed: Colours
    """... and where the edge of a light may run through it: between the lights around it."""


def held_against(now: SlotColours, before: SlotColours, own: NDArray[np.bool_]) -> RelitSlots:
    """What is left of the differences of n slots once light has been taken out of them.

    Args:
        now: n slots.
        before: the same slots.
        own: which places around each belong to no slot, (n, places).
    """
    tells = own[..., None] & _is_unclipped(now.around.here) & _is_unclipped(before.around.here)
    level, earlier = (_by_side(np.where(tells, _log(part.around.here), np.nan)) for part in (now, before))
    exponent = _exponent(level, earlier)
    ratios = level - np.float32(exponent) * earlier  # (n, sides, 3, rings, steps)
    whole = _median(np.moveaxis(ratios, 2, 0).reshape(3, -1), np.zeros(3, np.float32))
    of_slots = _bounded(_median(np.moveaxis(ratios, 2, 1).reshape(len(own), 3, -1), whole), whole)
    of_places = _bounded(_beside(ratios, of_slots), whole)
    within = _within(now.contents, before.contents, of_slots, exponent)[:, None, :]
    contents = crossed = _unexplained(now.contents, before.contents, within, exponent)
    brightness = of_places.mean(axis=2)
    low, high = brightness.min(axis=1), brightness.max(axis=1)
    if (split := high - low > SPLIT).any():
        across = _across(now.contents, before.contents, of_slots, exponent, (low, high))
        least = np.minimum(contents, _unexplained(now.contents, before.contents, across, exponent))
        crossed = np.where(split[:, None, None], least, contents)
    return RelitSlots(_unexplained(now.around, before.around, of_places, exponent), contents, crossed)


def _within(now: ColourSample, before: ColourSample, of_slots: Colours, exponent: float) -> Colours:
    """The gains of n contents, as logarithms (n, 3): what is clipped now or was then says nothing of the light."""
    ratios = _log(now.here) - np.float32(exponent) * _log(before.here)
    tells = _is_unclipped(now.here) & _is_unclipped(before.here)
    own = _median(np.where(tells, ratios, np.nan).transpose(0, 2, 1), of_slots)
    slack = np.log(GAIN_SLACK)
    bounded: Colours = np.clip(own, of_slots - slack, of_slots + slack)
    return bounded


def _across(
    now: ColourSample, before: ColourSample, of_slots: Colours, exponent: float, between: tuple[Colours, Colours]
) -> Colours:
    """The gains of each place within (n, places, 3), where the edge of a light runs through a content.

    Each place is as bright as it likes, between the darkest and the brightest light around it (n each), in the slot's
    tint.
    """
    tint = (of_slots - of_slots.mean(axis=1, keepdims=True))[:, None, :]
    ratios = _log(now.here) - np.float32(exponent) * _log(before.here) - tint
    low, high = (bound[:, None, None] for bound in between)
    tells = _is_unclipped(now.here) & _is_unclipped(before.here)
    clipped = np.where(now.here.max(axis=2, keepdims=True) >= BRIGHTEST, high, low)
    own = np.where(tells.any(axis=2, keepdims=True), _mean(np.where(tells, ratios, np.nan), axis=2), clipped)
    gains: Colours = np.clip(own, low, high) + tint
    return gains


def _is_unclipped(levels: Colours) -> NDArray[np.bool_]:
    can: NDArray[np.bool_] = (levels > DARKEST) & (levels < BRIGHTEST)
    return can


def _log(levels: Colours) -> Colours:
    logarithms: Colours = np.log(levels + 1)
    return logarithms


def _by_side(values: Colours) -> Colours:
    """Places around n slots (n, places, 3), as (n, sides, 3, rings, steps): neighbours lie beside each other."""
    sides: Colours = values.reshape(len(values), len(RING), _SIDES, RING_SIDE, 3).transpose(0, 2, 4, 1, 3)
    return sides


def _exponent(level: Colours, earlier: Colours) -> float:
    """How contrasts have grown: the weighted median of what neighbouring places show."""
    now, before = (
        part - _median(part.reshape(*part.shape[:3], -1), np.float32(0))[..., None, None] for part in (level, earlier)
    )
    counts = np.abs(before) > CONTRAST  # false where nothing tells
    if np.count_nonzero(counts) < MIN_CONTRASTS:
        return 1.0
    slopes, weights = now[counts] / before[counts], np.abs(before[counts])
    order = np.argsort(slopes)
    total = np.cumsum(weights[order])
    return float(np.clip(slopes[order][np.searchsorted(total, total[-1] / 2)], *EXPONENTS))


def _beside(ratios: Colours, of_slots: Colours) -> Colours:
    """The running median of ratios (n, sides, 3, rings, steps) along each side, as (n, places, 3).

    Where nothing tells, it is that of the slot, `of_slots` (n, 3).
    """
    padded = np.pad(ratios, ((0, 0),) * 4 + ((BESIDE, BESIDE),), constant_values=np.nan)
    windows = sliding_window_view(padded, 2 * BESIDE + 1, axis=4)  # (n, sides, 3, rings, steps, beside)
    together = np.moveaxis(windows, 3, 4).reshape(*ratios.shape[:3], RING_SIDE, -1)
    usual = of_slots[:, None, :, None]
    medians = _median(together, np.float32(np.nan))  # (n, sides, 3, steps)
    others = _mean(medians - usual, axis=2)  # a channel that is clipped has the light of those that aren't
    medians = np.where(np.isnan(medians), usual + others, medians)
    of_ring = medians.transpose(0, 1, 3, 2).reshape(len(ratios), 1, -1, 3)
    return np.repeat(of_ring, len(RING), axis=1).reshape(len(ratios), -1, 3)


def _bounded(gains: Colours, whole: Colours) -> Colours:
    """Gains (..., 3), as logarithms, that light can have in a picture whose gains are `whole` (3,)."""
    beyond = gains - whole
    brightness = beyond.mean(axis=-1, keepdims=True)
    dim, tint = np.log(BRIGHTNESS_SLACK), np.log(COLOUR_SLACK)
    bounded: Colours = whole + np.clip(brightness, -dim, dim) + np.clip(beyond - brightness, -tint, tint)
    return bounded


def _unexplained(now: ColourSample, before: ColourSample, gains: Colours, exponent: float) -> Colours:
    """By how much each place is darker or brighter than such a light makes it (as `colours.differences`)."""
    least, here, most = (np.exp(gains + exponent * _log(edge)) - 1 for edge in (before.least, before.here, before.most))
    halo = HALO * (most - least)
    too_dark = np.minimum(least - halo, WHITE) - now.here
    too_bright = now.here - np.where(before.most >= WHITE, WHITE, np.minimum(most + halo, WHITE))
    dimmed = np.clip((before.here + 1) / (here + 1), 1, DIMMED)
    rest: Colours = np.maximum(np.maximum(too_dark, too_bright), 0) * dimmed
    return rest


def _median(values: Colours, otherwise: Colours | np.float32) -> Colours:
    """The lower median of the last axis without NaN; `otherwise` where there is nothing else."""
    ordered = np.sort(values, axis=-1)  # NaN last
    count = (~np.isnan(values)).sum(axis=-1)
    middle = np.take_along_axis(ordered, np.maximum(count - 1, 0)[..., None] // 2, axis=-1)[..., 0]
    median: Colours = np.where(count > 0, middle, otherwise)
    return median


def _mean(values: Colours, axis: int) -> Colours:
    """The mean of an axis, which stays, without NaN; 0 where there is nothing else."""
    counts = ~np.isnan(values)
    total = np.where(counts, values, 0).sum(axis=axis, keepdims=True)
    mean: Colours = total / np.maximum(counts.sum(axis=axis, keepdims=True), 1)
    return mean
