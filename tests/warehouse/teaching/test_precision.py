"""What is counted of what people said, and that matches count only where chance has chosen."""

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kardus.contract.verdicts import Verdict
from kardus.support.proportions import wilson
from tests.publishers import Publisher
from tests.warehouse.receiving.making import write
from tests.warehouse.teaching.judged import judge, say
from warehouse.store.database import Database
from warehouse.store.labels import StatedTruth
from warehouse.store.tables import present
from warehouse.teaching.label_statements import verdict_of
from warehouse.teaching.precision import DRAWN_SHARE, count_claims, drawn_today, is_drawn, precisions

DAY = date(2026, 3, 1)
DRAWN = next(code for code in (f"D-{n}" for n in range(10_000)) if is_drawn(code, DAY))
OTHER = next(code for code in (f"D-{n}" for n in range(10_000)) if not is_drawn(code, DAY))


def _row(**said: Any) -> Any:
    base = {"agent": "box", "camera": "cam", "location": OTHER, "verdict": "mismatch", "expected": "Tea"}
    more = {"seen": "Lemon", "truth": "product", "sku": "Tea", "at": SimpleNamespace(date=lambda: DAY)}
    return SimpleNamespace(**(base | more | said))


def _found(*rows: Any) -> dict[tuple[str, str, str], tuple[int, int]]:
    return {(one.claim, one.by, one.key): (one.right, one.judged) for one in count_claims(rows)}


def test_an_alert_is_right_where_something_is_wrong_whichever_product_it_names() -> None:
    found = _found(_row(), _row(sku="Lemon"), _row(sku="Milk"), _row(truth="empty", sku=""))
    assert found["alert", "all", ""] == (3, 4)
    assert found["alert", "camera", "box/cam"] == found["alert", "product", "Tea"] == (3, 4)
    assert found["product", "product", "Lemon"] == (1, 4)
    assert not any(claim == "match" for claim, _, _ in found)


def test_matches_count_where_chance_chose_them() -> None:
    well = {"verdict": "match", "seen": "Tea"}
    assert _found(_row(**well), _row(**well, sku="Lemon")) == {}
    found = _found(_row(**well, location=DRAWN), _row(**well, location=DRAWN, sku="Lemon"))
    assert found["match", "all", ""] == found["product", "product", "Tea"] == (1, 2)


def test_doubts_claim_nothing_and_nothing_is_claimed_of_an_empty_location_by_its_name() -> None:
    assert _found(_row(verdict="uncertain")) == {}
    found = _found(_row(verdict="empty", seen="", truth="empty", sku=""), _row(verdict="unknown", seen=None))
    assert found["product", "product", "empty"] == (1, 1)
    assert found["alert", "all", ""] == (1, 2)


@given(
    truth=st.sampled_from(list(StatedTruth)),
    sku=st.sampled_from(["Tea", "Lemon"]),
    expected=st.sampled_from([None, "", "Tea", "Lemon"]),
)
def test_the_corrected_verdict(truth: StatedTruth, sku: str, expected: str | None) -> None:
    found = verdict_of(truth, sku if truth == StatedTruth.PRODUCT else "", expected)
    if truth in (StatedTruth.UNUSABLE, StatedTruth.WITHDRAWN):
        assert found is None
    elif expected is None:
        assert found == Verdict.UNMANAGED
    else:
        stands = {StatedTruth.PRODUCT: sku, StatedTruth.EMPTY: ""}.get(truth)
        assert (found == Verdict.MATCH) == (stands == expected)


def test_the_draw_is_as_large_as_it_is_said_to_be() -> None:
    days = [DAY + timedelta(days=n) for n in range(40)]
    drawn = sum(is_drawn(f"A-{n:03d}", day) for n in range(250) for day in days)
    low, high = wilson(drawn, 10_000)
    assert low < DRAWN_SHARE < high


def test_of_the_database(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Publisher()
    judge(database, box, "A-1", StatedTruth.PRODUCT, "Tea")
    say(database, judge(database, box, "A-2", StatedTruth.PRODUCT, "Tea"), StatedTruth.UNUSABLE)
    today = present().date()
    codes = [code for code in (f"D-{n}" for n in range(2_000)) if is_drawn(code, today)][:3]
    for code in codes:
        write(database, box.event(code), box.state(code))
    write(database, box.event(OTHER), box.state(OTHER))
    write(database, box.event(codes[2], Verdict.MISMATCH), box.state(codes[2], Verdict.MISMATCH))
    with database.reading() as connection:
        listed = drawn_today(connection, 100)
        assert len(drawn_today(connection, 1)) == 1
    there = set(codes[:2]) | ({OTHER} if is_drawn(OTHER, today) else set())
    assert {location for _, location, _, _ in listed} == there
    say(database, listed[0][2], StatedTruth.PRODUCT, "Tea")
    with database.reading() as connection:
        assert len(drawn_today(connection, 100)) == len(there) - 1
        found = {(one.claim, one.by): (one.right, one.judged) for one in precisions(connection) if one.by == "all"}
    assert found == {("alert", "all"): (0, 1), ("match", "all"): (1, 1), ("product", "all"): (2, 2)}
