"""Bundles are timed in rounds, and compared round by round."""

import pytest

from simulator.demo.play import DEMO_BUNDLE
from tests.scripts.bundle_speed import ratio, time_in_turn


def test_a_round_has_a_batch_of_every_bundle() -> None:
    times = time_in_turn([DEMO_BUNDLE, DEMO_BUNDLE], seconds=0)
    assert [len(own) for own in times] == [1, 1]
    assert min(min(own) for own in times) > 0


def test_a_slow_moment_hits_both() -> None:
    assert ratio([2.0, 20.0, 2.0], [1.0, 10.0, 1.0]) == pytest.approx(2.0)
