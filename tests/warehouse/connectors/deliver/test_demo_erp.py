"""`make demo-erp`: a real Tryton, from its stock to a draft count in it and back."""

from pathlib import Path

import pytest

from tests.patience import stretched
from tests.scripts.demo_erp import FOLLOWS_S, SLIP, WRONG, play

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def test_a_discrepancy_becomes_a_draft_count_and_what_is_confirmed_is_expected_within_ten_seconds(
    tmp_path: Path,
) -> None:
    outcome = play(tmp_path)
    confirmed, slipped = outcome.inventories
    assert (confirmed["location"], confirmed["state"]) == (WRONG, "done")
    assert confirmed["lines"] == {outcome.expected: 0.0, outcome.seen: 1.0}
    assert f"{outcome.seen} is seen where {outcome.expected} is expected" in confirmed["notes"][0]
    assert (slipped["location"], slipped["state"]) == (SLIP, "cancelled")
    assert "corrected: match" in slipped["notes"][-1]
    assert outcome.seconds["confirmed by a person -> expectation"] < stretched(FOLLOWS_S)
