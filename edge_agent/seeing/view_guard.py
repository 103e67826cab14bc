"""Judges every picture before any verdict rests on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from edge_agent.config.sections import ViewSection
from edge_agent.records import Frame
from edge_agent.seeing.colours import medians
from edge_agent.seeing.last_picture import RepeatGuard
from edge_agent.seeing.mask import Mask
from edge_agent.seeing.registration import (
    MIN_MARKS,
    PATCH,
    FloatGrey,
    ReferencePatches,
    choose_marks,
    find_marks,
    find_marks_near,
    fit_similarity,
    sharpness,
    sharpness_of_part,
    whole_shift,
)
from kardus.inference.geometry import Float64Array, project, reduction
from kardus.inference.part_decoded import GivenPicture, PartlyDecodedPicture, whole_of
from kardus.inference.preprocess import Pixels

ViewProblem = Literal["frozen", "dark", "over-exposed", "blurred", "covered", "moved", "no colour", "colour cast"]
STEADY_PX = 0.75
"""A motion that differs less from the last, in pixels of the whole picture, is the same: slots don't tremble."""
AROUND_SLOT = 2
"""Cartons look out of their slots by a little, in pixels of the reduced picture."""
FOR_SHARPNESS = 12
"""The strongest marks that are there tell how sharp the picture is."""
REST_TOLERANCE_PX = 2
"""A camera at rest: its marks lie within so many pixels of the reduced picture of where they were."""
SAME_SCENE_CORRELATION = 0.7
"""Correlation of the coarsest forms from which a picture without marks shows the same scene, out of focus."""
WHITE = 250


@dataclass(frozen=True)
class CheckedView:
    """What a picture is good for."""

    small: Pixels
    """The picture, reduced by a whole number: (h, w, 3) uint8 RGB."""
    factor: int
    motion: Float64Array
    """From the reference picture's pixels to this picture's (3 x 3): where the slots are now."""
    problem: ViewProblem | None = None
    reason: str = ""
    repeated: bool = False
    """It is a live camera's last picture once more: it says nothing of what is there now."""


class JudgedPicture:
    """A picture, reduced: from what was decoded of it."""

    def __init__(self, given: GivenPicture) -> None:
        """Reduce it."""
        self.size = given.size
        self.factor = reduction(given.size[0])
        """By which whole number it is made smaller."""
        self._given = given
        if isinstance(given, PartlyDecodedPicture):
            small = given.reduced(self.factor) if self.factor > 1 else given.whole
        else:
            small = given.reduce(self.factor)
        self.small: Pixels = np.asarray(small)
        """The reduced picture, (h, w, 3) uint8 RGB ..."""
        self.grey: FloatGrey = np.asarray(small.convert("L"), np.float32)
        """... and without its colours, (h, w)."""

    @property
    def whole(self) -> Image.Image:
        """All of it, RGB; raises BrokenPictureError."""
        return whole_of(self._given)

    def sharpness(self, centres: Float64Array) -> FloatGrey:
        """How sharp it is around each centre, (n, 2) in pixels of the whole picture: (n,)."""
        if isinstance(self._given, PartlyDecodedPicture):
            return sharpness_of_part(self._given, centres, self.factor)
        return sharpness(self._given, centres, self.factor)


@dataclass(frozen=True)
class _Reference:
    marks: ReferencePatches
    sharpness: FloatGrey
    """Of each mark, (n,)."""
    whole: FloatGrey
    """All of it, reduced."""
    size: tuple[int, int]
    """Width and height of the picture."""


def exposure_problem(grey: FloatGrey, rules: ViewSection) -> tuple[ViewProblem | None, str]:
    """What is wrong with the light of a picture (h, w), and the remedy."""
    brightness = float(grey.mean())
    if brightness < rules.dark_below:
        return "dark", f"mean brightness {brightness:.0f} of 255: light the shelf, or open the shutter"
    white = float((grey >= WHITE).mean())
    if white > rules.over_exposed_share:
        return "over-exposed", f"{100 * white:.0f} % of the picture is white: correct the camera's exposure"
    return None, ""


class ViewGuard:
    """Knows what one camera should see. Owned by one thread."""

    def __init__(
        self,
        rules: ViewSection,
        slots: Sequence[Float64Array],
        reference: Pixels | None,
        *,
        live: bool,
        mask: Mask | None = None,
    ) -> None:
        """Prepare.

        Args:
            rules: when a picture can be trusted.
            slots: corners (4, 2) of each, in shares of the picture's width and height.
            reference: the commissioning picture; None: the first good one.
            live: whether the same picture again and again means that the camera is frozen.
            mask: areas that show no part of the rack.
        """
        self._mask = mask or Mask()
        self._is_masked = bool(self._mask.areas)
        self._rules = rules
        self._slots = slots
        self._given = reference
        self._live = live
        self._reference: _Reference | None = None
        self._motion = np.eye(3)
        self._last_good: FloatGrey | None = None
        self._last = RepeatGuard(self._mask)
        self._same_since = 0.0

    def apply_settings(self, rules: ViewSection) -> None:
        """Take other settings for the view's limits, from the next picture on."""
        self._rules = rules

    def check(self, frame: Frame) -> CheckedView:
        """Judge a picture."""
        judged = JudgedPicture(frame.given)
        small, factor, grey = judged.small, judged.factor, judged.grey
        repeated = self._live and self._last.is_repeated(frame.given, small)
        if not repeated:
            self._same_since = frame.at_s
        problem, reason = self._exposure(frame, grey)
        if not problem:
            problem, reason = self._recognise(self._known(judged, grey), judged, grey)
        if not problem:
            self._last_good = grey
        small = self._mask.black_out(small) if self._is_masked else small
        return CheckedView(small, factor, self._motion, problem, reason, repeated)

    def _exposure(self, frame: Frame, grey: FloatGrey) -> tuple[ViewProblem | None, str]:
        if frame.at_s - self._same_since >= self._rules.frozen_after_s:
            return "frozen", f"the same picture for {frame.at_s - self._same_since:.0f} s: restart the camera"
        return exposure_problem(grey, self._rules)

    def _known(self, judged: JudgedPicture, grey: FloatGrey) -> _Reference:
        """The reference's marks; of this picture where no other was given."""
        if self._reference is None:
            picture, factor = judged.whole, judged.factor
            if self._given is not None:
                picture = Image.fromarray(self._given).resize(picture.size, Image.Resampling.BICUBIC)
                grey = _grey(reduced(picture, factor))
            never = self._mask.over(grey.shape[1], grey.shape[0])
            marks = choose_marks(grey, inside(self._slots, grey.shape) | never, never)
            self._reference = _Reference(marks, sharpness(picture, marks.centres * factor, factor), grey, picture.size)
        return self._reference

    def _recognise(
        self, reference: _Reference, judged: JudgedPicture, grey: FloatGrey
    ) -> tuple[ViewProblem | None, str]:
        marks, factor = reference.marks, judged.factor
        if len(marks.corners) < MIN_MARKS:
            return None, ""  # nothing in this view could tell
        shrink = np.diag([1 / factor, 1 / factor, 1.0])
        near = project(shrink @ self._motion @ np.linalg.inv(shrink), marks.centres) - marks.centres
        found = find_marks_near(marks, grey, near, REST_TOLERANCE_PX)
        if found.sure.mean() < self._rules.recognised:
            found = find_marks(marks, grey, np.zeros_like(near), self._reach(grey))
        there = found.sure
        motion, agree = fit_similarity(marks.centres[there], marks.centres[there] + found.shifts[there])
        share = agree / len(there)
        if share < self._rules.recognised:  # few marks last, and the others may have been carried away with the stock
            there = there & (np.arange(len(there)) < marks.lasting)
            motion, agree = fit_similarity(marks.centres[there], marks.centres[there] + found.shifts[there])
            if agree < self._rules.recognised * marks.lasting or not marks.lasting:
                return self._unrecognised(reference, judged, grey, share)
        now = judged.sharpness((marks.centres + found.shifts)[there][:FOR_SHARPNESS] * factor)
        ratios = (now / np.maximum(reference.sharpness[there][:FOR_SHARPNESS], 1e-6)).astype(np.float32)
        sharp = float(medians(ratios[None, :, None])[0, 0])
        if sharp < self._rules.sharpness:
            return "blurred", f"{100 * sharp:.0f} % of the reference's sharpness: clean and focus the lens"
        return self._follow(np.linalg.inv(shrink) @ motion @ shrink, *judged.size)

    def _unrecognised(
        self, reference: _Reference, judged: JudgedPicture, grey: FloatGrey, share: float
    ) -> tuple[ViewProblem | None, str]:
        """Why so few of the marks are where they can be: the camera was turned away, its lens is covered, or fogged."""
        if reference.whole.shape != grey.shape:
            (width, height), (before, high) = judged.size, reference.size
            return "moved", (
                f"its pictures have {width} x {height} pixels, and had {before} x {high}: set its resolution back, or "
                "take its commissioning picture again"
            )
        factor = judged.factor
        shift = whole_shift(reference.whole, grey)
        distance = float(np.linalg.norm(shift))
        is_far = distance > self._rules.max_shift * grey.shape[1]
        if is_far and _share_there(reference.marks, grey, shift) >= self._rules.recognised:
            return self._moved(factor * distance, factor * grey.shape[1])
        last = reference.whole if self._last_good is None else self._last_good  # stock changes the forms too
        if _correlation(_coarse(grey), _coarse(last)) > SAME_SCENE_CORRELATION:
            return "blurred", "the scene's forms are there and none of its marks: clean and focus the lens"
        return "covered", (
            f"{100 * share:.0f} % of the reference's marks found: uncover the camera, or, if it was moved, "
            "take its commissioning picture again"
        )

    def _moved(self, pixels: float, width: int) -> tuple[ViewProblem | None, str]:
        return "moved", (
            f"by {pixels:.0f} pixels, {self._rules.max_shift * width:.0f} can be corrected: turn the camera back, "
            "or take its commissioning picture again"
        )

    def _follow(self, motion: Float64Array, width: int, height: int) -> tuple[ViewProblem | None, str]:
        """Correct a small motion, refuse a large one."""
        corners = np.concatenate(self._slots) * [width, height]
        now = project(motion, corners)
        if np.linalg.norm(now - project(self._motion, corners), axis=1).max() > STEADY_PX:
            self._motion = motion
        shift = float(np.linalg.norm(project(self._motion, corners) - corners, axis=1).max())
        if shift > self._rules.max_shift * width:
            return self._moved(shift, width)
        return None, ""

    def _reach(self, grey: FloatGrey) -> int:
        """Far enough to tell a camera that was moved from one that is covered."""
        return int(np.ceil(2 * self._rules.max_shift * grey.shape[1])) + 2


def _share_there(marks: ReferencePatches, grey: FloatGrey, shift: Float64Array) -> float:
    """Which share of the marks is found this far away, of those that would still be in the picture."""
    now = marks.corners + shift
    inside = ((now >= 0) & (now + PATCH <= [grey.shape[1], grey.shape[0]])).all(axis=1)
    if inside.sum() < MIN_MARKS:
        return 0.0
    return float(find_marks(marks, grey, np.tile(shift, (len(now), 1)), REST_TOLERANCE_PX).sure[inside].mean())


def reduced(picture: Image.Image, factor: int) -> Pixels:
    """A picture, reduced by a whole number: (h, w, 3) uint8 RGB."""
    return np.asarray(picture.reduce(factor))


def _grey(small: Pixels) -> FloatGrey:
    return np.asarray(Image.fromarray(small).convert("L"), dtype=np.float32)


def _coarse(grey: FloatGrey) -> FloatGrey:
    """A picture's coarsest forms."""
    return np.asarray(Image.fromarray(grey).resize((32, 18), Image.Resampling.BOX), dtype=np.float32)


def _correlation(one: FloatGrey, other: FloatGrey) -> float:
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).sum() / max(1e-6, float(np.linalg.norm(one) * np.linalg.norm(other))))


def inside(slots: Sequence[Float64Array], shape: tuple[int, ...]) -> np.ndarray:
    """Which pixels lie in a slot: (height, width) of booleans."""
    mask = Image.new("1", (shape[1], shape[0]))
    draw = ImageDraw.Draw(mask)
    for corners in slots:
        places = [(float(x) * shape[1], float(y) * shape[0]) for x, y in corners]
        draw.polygon(places, fill=1)
        draw.line([*places, places[0]], fill=1, width=2 * AROUND_SLOT + 1)
    return np.asarray(mask)
