"""The last picture once more is known, however much of either is decoded."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from edge_agent.config.cameras import CameraSection
from edge_agent.config.sections import GateSection, ViewSection
from edge_agent.seeing.camera_view import CameraView
from edge_agent.seeing.last_picture import RepeatGuard
from edge_agent.seeing.mask import Mask
from edge_agent.seeing.view_guard import JudgedPicture
from kardus.inference.half_decoded import HalfSizePicture
from kardus.inference.part_decoded import BrokenPictureError, GivenPicture
from kardus.inference.preprocess import Pixels, decode_half, decode_picture
from kardus.support.errors import DataError
from tests.edge_agent.racks import LOCATIONS, RACK, coded_frame, still

CLOCK = (1400, 40, 1640, 72)
AREA = np.array([[1396, 36], [1644, 36], [1644, 76], [1396, 76]]) / [1920, 1080]


def _given(pixels: Pixels, *, by_half: bool) -> GivenPicture:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    given = (decode_half if by_half else decode_picture)(buffer.getvalue(), "a picture")
    assert isinstance(given, HalfSizePicture) == by_half
    return given


def _is_repeated(last: RepeatGuard, pixels: Pixels, *, by_half: bool) -> bool:
    given = _given(pixels, by_half=by_half)
    return last.is_repeated(given, JudgedPicture(given).small)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("now", [True, False])
def test_the_same_picture_is_known_and_another_noise_is_another_picture(*, before: bool, now: bool) -> None:
    last = RepeatGuard(Mask())
    assert not _is_repeated(last, still(0), by_half=before)
    assert _is_repeated(last, still(0), by_half=now)
    assert not _is_repeated(last, still(1), by_half=before)
    assert _is_repeated(last, still(1), by_half=now)


def _at(second: int) -> Pixels:
    """The rack with a camera's clock."""
    pixels = still().copy()
    left, top, right, bottom = CLOCK
    pixels[top:bottom, left:right] = 20
    pixels[top:bottom, left + 8 * second : left + 8 * second + 8] = 250
    return pixels


@pytest.mark.parametrize("by_half", [True, False])
def test_a_clock_that_goes_on_in_a_masked_area_makes_no_other_picture(*, by_half: bool) -> None:
    for mask, is_repeated in ((Mask(), False), (Mask([AREA]), True)):
        last = RepeatGuard(mask)
        _is_repeated(last, _at(1), by_half=by_half)
        assert _is_repeated(last, _at(2), by_half=by_half) is is_repeated


@pytest.mark.parametrize("case", [0, 1, 2, 3])
def test_half_and_whole_of_one_picture_are_judged_alike(case: int) -> None:
    one, other = (JudgedPicture(_given(still(case), by_half=by_half)) for by_half in (True, False))
    assert (one.size, one.factor, one.small.shape) == (other.size, other.factor, other.small.shape)
    assert np.abs(one.small.astype(int) - other.small).mean() < 1
    places = np.random.default_rng(case).uniform((0, 0), one.size, (40, 2))
    assert float(np.median(one.sharpness(places) / other.sharpness(places))) == pytest.approx(1, abs=0.03)


def _refuses() -> Image.Image:
    raise DataError("camera: not a readable picture")


def test_a_last_picture_that_cannot_be_decoded_after_all_shows_no_location() -> None:
    places = [{"id": slot.location, "corners": slot.corners.tolist()} for slot in RACK.slots()]
    section = {"name": "rack", "source": {"type": "file", "path": "x.jpg"}, "locations": places}
    view = CameraView(CameraSection.model_validate(section), ViewSection(), GateSection(), live=True)
    for number in range(3):
        taken = coded_frame(still(number), float(number), number)
        if number == 2:
            assert view.location_view([0]) is not None
            assert isinstance(taken.given, HalfSizePicture)
            taken = replace(taken, given=HalfSizePicture(taken.given.half, taken.given.size, _refuses))
        view.see(taken, view.check(taken), [False] * len(LOCATIONS), 32)
    assert view.location_view([0]) is None
    with pytest.raises(BrokenPictureError):
        _ = view.last_shown
