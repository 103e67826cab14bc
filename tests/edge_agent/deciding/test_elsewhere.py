"""Where a missing product stands instead: a swapped pair names each other."""

from dataclasses import replace
from datetime import UTC, datetime

from edge_agent.deciding.recorder import affected_locations, with_seen_at
from edge_agent.records import Finding
from kardus.contract.messages import ExpectedStock, LocationState, Model, Seen
from kardus.contract.verdicts import Verdict

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def _finding(location: str, verdict: Verdict, expected: str | None, seen: str | None) -> Finding:
    stock = ExpectedStock(sku=expected, revision=1, age_s=0)
    return Finding(location, verdict, "cam", NOON, expected=stock, seen=Seen(sku=seen) if seen else None)


def _state(finding: Finding, *seen_at: str) -> LocationState:
    return LocationState(
        location=finding.location,
        verdict=finding.verdict,
        since=NOON,
        last_verified=NOON,
        valid_until=NOON,
        expected=finding.expected,
        seen=finding.seen,
        camera="cam",
        model=Model(name="m", version="1.0.0"),
        seen_at=seen_at,
    )


def _states(*findings: Finding) -> dict[str, LocationState]:
    return {finding.location: _state(finding) for finding in findings}


LEFT = _finding("L", Verdict.MISMATCH, "A", "B")
RIGHT = _finding("R", Verdict.MISMATCH, "B", "A")
GOOD = _finding("G", Verdict.MATCH, "A", "A")


def test_a_swapped_pair_names_each_other() -> None:
    assert [finding.seen_at for finding in with_seen_at([LEFT, RIGHT], {})] == [("R",), ("L",)]
    assert [finding.seen_at for finding in with_seen_at([LEFT], _states(RIGHT))] == [("R",)]


def test_a_product_where_it_belongs_is_not_astray() -> None:
    assert with_seen_at([LEFT], _states(GOOD))[0].seen_at == ()


def test_a_product_that_was_taken_and_put_down_elsewhere_is_named() -> None:
    gone = _finding("L", Verdict.EMPTY, "A", None)
    stray = _finding("S", Verdict.UNEXPECTED, None, "A")
    found = with_seen_at([gone, stray], {})
    assert [finding.seen_at for finding in found] == [("S",), ()]


def test_what_matches_or_is_in_doubt_lacks_nothing() -> None:
    doubt = _finding("D", Verdict.UNCERTAIN, "A", None)
    assert [f.seen_at for f in with_seen_at([GOOD, doubt], _states(RIGHT))] == [(), ()]


def test_the_later_of_a_pair_tells_the_earlier() -> None:
    assert affected_locations([RIGHT], _states(LEFT)) == {"L"}
    told = _states(LEFT) | {"L": _state(LEFT, "R")}
    assert affected_locations([RIGHT], told) == set(), "told already"


def test_a_pair_that_is_put_right_tells_the_other_too() -> None:
    told = {"L": _state(LEFT, "R"), "R": _state(RIGHT, "L")}
    assert affected_locations([replace(RIGHT, verdict=Verdict.MATCH, seen=Seen(sku="B"))], told) == {"L"}


def test_an_unknown_variant_is_nobody_s_product() -> None:
    unsure = _finding("R", Verdict.MISMATCH, "B", None)
    assert with_seen_at([LEFT, unsure], {})[0].seen_at == ()


def test_nobody_walks_to_a_hundred_places() -> None:
    strays = [_finding(f"S{number:03}", Verdict.UNEXPECTED, None, "A") for number in range(100)]
    assert with_seen_at([LEFT, *strays], {})[0].seen_at == tuple(f"S{number:03}" for number in range(5))
