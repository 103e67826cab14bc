"""The line through what was held day by day."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scripts.month import WARM_UP, Day, growth_a_day, main


def _days(*lengths: int) -> list[Day]:
    """Days of lives of these lengths."""
    lives = [life for life, length in enumerate(lengths) for _ in range(length)]
    return [Day(life, number, 0, 0, 0.0, 0.0, 0, 0) for number, life in enumerate(lives)]


@given(st.floats(-2, 2), st.floats(100, 300))
def test_growth_is_found_whatever_each_life_begins_with_and_takes_to_warm_up(slope: float, level: float) -> None:
    days = _days(WARM_UP + 8, WARM_UP + 5)
    held = [level + slope * day.day + 40 * day.life - (30 if day.day < WARM_UP else 0) for day in days]
    found, low, high = growth_a_day(days, held)
    assert found == pytest.approx(slope, abs=1e-6)
    assert low - 1e-6 <= slope <= high + 1e-6


def test_what_strays_widens_the_interval() -> None:
    days = _days(WARM_UP + 20)
    growth, low, high = growth_a_day(days, [150 + 3 * (day.day % 2) for day in days])
    assert low < 0 < high
    assert low < growth < high


def test_too_few_days_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        growth_a_day(_days(WARM_UP + 2), [1.0] * (WARM_UP + 2))


@pytest.mark.parametrize(("growth_mb", "code"), [(0.0, 0), (-0.5, 0), (0.5, 1)])
def test_the_exit_code_says_that_a_program_surely_grows(
    growth_mb: float, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = [
        replace(day, agent_mb=150 + 0.1 * (day.day % 2), receiver_mb=90 + growth_mb * day.day + 0.1 * (day.day % 3))
        for day in _days(WARM_UP + 12)
    ]
    (tmp_path / "days.jsonl").write_text("".join(json.dumps(asdict(day)) + "\n" for day in days), encoding="utf-8")
    assert main([str(tmp_path), "--days", str(len(days))]) == code
    told = capsys.readouterr().out
    assert told.count("it surely grows") == code
