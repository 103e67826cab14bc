"""Back-off with full jitter."""

import pytest

from kardus.support.backoff import backoff_s


@pytest.mark.parametrize(("failures", "longest_s"), [(0, 0.25), (1, 0.5), (3, 2.0), (9, 8.0), (500, 8.0)])
def test_pauses_are_random_and_double_up_to_eight_seconds(failures: int, longest_s: float) -> None:
    pauses = [backoff_s(failures) for _ in range(300)]
    assert 0 <= min(pauses) < longest_s / 4
    assert longest_s * 0.75 < max(pauses) <= longest_s


def test_the_first_pause_and_the_cap_can_be_others() -> None:
    assert 200 < max(backoff_s(20, first_s=1, cap_s=300) for _ in range(300)) <= 300
    assert max(backoff_s(2, first_s=1, cap_s=300) for _ in range(300)) <= 4
