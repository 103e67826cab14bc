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
