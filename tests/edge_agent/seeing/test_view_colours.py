"""A view's colours: what is corrected, what isn't believed, and what is no matter of light at all."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from edge_agent.config.sections import ViewSection
from edge_agent.seeing.colour_complaints import Complaint
from edge_agent.seeing.colour_limits import COMES_AND_GOES_S, SETTLED_S
from edge_agent.seeing.mask import Mask
from edge_agent.seeing.view_colours import Cells, ViewColours, cells_of, cells_touching
from edge_agent.seeing.view_guard import inside, reduced
from kardus.inference.preprocess import Pixels
from simulator.script import Change, ChangeKind
from tests.edge_agent.racks import LOCATIONS, shares, shelf, still

LUMA = np.array([0.299, 0.587, 0.114])
FINE = (None, "")
SLOTS = range(len(LOCATIONS))


@cache
def _small(number: int = 0) -> Pixels:
    return reduced(Image.fromarray(still(number)), 4)


@cache
def _restocked() -> Pixels:
    other = shelf(*(Change(0, ChangeKind.UNKNOWN, location) for location in LOCATIONS)).frame(1)
    return reduced(Image.fromarray(other), 4)


def colours(reference: Pixels | None = None, rules: ViewSection | None = None) -> ViewColours:
    """Of the drawn rack."""
    shape = _small().shape
    changing, never = inside(shares(), shape), Mask().over(shape[1], shape[0])
    centres = np.array([share.mean(axis=0) for share in shares()])
    given_cells = None if reference is None else cells_of(reference)
    return ViewColours(rules or ViewSection(), centres, cells_touching(changing), cells_touching(never), given_cells)


def _check(seen: ViewColours, small: Pixels, at_s: float = 0.0, *, is_recognised: bool = True) -> Complaint:
    return seen.check(cells_of(small), at_s, is_recognised=is_recognised)


def lit(small: Pixels, *gains: float) -> Pixels:
    """With a gain for each channel's levels."""
    changed: Pixels = (small * np.array(gains)).clip(0, 255).astype(np.uint8)
    return changed


def grey(small: Pixels) -> Pixels:
    """Night mode."""
    return np.repeat((small @ LUMA)[..., None], 3, axis=2).round().astype(np.uint8)


def _faded(small: Pixels, left: float) -> Pixels:
    return (grey(small) + left * (small.astype(float) - grey(small))).clip(0, 255).astype(np.uint8)


def _one_red_third(small: Pixels) -> Pixels:
    covered = small.copy()
    covered[:, : small.shape[1] // 3] = (190, 20, 30)
    return covered


def _distance(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(float) - other).mean())


@given(red=st.floats(0.8, 1.2), blue=st.floats(0.8, 1.2), given_reference=st.booleans())
def test_a_cast_is_taken_out_of_the_crops_whatever_the_stock(*, red: float, blue: float, given_reference: bool) -> None:
    seen = colours(_small() if given_reference else None)
    _check(seen, _small())
    seen.prove()
    cast = lit(_restocked(), red, 1.0, blue)
    assert _check(seen, cast) == FINE
    correction, crop = seen.correction([7]), cast[100:160, 200:260][None]
    right = _restocked()[100:160, 200:260][None]
    corrected = correction.apply(crop) if correction else crop
    means = corrected.reshape(-1, 3).mean(axis=0) / right.reshape(-1, 3).mean(axis=0)
    assert np.ptp(means) < 0.07, "the channels agree again"


def test_the_same_light_is_no_matter_of_correction() -> None:
    seen = colours(_small())
    assert _check(seen, _restocked()) == FINE
    assert seen.correction(SLOTS) is None


@pytest.mark.parametrize("gains", [(1.6, 1, 0.6), (0.5, 1, 1.5), (0.65, 1.45, 0.65)])
def test_a_strong_cast_is_told_with_its_channels(gains: tuple[float, float, float]) -> None:
    problem, reason = _check(colours(_small()), lit(_small(1), *gains))
    assert problem == "colour cast"
    assert reason.startswith("its white balance has changed (red ")


UNSEEN: dict[str, Callable[[Pixels], Pixels]] = {
    "grey": grey,
    "grey with a tint": lambda small: lit(grey(small), 1.1, 0.9, 1.1),
    "pink, as with a filter that sticks": lambda small: lit(_faded(small, 0.25), 1.15, 0.85, 1.1),
    "hardly any colour left": lambda small: _faded(small, 0.2),
}


@pytest.mark.parametrize("case", UNSEEN)
@pytest.mark.parametrize("is_given", [True, False])
def test_a_view_without_colours_is_told_whatever_the_stock(case: str, *, is_given: bool) -> None:
    seen = colours(_small() if is_given else None)
    assert _check(seen, _small()) == FINE
    problem, reason = _check(seen, UNSEEN[case](_restocked()))
    assert problem == "no colour"
    assert reason.startswith("night mode?")
    assert _check(seen, _small(1)) == FINE


def test_a_faded_picture_gets_its_colours_back() -> None:
    seen = colours(_small())
    faded = _faded(_small(1), 0.5)
    assert _check(seen, faded) == FINE
    correction = seen.correction([7])
    assert correction is not None
    crop, right = faded[100:160, 200:260][None], _small(1)[100:160, 200:260][None]
    assert _distance(correction.apply(crop), right) < 0.5 * _distance(crop, right)


def test_a_red_jacket_before_a_third_is_no_cast() -> None:
    seen = colours(_small())
    assert _check(seen, _one_red_third(_small(1))) == FINE
    assert seen.correction([4, 9, 14]) is None, "the locations at the other side"


def test_each_half_of_a_view_has_its_own_light() -> None:
    seen, small = colours(_small()), _small(1).copy()
    half = small.shape[1] // 2
    small[:, half:] = lit(small[:, half:], 0.75, 1.0, 1.25)
    assert _check(seen, small) == FINE
    correction = seen.correction([0, 4])
    assert correction is not None
    left, right = np.log(correction.gains)
    assert abs(left[2] - left[0]) < 0.1
    assert right[2] - right[0] > 0.8, "in light: the logarithm of 1.25 / 0.75, times the gamma"


def test_a_dark_corner_is_brightened_and_other_light_is_left_alone() -> None:
    seen = colours(_small())
    _check(seen, lit(_small(1), 0.3, 0.3, 0.3))
    dim = seen.correction(SLOTS)
    assert dim is not None
    assert (dim.gains < 0.5).all()
    for gain in (0.7, 1.25):
        _check(seen, lit(_small(1), gain, gain, gain))
        assert seen.correction(SLOTS) is None


@pytest.mark.parametrize("seed", [3, 1600, 1602])
@pytest.mark.parametrize("gain", [1.1, 1.21, 1.35, 1.6])
def test_a_rack_so_bright_that_its_colours_are_clipped_has_neither_faded_nor_changed(seed: int, gain: float) -> None:
    brighter = shelf(Change(2, ChangeKind.LIGHT, amount=gain), seed=seed)
    before, after = (reduced(Image.fromarray(brighter.frame(number)), 4) for number in (1, 3))
    seen = colours(before)
    assert _check(seen, after) == FINE
    assert seen.correction(SLOTS) is None


def test_a_camera_that_is_grey_by_nature_works_as_grey() -> None:
    for seen in (colours(grey(_small())), colours()):
        for number in range(3):
            assert _check(seen, grey(_small(number))) == FINE
            assert seen.correction(SLOTS) is None


def test_a_camera_that_began_at_night_is_learnt_in_the_morning() -> None:
    seen = colours()
    assert _check(seen, grey(_small())) == FINE
    assert seen.is_grey
    seen.deny()  # the model recognises nothing
    assert _check(seen, grey(_small(1)))[0] == "no colour"
    assert _check(seen, _small(1)) == FINE
    assert _check(seen, grey(_small(2)))[0] == "no colour", "it is known now that it has colours"


def test_what_nothing_has_proved_is_learnt_anew_and_held_against_nobody() -> None:
    seen = colours()
    _check(seen, lit(_small(), 1.5, 1.0, 0.5))
    assert _check(seen, _small(1)) == FINE
    seen.prove()
    assert _check(seen, lit(_small(2), 1.6, 1.0, 0.5))[0] == "colour cast"


def test_what_was_learnt_is_known_after_a_restart_unless_the_view_is_another() -> None:
    before = colours()
    _check(before, _small())
    before.prove()
    learnt = before.learnt
    assert learnt is not None
    after = colours()
    after.remember(learnt)
    assert _check(after, grey(_small(1)))[0] == "no colour", "it starts at night"
    turned: Cells = np.random.default_rng(1).integers(0, 255, learnt.shape).astype(np.uint8)
    elsewhere = colours()
    elsewhere.remember(turned)
    assert _check(elsewhere, _small(1)) == FINE
    assert not elsewhere.is_proven


SEEDS = [3, 5, 1600, 1601, 1602, 1603, 1610, 1620, 1700]
"""Of racks in a light of their own each."""


def _from(before: Pixels, *later: Pixels) -> ViewColours:
    """What is known after a restart, from the colours before it and the pictures after."""
    seen = colours()
    seen.remember(cells_of(before))
    for picture in later:
        _check(seen, picture)
    return seen


def _in_the_evening(small: Pixels) -> Pixels:
    across = np.linspace(0.75, 1.05, small.shape[1])[None, :, None]
    return (small * across * [1.1, 1.0, 0.8]).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("bump", "is_same"), [(0.0, True), (8.0, False), (11.0, False), (-16.0, False)])
def test_what_was_learnt_counts_in_another_light_and_not_where_the_camera_was_nudged(
    *, bump: float, is_same: bool, seed: int
) -> None:
    rack = shelf(Change(2, ChangeKind.BUMP, amount=bump), seed=seed)
    morning, evening = (reduced(Image.fromarray(rack.frame(number)), 4) for number in (1, 3))
    after = _from(morning, _in_the_evening(evening))
    assert after.is_proven == is_same
    assert (after.correction(SLOTS) is not None) == is_same, "the evening is corrected, and no nudge"


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_learnt_waits_for_a_picture_in_which_nobody_stands_before_the_rack(seed: int) -> None:
    rack = shelf(seed=seed)
    before, now = (reduced(Image.fromarray(rack.frame(number)), 4) for number in (1, 3))
    half = now.copy()
    half[:, : half.shape[1] // 2] = np.random.default_rng(1).integers(0, 255, (1, half.shape[1] // 2, 3))
    after = _from(before, half)
    assert not after.is_proven
    assert _from(before, half, _in_the_evening(now)).is_proven
    given_up = _from(before, half)
    given_up.prove()
    _check(given_up, _in_the_evening(now), 5.0)
    assert given_up.learnt is not None
    assert not np.array_equal(given_up.learnt, cells_of(before)), "what stands there was recognised without it"


@pytest.mark.parametrize("seed", SEEDS)
def test_an_agent_that_starts_at_night_knows_that_it_is_night_though_infrared_light_shows_other_surfaces(
    seed: int,
) -> None:
    rack = shelf(seed=seed)
    before, now = (reduced(Image.fromarray(rack.frame(number)), 4) for number in (1, 3))
    for weights in ([1.0, 0.0, 0.0], [0.6, 0.1, 0.3]):
        after = colours()
        after.remember(cells_of(before))
        infrared = np.repeat((now @ np.array(weights))[..., None], 3, axis=2).astype(np.uint8)
        assert _check(after, infrared)[0] == "no colour"
        assert not after.is_proven


@pytest.mark.parametrize("gain", [0.9, 1.0, 1.2])
def test_vivid_colours_are_colours_though_they_are_clipped(gain: float) -> None:
    """Steel shelves of one grey, and cartons with yellow print."""
    steel = grey(_small()).copy()
    steel[::3] = (250, 190, 20)
    seen = colours(lit(steel, gain, gain, gain))
    assert _check(seen, lit(steel, 1.1, 1.1, 1.1)) == FINE
    assert _check(seen, grey(steel))[0] == "no colour"
    truck = grey(_small(1)).copy()
    truck[100:, 100:400] = (255, 130, 20)
    assert _check(seen, truck, is_recognised=False) == FINE, "it is no camera at night"


def test_white_print_in_every_cell_leaves_the_light_known() -> None:
    labelled = np.full_like(_small(), (130, 118, 104))
    labelled[::6, ::6] = labelled[1::6, ::6] = labelled[::6, 1::6] = labelled[1::6, 1::6] = 255
    seen = colours(labelled)
    assert _check(seen, lit(labelled, 1.6, 1.0, 0.6))[0] == "colour cast"
    assert _check(seen, lit(labelled, 1.3, 1.0, 0.75)) == FINE
    assert seen.correction(SLOTS) is not None
    assert _check(seen, grey(labelled))[0] == "no colour"


def test_what_fades_is_corrected_though_white_print_is_in_every_coloured_cell() -> None:
    beams = np.full_like(_small(), (150, 110, 70))
    beams[::6] = beams[1::6] = 255
    beams[:, :160] = 110
    seen = colours(beams)
    assert _check(seen, _faded(beams, 0.6)) == FINE
    correction = seen.correction(SLOTS)
    assert correction is not None
    assert correction.colour > 1.3


def test_what_nobody_has_learnt_is_proved_by_nothing() -> None:
    seen = colours()
    seen.remember(cells_of(_small()))
    assert _check(seen, grey(_small(1)))[0] == "no colour"
    seen.prove()
    assert (seen.is_proven, seen.learnt) == (False, None)
    assert _check(seen, grey(_small(2)))[0] == "no colour"


def test_grey_pictures_that_were_denied_are_believed_once_those_of_a_former_run_were_grey_too() -> None:
    by_nature = grey(_small())
    seen = colours()
    seen.remember(cells_of(by_nature))
    somebody = np.random.default_rng(1).integers(0, 255, (by_nature.shape[0], 1, 1)).repeat(480, 1).repeat(3, 2)
    _check(seen, somebody.astype(np.uint8))
    seen.deny()
    assert _check(seen, grey(_small(1))) == FINE
    assert seen.is_proven


@pytest.mark.parametrize(("contrast", "offset"), [(0.75, 80), (0.7, 90), (0.65, 100)])
def test_a_veil_that_clips_what_is_bright_is_lifted(contrast: float, offset: float) -> None:
    seen = colours(_small())
    veiled = (_small(1) * contrast + offset).clip(0, 255).astype(np.uint8)
    assert _check(seen, veiled) == FINE
    correction, crop = seen.correction([7]), np.s_[None, 100:160, 200:260]
    assert correction is not None
    right = _small(1)[crop[1:]][None]
    assert _distance(correction.apply(veiled[crop[1:]][None]), right) < 0.4 * _distance(veiled[crop[1:]][None], right)


def test_infrared_light_that_changes_the_view_beyond_recognition_is_told_and_a_cloth_is_none() -> None:
    seen = colours(_small())
    assert _check(seen, 255 - grey(_small(1)), is_recognised=False)[0] == "no colour"
    cloth = np.full_like(_small(), (92, 84, 76))
    assert _check(seen, cloth, is_recognised=False) == FINE


def test_colours_that_come_and_go_are_believed_once_they_stay() -> None:
    seen, found = colours(_small()), []
    for second in range(0, 240, 2):
        at_night = 20 <= second < 100 and second % 40 >= 20
        small = grey(_small(1)) if at_night else _small(second // 2 % 3)
        found.append((second, _check(seen, small, float(second))[0]))
    told = dict(found)
    assert told[18] is None
    assert told[40] is None, "once is a night"
    assert told[80] == "no colour", "twice within two minutes"
    assert told[100] == "no colour"
    assert told[100 + int(SETTLED_S)] is None
    assert told[238] is None
    assert COMES_AND_GOES_S > SETTLED_S


def test_a_rack_without_colours_is_known_by_its_cartons() -> None:
    plain = _small().copy()
    free = ~inside(shares(), plain.shape)
    plain[free] = grey(plain)[free]
    seen = colours(plain)
    assert _check(seen, plain) == FINE
    assert _check(seen, grey(plain))[0] == "no colour"
    assert _check(seen, lit(grey(plain), 1.15, 0.9, 1.1))[0] == "no colour", "of one tint"


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_no_picture_makes_it_fail(seed: int, is_given: bool) -> None:  # noqa: FBT001 - drawn
    rng = np.random.default_rng(seed)
    seen = colours(_small() if is_given else None)
    for _ in range(3):
        low, high = sorted(rng.integers(0, 256, 2))
        noise: NDArray[np.uint8] = rng.integers(low, high + 1, _small().shape).astype(np.uint8)
        _check(seen, noise, is_recognised=bool(rng.integers(2)))
        correction = seen.correction(SLOTS)
        if correction is not None:
            assert np.isfinite(correction.gains).all()
            assert correction.apply(np.stack([noise[:8, :8]] * len(SLOTS))).shape == (len(SLOTS), 8, 8, 3)
