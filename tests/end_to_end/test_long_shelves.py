"""Hundreds of scripted changes before two cameras that fail in every way: each is told in time, and nothing else is."""

from pathlib import Path

import pytest

from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from simulator.script import SPOILS_VIEW
from tests.scripts.long_shelves import Model, play_rack
from tests.scripts.shelf_judge import Result

MODEL = Model(DEMO_BUNDLE, DEMO_KEY.read_text().strip(), None, None)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [800, 801, 802, 803, 804])
def test_every_change_of_a_long_script_is_told_in_time_and_nothing_else(tmp_path: Path, seed: int) -> None:
    for result in play_rack(MODEL, seed, 50, tmp_path):
        _assert_all_told_and_nothing_else(result)
        assert {trouble.kind for trouble in result.troubles} == SPOILS_VIEW


def test_what_happens_before_cameras_that_are_nudged_is_told_and_nothing_else(tmp_path: Path) -> None:
    for result in play_rack(MODEL, 907, 8, tmp_path):
        _assert_all_told_and_nothing_else(result)


def _assert_all_told_and_nothing_else(result: Result) -> None:
    assert [change for change in result.changes if not change.reported_in_time] == []
    assert (result.false_alerts, result.misnamed, result.spoken_while_invalid) == ((), (), ())
    assert all(trouble.noticed for trouble in result.troubles)
