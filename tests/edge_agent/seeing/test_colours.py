"""What is kept of the slots of one picture."""

import numpy as np
import pytest

from edge_agent.seeing.colours import SlotColours, find_places, unseen
from kardus.inference.geometry import rectangle


def test_the_light_is_that_of_what_it_holds_now() -> None:
    bright = np.full((90, 160, 3), 199, np.uint8)
    corners = np.stack([rectangle(20, 20, 60, 70), rectangle(90, 20, 130, 70)])
    now: SlotColours = find_places(corners, bright.shape).see(bright)
    kept = unseen(2)
    assert kept.light == pytest.approx(1)
    kept.replace(np.ones(2, bool), now)
    assert kept.light == pytest.approx(now.light)
    assert now.light == pytest.approx(200)


def test_what_is_kept_of_a_slot_says_which_places_around_it_were_shown() -> None:
    corners = np.stack([rectangle(2, 20, 42, 70), rectangle(90, 20, 130, 70)])
    masked = np.zeros((90, 160), bool)
    masked[:30] = True
    picture = np.full((90, 160, 3), 99, np.uint8)
    still, moved = (find_places(places, picture.shape, masked).see(picture) for places in (corners, corners + 8.0))
    assert still.comparable(still).all(), "a camera that stands still shows the same in place of what it doesn't show"
    assert 0.3 < still.comparable(moved)[0].mean() < 0.8
    kept = unseen(2)
    kept.replace(np.array([True, False]), still)
    assert (kept.comparable(moved)[0] == still.comparable(moved)[0]).all()
    assert (kept.comparable(moved)[1] == moved.shown[1]).all()
