"""What is published follows the WMS, and a broken answer changes nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kardus.contract.messages import Expected
from kardus.support.tabular.tables import Row
from warehouse.connectors.sync.reconcile import Plan, plan
from warehouse.connectors.sync.source import StockSnapshot
from warehouse.stock.stock_list import StockRules

RULES = StockRules()
Held = dict[str, tuple[str, int] | None]
CODES = [f"A-{n:02d}" for n in range(30)]
held = st.dictionaries(
    st.sampled_from(CODES), st.none() | st.tuples(st.sampled_from(["Tea", "Milk"]), st.integers(1, 3))
)


def snapshot(stock: Held, *more: Row) -> StockSnapshot:
    """As a source gives it."""
    rows = [
        Row(number, {"location": code, "sku": one[0], "quantity": str(one[1])})
        for number, (code, one) in enumerate(stock.items(), 1)
        if one is not None
    ]
    return StockSnapshot(tuple(stock), (*rows, *more))


def applied(known: dict[str, Expected], found: Plan) -> dict[str, Expected]:
    """What the broker retains afterwards."""
    for change in found.changes:
        if change.location in known:
            assert change.expected.revision > known[change.location].revision
    return known | {change.location: change.expected for change in found.changes}


def contents(known: dict[str, Expected]) -> Held:
    """What is expected at the managed locations."""
    return {
        code: (expected.sku, expected.quantity or 0) if expected.sku else None
        for code, expected in known.items()
        if expected.managed
    }


@given(st.lists(held, min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_whatever_the_wms_says_is_what_is_expected_and_the_same_again_publishes_nothing(answers: list[Held]) -> None:
    known: dict[str, Expected] = {}
    for now_ms, stock in enumerate(answers, 1000):
        known = applied(known, plan(snapshot(stock), known, now_ms, RULES, confirmed=True))
        assert contents(known) == stock
        assert not plan(snapshot(stock), known, now_ms + 1, RULES).changes


def _known(stock: Held) -> dict[str, Expected]:
    return applied({}, plan(snapshot(stock), {}, 1, RULES))


FULL: Held = dict.fromkeys(CODES, ("Tea", 1))


def test_an_answer_with_nothing_or_far_less_publishes_nothing_until_somebody_confirms() -> None:
    known = _known(FULL)
    fewer: Held = dict.fromkeys(CODES[:20], ("Tea", 1))
    for stock in ({}, fewer):
        found = plan(snapshot(stock), known, 2, RULES)
        assert not found.changes
        assert "are gone" in found.held
        assert plan(snapshot(stock), known, 2, RULES, confirmed=True).changes


@pytest.mark.parametrize(
    ("occupied", "emptied", "held"),
    [
        (1, 1, False),
        (2, 1, False),
        (2, 2, True),
        (5, 4, False),
        (5, 5, True),
        (6, 5, False),
        (6, 6, True),
        (25, 5, False),
        (25, 6, True),
        (30, 6, False),
        (30, 7, True),
        (30, 15, True),
        (1000, 200, False),
        (1000, 201, True),
    ],
)
@pytest.mark.parametrize("way", ["emptied", "mixed", "given up"])
def test_more_than_a_fifth_and_more_than_five_that_are_lost_at_once_are_held_and_a_mornings_work_is_not(
    occupied: int, emptied: int, way: str, *, held: bool
) -> None:
    codes = [f"B-{number:04}" for number in range(occupied)]
    full: Held = dict.fromkeys(codes, ("Tea", 1))
    stock = dict.fromkeys(codes[:emptied]) | dict.fromkeys(codes[emptied:], ("Tea", 1))
    known = _known(full)
    if way == "given up":  # of ten times as many that are managed, so that few of those are gone
        known |= _known(dict.fromkeys(f"C-{number:05}" for number in range(10 * occupied)))
        stock = {code: one for code, one in stock.items() if one} | dict.fromkeys(known.keys() - set(codes))
    answer = snapshot(full, *map(_milk, codes[:emptied])) if way == "mixed" else snapshot(stock)
    rules = StockRules(mixed=True)
    found = plan(answer, known, 2, rules)
    said = f"{emptied} of {occupied} occupied locations would be empty or given up at once"
    assert found.held.startswith(said) is held
    assert found.held.endswith("start once with --yes") is held
    assert len(found.changes) == (0 if held else emptied)
    assert len(plan(answer, known, 2, rules, confirmed=True).changes) == emptied


def test_no_stock_at_all_is_held_in_a_warehouse_that_begins_with_five_cartons() -> None:
    codes = [f"D-{number:04}" for number in range(1000)]
    known = _known(dict.fromkeys(codes) | dict.fromkeys(codes[:5], ("Tea", 1)))
    found = plan(snapshot(dict.fromkeys(codes)), known, 2, RULES)
    assert found.held.startswith("5 of 5 occupied locations would be empty")
    assert not found.changes


def _milk(code: str) -> Row:
    return Row(9999, {"location": code, "sku": "Milk", "quantity": "1"})


def test_what_cannot_be_told_is_not_lost() -> None:
    unclear = [Row(99, {"location": code, "sku": "", "quantity": ""}) for code in CODES]
    found = plan(StockSnapshot(tuple(CODES), tuple(unclear)), _known(FULL), 2, RULES)
    assert (found.held, found.changes, len(found.problems)) == ("", (), len(CODES))


@pytest.mark.parametrize(("stocked", "mixed", "held"), [(5, 5, False), (6, 6, True), (30, 15, False), (30, 16, True)])
def test_a_join_that_doubles_the_rows_of_a_first_answer_is_held_and_some_mixed_locations_are_not(
    stocked: int, mixed: int, *, held: bool
) -> None:
    full: Held = dict.fromkeys(CODES[:stocked], ("Tea", 1))
    answer, rules = snapshot(full, *map(_milk, CODES[:mixed])), StockRules(mixed=True)
    found = plan(answer, {}, 1, rules)
    said = f"{mixed} of {stocked} locations with stock (as 'A-00') would be given up as mixed at once"
    assert found.held.startswith(said) is held
    assert bool(found.changes) is not held
    known = applied({}, plan(answer, {}, 1, rules, confirmed=True))
    assert not plan(answer, known, 2, rules).held, "once it is confirmed, it is no news"


def test_the_first_answer_for_an_empty_broker_is_taken() -> None:
    assert len(plan(snapshot(dict.fromkeys(CODES)), {}, 1, RULES).changes) == len(CODES)


def test_a_row_that_cannot_be_told_leaves_its_location_as_it_is_and_the_others_follow() -> None:
    known = _known(FULL)
    stock: Held = {**FULL, CODES[1]: ("Milk", 1)}
    del stock[CODES[0]]
    unclear = Row(99, {"location": CODES[0], "sku": "", "quantity": ""})
    found = plan(StockSnapshot(tuple(CODES), snapshot(stock, unclear).stock), known, 2, RULES)
    assert [change.location for change in found.changes] == [CODES[1]]
    assert "no sku" in found.problems[0]


def test_two_products_at_a_location_are_unclear_or_unmanaged_and_lots_are_one() -> None:
    two = Row(99, {"location": CODES[0], "sku": "Milk", "quantity": "1"})
    lot = Row(98, {"location": CODES[1], "sku": "Tea", "quantity": "2"})
    found = plan(snapshot(FULL, two, lot), {}, 1, RULES)
    assert CODES[0] not in {change.location for change in found.changes}
    assert next(change for change in found.changes if change.location == CODES[1]).expected.quantity == 3
    mixed = plan(snapshot(FULL, two), {}, 1, StockRules(mixed=True))
    assert not next(change for change in mixed.changes if change.location == CODES[0]).expected.managed


def test_stock_elsewhere_is_none_of_ours_and_names_are_compared_in_one_spelling() -> None:
    rows = (
        Row(1, {"location": "Cafe\u0301", "sku": "Tea", "quantity": ""}),
        Row(2, {"location": "Customers", "sku": "Tea", "quantity": ""}),
    )
    found = plan(StockSnapshot(("Caf\u00e9", "bad\nname"), rows), {}, 1, RULES)
    assert [(change.location, change.expected.sku) for change in found.changes] == [("Caf\u00e9", "Tea")]
    assert found.elsewhere == 1
    assert "no code" in found.problems[0]


def test_stock_at_a_managed_location_in_another_spelling_leaves_it_alone() -> None:
    rows = (
        Row(1, {"location": "a\u201301", "sku": "Tea", "quantity": ""}),
        Row(2, {"location": "Customers", "sku": "Tea", "quantity": ""}),
    )
    found = plan(StockSnapshot(("A-01", "A-02"), rows), {}, 1, RULES)
    assert [change.location for change in found.changes] == ["A-02"]
    assert found.problems == ("row 1: location 'a\u201301' is 'A-01' among the managed ones: write both alike",)
    assert found.elsewhere == 2


def test_stock_that_is_at_no_managed_location_at_all_is_held_before_all_of_them_have_to_be_empty() -> None:
    rows = tuple(Row(n, {"location": f"WH/Stock/{code}", "sku": "Tea", "quantity": ""}) for n, code in enumerate(CODES))
    answer = StockSnapshot(tuple(CODES), rows)
    found = plan(answer, {}, 1, RULES)
    assert not found.changes
    assert "none of 30 rows of stock (as 'WH/Stock/A-00') is at a managed location (as 'A-00')" in found.held
    known = applied({}, plan(answer, {}, 1, RULES, confirmed=True))
    assert contents(known) == dict.fromkeys(CODES)
    assert not plan(answer, known, 2, RULES).held, "once it is confirmed, it is no news"
