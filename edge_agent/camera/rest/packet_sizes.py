"""Whether something moves, by the sizes of a stream's packets between its key frames; nothing is decoded for it.

An encoder sends what has changed. While nothing moves that is the sensor's noise, and what the last key frame left
coarse: sizes follow the same course after every key frame, B-frames and held rates included. The typical course, and
how far sizes stray from it, is this stream's own, learnt from time in which the agent found all at rest. What leaves it
on either side is a change: where the rate is held, it is what is left for the noise that shrinks.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

Strays = NDArray[np.float64]
"""Natural logarithms of sizes by the typical ones."""
COURSES = 16
"""Typical sizes are learnt from so many quiet courses, the newest: the packets from one key frame to the next ..."""
LEARNT_EVERY = 4
"""Once there are as many, they are looked at again after so many new ones: they hardly change any more."""
MIN_COURSES = 3
"""... and at each place after the key frame from so many at least."""
PACKETS_TOGETHER = 8
"""So many packets are judged together, ..."""
OUTSIDE, OF_LAST = 2, 6
"""... and where so many of these stray by themselves, sooner."""
FAR = 1.75
"""One alone that strays so many times as far is a jump: what changes from one frame to the next is in one packet."""
OUTER = 0.01
"""Share of the quiet strays at each end that is left to chance ..."""
SPREADS, AT_LEAST = 3.0, 0.03
"""... and how much further strays have to lead: in robust standard deviations, and at least (3 %)."""
BYTES = 128.0
"""A packet that says only "as before" has some tens of bytes, more or fewer: such differences are hardly any."""
TELLING = 0.25
"""Strays of packets together that are still quiet, beyond which something small that moves would be hidden."""
BEYOND, BEYOND_SHARE = 2, 0.05
"""So many packets, and of the typical course's number, may come beyond its end before it is another course: more of
them are held against nothing."""
RESTS_AFTER_S = 2.0
"""How long after the last movement it counts as rest."""
OTHER_LEVEL_S = 20.0
"""Sizes that stray for so long, while the agent sees nothing move, are of another noise level, which is learnt anew."""
KEY_SPREADS, KEY_AT_LEAST = 4.0, 0.01
"""Where a key frame is so many robust standard deviations, and at least 1 %, off the one before, something moved."""
_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class StrayBand:
    """Between which strays all is quiet."""

    least: float
    most: float

    def holds(self, stray: float, times: float = 1.0) -> bool:
        """Whether it lies within, or within a band so many times as wide."""
        if times == 1.0:
            return self.least <= stray <= self.most
        middle, half = (self.most + self.least) / 2, (self.most - self.least) / 2
        return abs(stray - middle) <= times * half


def band_of(strays: Strays) -> StrayBand:
    """The band of quiet strays; at least one of them."""
    ordered = np.sort(strays)
    least, middle, most = (_quantile(ordered, share) for share in (OUTER, 0.5, 1 - OUTER))
    spread = _TO_SIGMA * _quantile(np.sort(np.abs(ordered - middle)), 0.5)
    margin = max(SPREADS * spread, AT_LEAST)
    return StrayBand(least - margin, most + margin)


def _quantile(ordered: Strays | Sequence[float], share: float) -> float:
    """Of numbers in order, between the two nearest. numpy's own takes a hundred times as long for so few."""
    at = share * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below]) + (at - below) * float(ordered[above] - ordered[below])


@dataclass(frozen=True)
class QuietStream:
    """What is known of a stream at rest."""

    typical: tuple[float, ...]
    """Logarithm of the size at each place after a key frame."""
    single: StrayBand
    """Of packets by themselves ..."""
    together: StrayBand
    """... and of the mean of PACKETS_TOGETHER in a row."""

    @property
    def is_reliable(self) -> bool:
        """Whether sizes stray so little that something small that moves shows."""
        return max(-self.together.least, self.together.most) <= TELLING


def learn(courses: Sequence[Sequence[float]]) -> QuietStream | None:
    """What quiet courses, each of `logarithm`s of sizes after a key frame, have in common; None: they are too few."""
    lengths = sorted((len(course) for course in courses), reverse=True)
    places = lengths[MIN_COURSES - 1] if len(courses) >= MIN_COURSES else 0
    if not places:
        return None
    table = np.full((len(courses), places), np.nan)
    for row, course in zip(table, courses, strict=True):
        row[: len(course)] = course[:places]
    typical = _medians(table)
    strays = table - typical
    single = strays[~np.isnan(strays)]
    sums = np.cumsum(np.pad(strays, ((0, 0), (1, 0))), axis=1)
    means = (
        sums[:, PACKETS_TOGETHER:] - sums[:, :-PACKETS_TOGETHER]
    ) / PACKETS_TOGETHER  # nothing, where courses are shorter
    together = means[~np.isnan(means)]
    return QuietStream(tuple(typical.tolist()), band_of(single), band_of(together if len(together) else single))


def _medians(table: Strays) -> Strays:
    """Of each column of (rows, columns), without what is missing (NaN) in it; something is there in each."""
    ordered = np.sort(table, axis=0)  # what is missing comes last
    counts = len(table) - np.isnan(table).sum(axis=0)
    columns = np.arange(table.shape[1])
    medians: Strays = (ordered[(counts - 1) // 2, columns] + ordered[counts // 2, columns]) / 2
    return medians


def logarithm(size: int) -> float:
    """Of a size in bytes, as sizes are compared."""
    return math.log(size + BYTES)


class PacketSizes:
    """Learns one stream's quiet sizes, and tells when packets leave them. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        """Nothing is known: whether something moves can't be told yet."""
        self._courses: deque[list[float]] = deque(maxlen=COURSES)
        self._quiet: QuietStream | None = None
        self._unlearnt = 0
        """How many courses have come since."""
        self._course: list[float] = []
        self._is_quiet = False
        """Whether all of the present course was."""
        self._strays: deque[float] = deque(maxlen=PACKETS_TOGETHER)
        self._moved_s = self._jumped_s = float("-inf")
        self._unexplained_since: float | None = None
        self._key: float | None = None
        self._key_steps: deque[float] = deque(maxlen=COURSES)
        """From key frame to key frame, with nothing but quiet between them."""

    @property
    def is_reliable(self) -> bool:
        """Whether rest is known, so far after a key frame too, and sizes would tell if something moved."""
        if self._quiet is None or not self._quiet.is_reliable:
            return False
        known = len(self._quiet.typical)
        return len(self._course) <= known + BEYOND + BEYOND_SHARE * known

    def is_moving(self, at_s: float) -> bool:
        """Whether something moves, or has until a moment ago."""
        return at_s - self._moved_s < RESTS_AFTER_S

    def has_jumped(self, at_s: float) -> bool:
        """Whether a single packet has strayed far until a moment ago: by chance, or what one frame changed."""
        return at_s - self._jumped_s < RESTS_AFTER_S

    def take_key(self, size: int, at_s: float) -> None:
        """A key frame has come, of so many bytes: another course begins.

        What changes in just that picture is in no packet between; the key frame's own size tells it.
        """
        key = logarithm(size)
        if self._is_quiet and self._course:
            self._courses.append(self._course)
            self._unlearnt += 1
            if len(self._courses) < COURSES or self._unlearnt >= LEARNT_EVERY:
                self._quiet, self._unlearnt = learn(self._courses), 0
            self._unexplained_since = None
            if self._key is not None:
                self._take_step(key - self._key, at_s)
        self._key, self._course, self._is_quiet = key, [], True

    def take(self, size: int, at_s: float, *, is_calm: bool) -> None:
        """A packet between key frames has come.

        Args:
            size: in bytes.
            at_s: when it came.
            is_calm: whether the agent has found all at rest in the last picture.
        """
        self._course.append(logarithm(size))
        if self._quiet is not None and len(self._course) <= len(self._quiet.typical):
            self._strays.append(self._course[-1] - self._quiet.typical[len(self._course) - 1])
            if self._stray(self._quiet):
                self._moved_s = at_s
            if not self._quiet.single.holds(self._strays[-1], FAR):
                self._jumped_s = at_s
        self._is_quiet &= is_calm and not self.is_moving(at_s)
        self._weigh_level(at_s, is_calm=is_calm)

    def forget(self) -> None:
        """What is quiet is learnt anew."""
        self._courses.clear()
        self._strays.clear()
        self._key_steps.clear()
        self._quiet = self._unexplained_since = None
        self._moved_s, self._is_quiet = float("-inf"), False

    def _take_step(self, step: float, at_s: float) -> None:
        """All steps are kept, and one beyond all others is not held against the next: something may have moved in it.

        Where two were as far off, sizes change so by themselves: an encoder's every fifth key frame may be larger.
        """
        if len(self._key_steps) >= MIN_COURSES and self._quiet is not None and self._quiet.is_reliable:
            middle = _quantile(sorted(self._key_steps), 0.5)
            strays = sorted(abs(one - middle) for one in self._key_steps)
            spread = _TO_SIGMA * _quantile(strays, 0.5)
            if abs(step - middle) > max(KEY_SPREADS * spread, KEY_AT_LEAST, strays[-2]):
                self._moved_s = at_s
        self._key_steps.append(step)

    def _stray(self, quiet: QuietStream) -> bool:
        """Whether the last packets leave the quiet course."""
        strays = self._strays
        if len(strays) == PACKETS_TOGETHER and not quiet.together.holds(sum(strays) / PACKETS_TOGETHER):
            return True
        last = islice(reversed(strays), OF_LAST)
        return sum(not quiet.single.holds(stray) for stray in last) >= OUTSIDE

    def _weigh_level(self, at_s: float, *, is_calm: bool) -> None:
        """Sizes that stray while nothing is seen to move are of another noise: night, another gain, rate or course.

        They may stray at the same place of every course alone, where the first ones that were learnt were unlike all
        later ones: an encoder takes a while to find its rate. So only a course that was quiet to its end explains them.
        """
        if not is_calm:
            self._unexplained_since = None
        elif self.is_moving(at_s):
            if self._unexplained_since is None:
                self._unexplained_since = at_s
            elif at_s - self._unexplained_since >= OTHER_LEVEL_S:
                self.forget()
                self._moved_s = at_s  # this once it may be more than another noise
