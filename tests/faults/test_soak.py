"""All faults at random: FAULTS 32. An hour of it is `python -m tests.scripts.soak --minutes 60`."""

import pytest

from tests.scripts.soak import soak


@pytest.mark.slow
def test_two_minutes_of_all_faults_at_random_lose_nothing_and_leave_memory_and_descriptors_flat() -> None:
    figures = soak(minutes=2, seed=1)
    assert figures.score
    assert (figures.score.lost, figures.score.duplicated) == (0, 0)
    assert figures.growth_mb <= 20
    assert figures.growth_descriptors <= 10
    assert sum(figures.faults.values()) >= 5
