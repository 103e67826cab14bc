"""The colours of a camera's whole view, held against a picture of it that is known to be good.

Compared are cells of the rack itself, which stock doesn't change, each with itself: so it matters neither what colours
a rack has (white cartons only, say), nor who stands before less than half of it. From the ratios of their light come

- gains, for each slot from the cells around it: a white balance, a lamp, a sunset. They are corrected, within bounds;
- how much of the rack's own colours is left. What has faded is corrected, within bounds. So is a veil of light.

Beyond these bounds the view can't be trusted: night mode, a filter that sticks, a cast too strong. The reference is the
commissioning picture, or what was learnt from a good picture of the camera's own, once a model has recognised what
stands there (`prove`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edge_agent.config.sections import ViewSection
from edge_agent.seeing import colour_limits as limits
from edge_agent.seeing.colour_complaints import CAST, FAINT, FINE, NO_COLOUR, Complaint
from edge_agent.seeing.colours import medians
from edge_agent.seeing.same_view import SAME_AT_NIGHT, SAME_VIEW, likeness
from edge_agent.seeing.veil import MAX_CONTRAST, Veil, veil_over
from kardus.inference.colour_correction import LIGHT, ColourCorrection
from kardus.inference.geometry import Float64Array
from kardus.inference.preprocess import Pixels

Float32Array = NDArray[np.float32]
Cells = NDArray[np.uint8]
"""(h, w, 4): a reduced picture, reduced once more, so that noise and print are gone in it; beside its RGB how much of a
cell is clipped in any channel, 0 to 255. Cells that aren't shown are 0."""
LOG_LIGHT = np.log(LIGHT)


@dataclass(frozen=True)
class _Light:
    """A picture's cells against the reference's."""

    ratios: Float32Array
    """Logarithm of the light's ratio in each cell, (cells, 3)."""
    tells: NDArray[np.bool_]
    """Cells in which no channel is too dark or too bright in either picture (cells)."""
    counts: NDArray[np.bool_]
    """Those whose ratios are used (cells): of `tells` what is clipped nowhere, or all where that is too few."""
    gains: Float32Array
    """The median of their ratios, (3,)."""

    @property
    def levels(self) -> Float32Array:
        """The factor by which levels have grown, about (3,)."""
        factor: Float32Array = np.exp(self.gains / limits.GAMMA)
        return factor

    @property
    def cast(self) -> float:
        """The largest share by which a channel differs from their mean."""
        return float(np.abs(np.exp((self.gains - self.gains.mean()) / limits.GAMMA) - 1).max())


@dataclass(frozen=True)
class _Reference:
    """Cells to hold others against, with what is asked of them in every picture."""

    cells: Cells
    is_grey: bool
    """It has no colour at all."""
    logs: Float32Array
    """Logarithm of the rack's light, (rack, 3), ..."""
    tells: NDArray[np.bool_]
    """... where it can be told (rack), ..."""
    whole: NDArray[np.bool_]
    """... and where it is clipped nowhere (rack)."""
    coloured: NDArray[np.intp]
    """Which of the rack's cells have a colour, ..."""
    away: Float32Array
    """... how far they are from grey, (coloured, 3), ..."""
    strength: Float32Array
    """... and the square of that distance (coloured)."""

    @property
    def shows_fading(self) -> bool:
        """Whether enough of its coloured cells are clipped nowhere; else there is white print in all of them."""
        return int(np.count_nonzero(self.whole[self.coloured])) >= limits.MIN_COLOURED

    @classmethod
    def of(cls, cells: Cells, rack: NDArray[np.intp], rest: NDArray[np.intp]) -> "_Reference":
        """Of a picture's cells, of which `rack` don't change, and `rest` are what the camera shows at all."""
        own = _levels(cells, rack)
        tells, whole = _is_well_lit(own), _whole(cells, rack)
        away = own - own.mean(axis=1, keepdims=True, dtype=np.float32)
        strength = np.square(away).sum(axis=1)
        coloured = np.flatnonzero(tells & (strength >= limits.COLOURED**2))
        grey = _lacks_colour(cells, rest)
        return cls(cells, grey, LOG_LIGHT[own], tells, whole, coloured, away[coloured], strength[coloured])


class ViewColours:
    """The colours of one camera's view. Owned by one thread."""

    def __init__(
        self,
        rules: ViewSection,
        centres: Float64Array,
        changing: NDArray[np.bool_],
        never: NDArray[np.bool_],
        reference: Cells | None = None,
    ) -> None:
        """Prepare.

        Args:
            rules: how far colours may be off.
            centres: of the slots (n, 2), in shares of the picture's width and height.
            changing: (h, w), which cells touch a slot.
            never: (h, w), which cells touch what is no part of the rack (`mask`).
            reference: the commissioning picture's cells (h, w, 4); None: they are learnt.
        """
        self._rules = rules
        self.shape = (*changing.shape, 4)
        """Of cells that can be checked: a picture of another size has others."""
        free = ~(changing | never)
        self._rack = np.flatnonzero(free if free.sum() >= limits.FEWEST else ~never)
        self._rest = np.flatnonzero(~never)[:: limits.SAMPLED]
        self._near = _nearest(self._rack, centres, changing.shape)
        self._reference = None if reference is None else self._as_reference(reference)
        self._is_given = self.is_proven = self._reference is not None
        self._is_denied = self._is_grey_now = False
        self.times_learnt = 0
        """How often a picture of the camera's own became the reference."""
        self._kept: _Reference | None = None
        self._flicker = _Flicker()
        self._light: _Light | None = None
        self._left = 1.0
        self._veil: Veil | None = None

    def apply_settings(self, rules: ViewSection) -> None:
        """Take a reloaded `[view]`; what was seen is kept."""
        self._rules = rules

    def remember(self, cells: Cells) -> None:
        """Colours that were proved in a former run. They count if the camera still sees the same.

        Somebody may stand before it at first: they are held against one picture after another, until one proves others.
        """
        self._kept = self._as_reference(cells) if cells.shape == self.shape and not self._is_given else None

    @property
    def learnt(self) -> Cells | None:
        """What was learnt and proved; None where there is nothing, or a commissioning picture stands for it."""
        return self._reference.cells if self._reference and self.is_proven and not self._is_given else None

    @property
    def is_grey(self) -> bool:
        """Whether the last picture had no colour at all."""
        return self._is_grey_now

    def prove(self) -> None:
        """What stands there was recognised in the light that was learnt."""
        if self._reference is not None:
            self.is_proven, self._kept = True, None

    def deny(self) -> None:
        """Hardly anything was recognised, and the picture is grey: that isn't what the camera should show."""
        self._is_denied = True

    def check(self, cells: Cells, at_s: float, *, is_recognised: bool) -> Complaint:
        """Judge a picture.

        Args:
            cells: of the picture, (h, w, 4).
            at_s: when it was taken.
            is_recognised: whether the marks of the view are where they should be: else only a picture without any
                colour is told, which infrared light may have changed beyond recognition.
        """
        self._light, self._left, self._veil = None, 1.0, None
        self._is_grey_now = _lacks_colour(cells, self._rest, tinted=is_recognised)
        if not is_recognised:
            is_night = self._is_grey_now and self._has_colours() and not _is_plain(cells, self._rest)
            return ("no colour", NO_COLOUR) if is_night else FINE
        return self._flicker.steady(self._judge(cells), at_s)

    def correction(self, slots: Sequence[int]) -> ColourCorrection | None:
        """What the crops of some slots of the last picture have to be corrected by; None: by nothing."""
        if self._light is None:
            return None
        gains = self._gains_around(self._light, slots)
        is_off = np.abs(np.exp(gains / limits.GAMMA) - 1).max(initial=0.0) > limits.STEADY
        if not (is_off or self._left < limits.FADED or self._veil):
            return None
        lifted = self._veil.lifted if self._veil else None
        return ColourCorrection(np.exp(gains), 1 / self._left if self._left < limits.FADED else 1.0, lifted)

    def _judge(self, cells: Cells) -> Complaint:
        reference = self._known(cells)
        if self._is_grey_now and (self._is_denied or not reference.is_grey):
            return "no colour", NO_COLOUR
        veil = None if reference.is_grey else _veil(cells, reference, self._rack)
        if veil:
            cells = np.dstack([veil.lifted[cells[..., :3]], cells[..., 3]])
        light = None if reference.is_grey else _light(cells, reference, self._rack)
        if light is None:
            return FINE  # nothing to hold colours against
        seen = _colour_left(light, light.tells, cells, reference, self._rack) * (veil.contrast if veil else 1.0)
        if seen < self._rules.colour_left:
            return "no colour", FAINT.format(left=100 * max(0.0, seen))
        if light.cast > (self._rules.max_cast if self.is_proven else limits.LEARN_AGAIN):
            return self._off(light, cells)
        self._light, self._veil = light, veil
        counts = light.counts if reference.shows_fading else light.tells
        self._left = _colour_left(light, counts, cells, reference, self._rack)
        return FINE

    def _off(self, light: _Light, cells: Cells) -> Complaint:
        """The white balance is far from the reference's; one that nothing has proved may be wrong itself."""
        if not self.is_proven:
            self._learn(cells)
            return FINE
        red, green, blue = light.levels / light.levels.mean()
        return "colour cast", CAST.format(how=f" (red {red:.2f}, green {green:.2f}, blue {blue:.2f} of what they were)")

    def _learn(self, cells: Cells) -> _Reference:
        self._reference, self.is_proven, self._is_denied = self._as_reference(cells), False, False
        self.times_learnt += 1
        return self._reference

    def _as_reference(self, cells: Cells) -> _Reference:
        return _Reference.of(cells, self._rack, self._rest)

    def _known(self, cells: Cells) -> _Reference:
        """The reference: the given one, the one of a former run if it is of the same view, or this picture."""
        if self._kept is not None and (kept := self._of_former_run(self._kept, cells)):
            return kept
        known = self._reference
        if known is None or (known.is_grey and not self._is_grey_now and not self._is_given):
            return self._learn(cells)  # it is the first picture, or the camera has colours after all
        return known

    def _of_former_run(self, kept: _Reference, cells: Cells) -> _Reference | None:
        """The colours of then, if this picture shows that view: from now on, or at night for this picture alone."""
        alike = likeness(kept.cells[..., :3], cells[..., :3], self._rack)
        if self._is_grey_now and not kept.is_grey:
            return kept if alike >= SAME_AT_NIGHT else None  # it tells that it is night, and corrects nothing
        if alike < SAME_VIEW or self._is_grey_now != kept.is_grey:
            return None
        self._reference, self.is_proven, self._is_denied, self._kept = kept, True, False, None
        return kept

    def _has_colours(self) -> bool:
        if self._kept is not None:
            return not self._kept.is_grey
        return self._reference is not None and not self._reference.is_grey

    def _gains_around(self, light: _Light, slots: Sequence[int]) -> Float32Array:
        """The gains that are to be corrected in some slots, as logarithms of light: (len(slots), 3)."""
        seen = np.where(light.counts[:, None], light.ratios, light.gains)[self._near[list(slots)]]
        own = np.clip(
            np.median(seen, axis=1),
            light.gains - limits.UNEVEN * limits.GAMMA,
            light.gains + limits.UNEVEN * limits.GAMMA,
        )
        brightness = own.mean(axis=1, keepdims=True)
        gains: Float32Array = (
            own - brightness + np.where(brightness < limits.GAMMA * np.log(limits.DIM), brightness, 0.0)
        )
        return gains.astype(np.float32)


class _Flicker:
    """A view whose colours come and go isn't believed whenever they are there: some time has to pass first."""

    def __init__(self) -> None:
        self._run = 0
        self._complaint: Complaint = FINE
        self._good_since = -np.inf
        self._waits = False

    def steady(self, complaint: Complaint, at_s: float) -> Complaint:
        """What is to be said of a picture of which this is found."""
        if complaint[0]:
            self._run += 1
            if self._run == limits.BAD_IN_A_ROW and at_s - self._good_since < limits.COMES_AND_GOES_S:
                self._waits = True
            self._complaint = complaint
            return complaint
        if self._run >= limits.BAD_IN_A_ROW:
            self._good_since = at_s
        self._run = 0
        if self._waits and at_s - self._good_since < limits.SETTLED_S:
            problem, reason = self._complaint
            return problem, f"{reason} (it comes and goes)"
        self._waits = False
        return FINE


def cells_of(small: Pixels, shown: NDArray[np.bool_] | None = None) -> Cells:
    """The cells of a reduced picture (height, width, 3), uint8 RGB; 0 where not every pixel is `shown` (None: all)."""
    sampled = np.ascontiguousarray(small[::2, ::2])  # a quarter of the pixels tell as much
    brightest = np.maximum(np.maximum(sampled[..., 0], sampled[..., 1]), sampled[..., 2])
    clipped = (brightest > limits.BRIGHTNESS[1]).astype(np.uint8) * 255
    levels, share = (np.asarray(Image.fromarray(part).reduce(limits.CELL // 2)) for part in (sampled, clipped))
    cells: Cells = np.dstack([levels, share])
    if shown is not None:
        cells[cells_touching(~shown)] = 0
    return cells


def cells_touching(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which cells touch any of these pixels of the reduced picture, (height, width)."""
    touched: NDArray[np.bool_] = np.asarray(Image.fromarray(pixels.astype(np.uint8) * 255).reduce(limits.CELL)) > 0
    return touched


def _nearest(rack: NDArray[np.intp], centres: Float64Array, shape: Sequence[int]) -> NDArray[np.intp]:
    """The cells nearest to each slot, as indices of the rack's: (n, limits.AROUND or fewer)."""
    rows, columns = np.divmod(rack, shape[1])
    places = np.stack([columns + 0.5, rows + 0.5], axis=1)
    away = np.linalg.norm(places[None] - centres[:, None] * [shape[1], shape[0]], axis=2)
    return np.argsort(away, axis=1, kind="stable")[:, : limits.AROUND]


def _levels(cells: Cells, which: NDArray[np.intp]) -> Pixels:
    """Of some cells, (n, 3)."""
    return cells.reshape(-1, 4)[which, :3]


def _whole(cells: Cells, which: NDArray[np.intp]) -> NDArray[np.bool_]:
    return np.asarray(cells[..., 3].ravel()[which] <= limits.CLIPPED)


def _is_well_lit(levels: Pixels) -> NDArray[np.bool_]:
    tells: NDArray[np.bool_] = (levels.min(axis=1) >= limits.BRIGHTNESS[0]) & (
        levels.max(axis=1) <= limits.BRIGHTNESS[1]
    )
    return tells


def _lacks_colour(cells: Cells, which: NDArray[np.intp], *, tinted: bool = True) -> bool:
    """Whether a picture's cells are grey; `tinted`: or of one tint throughout."""
    flat = _levels(cells, which).astype(np.float32)
    flat = flat[flat.any(axis=1)]  # what isn't shown has no colour to lack
    if not len(flat):
        return False
    if tinted:
        flat = flat[flat.max(axis=1) <= limits.TINTED]
        if not len(flat):
            return False
        tint = medians(flat[None])[0]
        flat *= tint.mean() / np.maximum(tint, 1.0)
    return bool((flat.max(axis=1) - flat.min(axis=1) <= limits.GREY).mean() >= limits.GREY_SHARE)


def _is_plain(cells: Cells, which: NDArray[np.intp]) -> bool:
    """Whether a picture shows one surface, as a lens that is covered does: infrared light leaves shapes."""
    return bool(_levels(cells, which).mean(axis=1).std() <= limits.PLAIN)


def _light(cells: Cells, reference: _Reference, rack: NDArray[np.intp]) -> _Light | None:
    """None: too few cells say what it is."""
    now = _levels(cells, rack)
    tells = reference.tells & _is_well_lit(now)
    counts = tells & reference.whole & _whole(cells, rack)
    if np.count_nonzero(counts) < limits.FEWEST:
        counts = tells  # a mesh, or print in every cell: a rough figure is better than none
    if np.count_nonzero(counts) < limits.FEWEST:
        return None
    ratios = LOG_LIGHT[now] - reference.logs
    return _Light(ratios, tells, counts, medians(ratios[counts][None])[0])


def _veil(cells: Cells, reference: _Reference, rack: NDArray[np.intp]) -> Veil | None:
    now, before = _levels(cells, rack), _levels(reference.cells, rack)
    counts = reference.tells & _is_well_lit(now)
    seen = now.any(axis=1) & before.any(axis=1)
    if np.count_nonzero(counts) < limits.FEWEST:
        return None
    is_flatter = now[seen].std() <= MAX_CONTRAST * before[seen].std()
    return veil_over(now[counts], before[counts]) if is_flatter else None


def _colour_left(
    light: _Light, of: NDArray[np.bool_], cells: Cells, reference: _Reference, rack: NDArray[np.intp]
) -> float:
    """The median share that the rack's coloured cells, `of` these, have of their colour; 1 where there are too few."""
    which = of[reference.coloured]
    if np.count_nonzero(which) < limits.MIN_COLOURED:
        return 1.0
    now = _levels(cells, rack[reference.coloured[which]]) / light.levels
    now -= now.mean(axis=1, keepdims=True)
    return float(np.median((now * reference.away[which]).sum(axis=1) / reference.strength[which]))
