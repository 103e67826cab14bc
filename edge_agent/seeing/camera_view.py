"""What one camera sees: its view guard, slots, change gate and empty pictures. From a picture to crops."""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, lru_cache

import numpy as np
from PIL import Image

from edge_agent.config.cameras import CameraSection, PictureSize
from edge_agent.config.sections import GateSection, ViewSection
from edge_agent.records import Frame, LocationView, SlotObservations
from edge_agent.seeing.commissioned import Commissioned, other_shape
from edge_agent.seeing.empty import EmptyPictures
from edge_agent.seeing.gate import ChangeGate
from edge_agent.seeing.kept_colours import KeptColours
from edge_agent.seeing.mask import Mask, area_outside, areas_of
from edge_agent.seeing.registration import stands_still, undone
from edge_agent.seeing.slots import corners_of, outside, slots_of
from edge_agent.seeing.view_colours import Cells, ViewColours, cells_of, cells_touching
from edge_agent.seeing.view_guard import CheckedView, JudgedPicture, ViewGuard, exposure_problem, inside
from kardus.inference.geometry import Float64Array, project
from kardus.inference.part_decoded import BrokenPictureError, GivenPicture, PartlyDecodedPicture
from kardus.inference.preprocess import Pixels, Warp, resized, warp_of

BAD_IN_A_ROW = 2
"""One bad picture is passed over; from the second on the view is lost."""

WITHOUT_COLOURS = frozenset({"frozen", "dark", "over-exposed"})
"""Problems of a picture whose colours say nothing."""
log = logging.getLogger("kardus.seeing")


class SlotCutting:
    """Slots that are being cut out of a picture, on all cores: Pillow warps without Python's lock."""

    def __init__(self, corners: Float64Array, given: GivenPicture, size_px: int) -> None:
        """Begin with every quadrilateral of (n, 4, 2), as `rectify` cuts it.

        Raises:
            BrokenPictureError: only half of the picture was decoded, and the whole can't be.
        """
        self._crops = np.empty((len(corners), size_px, size_px, 3), dtype=np.uint8)

        def cut_some(indices: range) -> None:
            for index in indices:
                warp = _known_warp(corners[index].tobytes(), *given.size, size_px)
                self._crops[index] = warp.apply(given.crop(warp.box))

        hands = os.cpu_count() or 1
        parts = [range(first, len(corners), hands) for first in range(min(hands, len(corners)))]
        self._parts = [_pool().submit(cut_some, part) for part in parts]

    def result(self) -> Pixels:
        """(n, size_px, size_px, 3) uint8 RGB, in their order."""
        for part in self._parts:
            part.result()
        return self._crops


@dataclass(frozen=True)
class _CutAhead:
    """What is cut out of a picture while its view is judged."""

    slots: list[int]
    corners: Float64Array
    """(len(slots), 4, 2): where they were in the last picture."""
    crops: SlotCutting


class CameraView:
    """One camera's slots in its pictures. Owned by the agent's thread."""

    def __init__(
        self,
        camera: CameraSection,
        view: ViewSection,
        gate: GateSection,
        *,
        live: bool,
        kept: KeptColours | None = None,
    ) -> None:
        """Prepare. `kept` is where the view's colours are kept, once they are learnt; None: nowhere.

        Raises:
            ConfigError: the commissioning or the empty picture cannot be read.
        """
        self._view_rules, self._gate_rules = view, gate
        self._commissioned = Commissioned(camera)
        self.slots = slots_of(camera, self._commissioned.size)
        self._camera, self._mask = camera, Mask()
        self._guard: ViewGuard | None = None
        self._colours: ViewColours | None = None
        self._kept = kept or KeptColours(None)
        self._gate: ChangeGate | None = None
        self._empty: EmptyPictures | None = None
        self._live = live
        self.last_capture = datetime.now(UTC)
        """When the last good picture was taken ..."""
        self.last_frame: Frame | None = None
        """... and what it was."""
        self._hidden_from: Frame | None = None
        self._hidden: Image.Image | None = None
        self.first_capture: datetime | None = None
        """When the first good picture was taken."""
        self._last_corners: Float64Array | None = None
        self._cut_ahead: _CutAhead | None = None
        self._bad = 0
        self._size, self._shape, self._outside = (0, 0), "", ""
        self._laid_out = np.empty((0, 4, 2))
        """The slots' corners in a picture of that size, before any motion."""

    def apply_settings(self, view: ViewSection, gate: GateSection) -> None:
        """Take a reloaded `[view]` and `[gate]`; what was seen is kept."""
        self._view_rules, self._gate_rules = view, gate
        if self._guard:
            self._guard.apply_settings(view)
        if self._colours:
            self._colours.apply_settings(view)
        if self._gate:
            self._gate.apply_settings(gate)

    def why_unfit(self, picture: Image.Image) -> str:
        """Why this picture can't be the one that later ones are held against; empty: it can."""
        return exposure_problem(JudgedPicture(picture).grey, self._view_rules)[1]

    def other_shape(self, size: tuple[int, int]) -> str:
        """Why the slots have no place in a picture of this width and height, in words; empty if they have."""
        self._judge_size(size)
        return self._shape

    def outside(self, size: tuple[int, int]) -> str:
        """Which slot has a corner outside a picture of this width and height, in words; empty if none has."""
        self._judge_size(size)
        return self._outside

    @property
    def commissioned_size(self) -> PictureSize | None:
        """Width and height of the picture in which the slots were laid out; None: it isn't known."""
        return self._commissioned.size

    def check(self, frame: Frame) -> CheckedView:
        """Whether the picture can be trusted."""
        if self._guard is None:
            size = frame.given.size
            self._take_size(size)
            self._judge_size(size)
            areas = areas_of(self._camera, *size, self._commissioned.size)
            self._mask = Mask([area / size for area in areas])
            self._guard = ViewGuard(
                self._view_rules, self._shares(), self._commissioned.reference, live=self._live, mask=self._mask
            )
        view = self._with_colours(self._guard.check(frame), frame.at_s)
        self._bad = self._bad + 1 if view.problem else 0
        return view

    @property
    def colours_proven(self) -> bool:
        """Whether it is known what colours this view has."""
        return self._colours is None or self._colours.is_proven

    def prove_colours(self) -> None:
        """The stock was recognised in the colours that were learnt: they are kept."""
        if self._colours:
            self._colours.prove()
            self._kept.write(self._camera, self._colours.learnt)

    @property
    def is_unproven_grey(self) -> bool:
        """Whether the picture is grey, and nothing says that this camera's pictures are so."""
        return self._colours is not None and self._colours.is_grey and not self._colours.is_proven

    def deny_colours(self) -> None:
        """The picture is grey, and hardly anything was recognised in it: it isn't as it should be."""
        if self._colours:
            self._colours.deny()
            self._bad = BAD_IN_A_ROW

    @property
    def is_lost(self) -> bool:
        """Whether the last pictures were too bad to say anything."""
        return self._bad >= BAD_IN_A_ROW

    @property
    def is_doubted(self) -> bool:
        """Whether the last picture was too bad, be it the first one or not."""
        return self._bad > 0

    def cut_ahead(self, frame: Frame, wanted: Sequence[bool], size_px: int) -> None:
        """Begin to cut out what is to be classified whatever the picture shows: cameras stand still, as a rule."""
        self._cut_ahead = None
        if self._gate is None or self._last_corners is None or self.is_lost:
            return
        slots = np.flatnonzero(self._gate.due(frame.at_s) | np.asarray(wanted, bool)).tolist()
        if slots:
            corners = self._last_corners[slots]
            self._cut_ahead = _CutAhead(slots, corners, SlotCutting(corners, frame.given, size_px))

    def see(self, frame: Frame, view: CheckedView, wanted: Sequence[bool], size_px: int) -> SlotObservations:
        """What a good picture shows of the slots, with the crops that are to be classified.

        Args:
            frame: the picture.
            view: what `check` said of it.
            wanted: which slots are to be classified as soon as they rest, though nothing changes (n).
            size_px: width and height of the crops.
        """
        self.last_capture, self.last_frame = frame.captured, frame
        self.first_capture = self.first_capture or frame.captured
        self._last_corners = corners = self._corners_in_picture(frame.given.size, view.motion)
        gate = self._known_gate(frame, view, corners)
        activities = gate.decide(view.small, corners / view.factor, frame.at_s, wanted)
        chosen = tuple(index for index, activity in enumerate(activities) if activity.classify)
        places = corners[list(chosen)]
        crops = self._cut(frame, chosen, places, size_px) if chosen else np.empty((0, size_px, size_px, 3), np.uint8)
        correction = self._colours.correction(chosen) if chosen and self._colours else None
        return SlotObservations(
            captured=frame.captured,
            activities=activities,
            chosen=chosen,
            picture=frame.given,
            corners=places,
            crops=correction.apply(crops) if correction else crops,
            like_empty=self._like_empty(view, corners, chosen),
            correction=correction,
        )

    def outlines(self, picture: Image.Image, motion: Float64Array) -> list[tuple[str, Float64Array]]:
        """The locations of the slots, with their corners (4, 2) in a picture whose view has moved so, in pixels."""
        places = self._corners_in_picture(picture.size, motion)
        return [(slot.location, corners) for slot, corners in zip(self.slots, places, strict=True)]

    def location_view(self, slots: Sequence[int]) -> LocationView | None:
        """A location, by its slots, in the last good picture, without what is masked; None where there is none."""
        try:
            picture = self.last_shown
        except BrokenPictureError as error:
            log.warning("camera %s: %s", self._camera.name, error)
            return None
        if picture is None or self._last_corners is None:
            return None
        facings = [self._last_corners[index] for index in slots]
        return LocationView(self._camera.name, self.last_capture, picture, facings)

    @property
    def last_shown(self) -> Image.Image | None:
        """The last good picture as it may leave the agent, its masked areas black; None before the first.

        Raises:
            BrokenPictureError: it can't be decoded after all.
        """
        if self.last_frame is not None and self._hidden_from is not self.last_frame:
            given = self.last_frame.given
            whole = given.whole if isinstance(given, PartlyDecodedPicture) else given
            self._hidden_from = self.last_frame
            self._hidden = self._mask.hide(whole) if self._mask.areas else whole
        return self._hidden

    def signal_lost(self) -> None:
        """The view is lost: what was seen doesn't count any more."""
        if self._gate:
            self._gate.forget()

    def _take_size(self, size: PictureSize) -> None:
        """Where nobody has said in which picture the corners were laid out, it was one like the first."""
        if self._commissioned.size is None and self._camera.units == "pixels":
            self._commissioned.size = size
            self.slots = slots_of(self._camera, size)

    def _judge_size(self, size: tuple[int, int]) -> None:
        if size != self._size:
            self._size = size
            areas = areas_of(self._camera, *size, self._commissioned.size)
            self._shape = other_shape(self._commissioned.size, *size)
            self._outside = outside(self.slots, *size) or area_outside(areas, *size)
            self._laid_out = corners_of(self.slots, *size)

    def _shares(self) -> list[Float64Array]:
        """The slots' corners (4, 2), as they were laid out, in shares of the whole picture's width and height."""
        return list(self._laid_out / self._size)

    def _corners_in_picture(self, size: tuple[int, int], motion: Float64Array) -> Float64Array:
        self._judge_size(size)
        return corners_in_picture(self._laid_out, size, motion)

    def _cut(self, frame: Frame, chosen: Sequence[int], places: Float64Array, size_px: int) -> Pixels:
        ahead, self._cut_ahead = self._cut_ahead, None
        if ahead and set(chosen) <= set(ahead.slots):
            which = np.searchsorted(ahead.slots, chosen)
            if np.array_equal(ahead.corners[which], places):
                return ahead.crops.result()[which]
        return SlotCutting(places, frame.given, size_px).result()

    def _with_colours(self, view: CheckedView, at_s: float) -> CheckedView:
        """What was judged by forms, and now by colours too."""
        if view.problem in WITHOUT_COLOURS or view.repeated:
            return view
        cells = self._cells(view)
        if self._colours is None or self._colours.shape != cells.shape:
            if self._colours is not None and view.problem:
                return view  # a picture of another size that isn't even recognised
            self._colours, self.first_capture = self._first_colours(view), None  # nothing proves them but what comes
        learnt = self._colours.times_learnt
        problem, reason = self._colours.check(cells, at_s, is_recognised=view.problem is None)
        if self._gate and self._colours.times_learnt != learnt:
            self._gate.begin_anew()  # it knows the rack by the same picture
        return replace(view, problem=problem, reason=reason) if problem else view

    def _cells(self, view: CheckedView) -> Cells:
        """The picture's cells, with a small motion of the camera undone, so that each is compared with itself."""
        height, width = view.small.shape[:2]
        shrink = np.diag([1 / view.factor, 1 / view.factor, 1.0])
        motion = shrink @ view.motion @ np.linalg.inv(shrink)
        if view.problem is not None or stands_still(motion, width, height):
            return cells_of(view.small)
        return cells_of(*undone(view.small, ~self._mask.over(width, height), motion))

    def _first_colours(self, view: CheckedView) -> ViewColours:
        shape = view.small.shape
        shares = self._shares()
        never = self._mask.over(shape[1], shape[0])
        reference: Cells | None = None
        if self._commissioned.reference is not None:
            reference = cells_of(resized(self._commissioned.reference, shape[1], shape[0]))
        centres = np.array([share.mean(axis=0) for share in shares])
        changing = inside(shares, shape) | never
        colours = ViewColours(self._view_rules, centres, cells_touching(changing), cells_touching(never), reference)
        if (kept := self._kept.read(self._camera)) is not None:
            colours.remember(kept)
        return colours

    def _known_gate(self, frame: Frame, view: CheckedView, corners: Float64Array) -> ChangeGate:
        if self._gate is None:
            self._gate = ChangeGate(self._gate_rules, corners, self._mask)
            if self._commissioned.reference is not None:
                self._gate.commission(*self._as_configured(self._commissioned.reference, frame, view))
            if self._commissioned.empty_picture is not None:
                small, places = self._as_configured(self._commissioned.empty_picture, frame, view)
                self._empty = EmptyPictures(small, places, self._gate_rules.change)
        return self._gate

    def _as_configured(self, picture: Pixels, frame: Frame, view: CheckedView) -> tuple[Pixels, Float64Array]:
        """A picture from the time of the configuration, reduced as the view is, with the slots' corners in it."""
        height, width = view.small.shape[:2]
        corners = self._corners_in_picture(frame.given.size, np.eye(3)) / view.factor
        return self._mask.black_out(resized(picture, width, height)), corners

    def _like_empty(self, view: CheckedView, corners: Float64Array, chosen: Sequence[int]) -> tuple[bool | None, ...]:
        if self._empty is None or not chosen:
            return (None,) * len(chosen)
        alike = self._empty.alike(view.small, corners / view.factor)
        return tuple(alike[index] for index in chosen)


def corners_in_picture(corners: Float64Array, size: tuple[int, int], motion: Float64Array) -> Float64Array:
    """Where slots are now: corners (n, 4, 2) in pixels of the picture, kept inside it.

    Args:
        corners: as they were laid out, (n, 4, 2) in pixels.
        size: width and height of the picture.
        motion: from the reference picture's pixels to this picture's (3 x 3).
    """
    found: Float64Array = np.clip(project(motion, corners.reshape(-1, 2)), 0, size).reshape(-1, 4, 2)
    return found


@lru_cache(maxsize=4096)
def _known_warp(corners: bytes, width: int, height: int, size_px: int) -> Warp:
    """Cameras stand still: a slot's corners are those of the last picture, as a rule."""
    return warp_of(np.frombuffer(corners).reshape(4, 2), width, height, size_px)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="cut")
