"""A veil of light is told from what else happens to a picture's levels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.seeing.veil import Levels, veil_over

CELLS: Levels = np.random.default_rng(3).integers(40, 160, (200, 3)).astype(np.uint8)


def _levels(values: np.ndarray) -> Levels:
    return np.round(values).clip(0, 255).astype(np.uint8)


@given(share=st.floats(0.15, 0.7), white=st.floats(140, 250))
def test_a_veil_is_found_and_lifted(share: float, white: float) -> None:
    now = _levels(CELLS * (1 - share) + white * share)
    veil = veil_over(now, CELLS)
    assert veil is not None
    assert veil.contrast == pytest.approx(1 - share, abs=0.05)
    assert np.abs(veil.lifted[now].astype(float) - CELLS).max() <= 13, "the heaviest leaves three tenths of each level"


@given(gains=st.tuples(*[st.floats(0.4, 1.5)] * 3))
def test_another_light_or_white_balance_is_none(gains: tuple[float, float, float]) -> None:
    assert veil_over(_levels(CELLS * np.array(gains)), CELLS) is None


@pytest.mark.parametrize("share", [0.1, 0.3, 0.45])
def test_who_stands_before_a_part_of_the_rack_is_none(share: float) -> None:
    now = CELLS.copy()
    now[: int(share * len(now))] = (190, 20, 30)
    assert veil_over(now, CELLS) is None


def test_where_all_cells_are_alike_nothing_is_said() -> None:
    plain: Levels = np.full((100, 3), 120, np.uint8)
    assert veil_over(_levels(plain * 0.5 + 100), plain) is None
