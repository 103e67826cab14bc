"""The list: what is wrong, what fits where, what wasn't verified; as table, CSV, Excel, page and JSON."""

import csv
import io
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from kardus.contract.messages import AgentStatus, Alert, CameraHealth, Coverage, LocationState, Verified
from kardus.contract.verdicts import Verdict
from tests.publishers import Publisher
from tests.warehouse.report.racks import EARLIER, LATER, NOW, TODAY, changed, rack, report_of
from warehouse.report.aisles import aisle_of
from warehouse.report.coverage import AisleCoverage, reasons
from warehouse.report.tables import age_in_words, as_csv


def test_what_fits_is_said_and_the_list_is_in_walking_order(tmp_path: Path) -> None:
    found = report_of(tmp_path, rack())
    assert [(line.aisle, line.location, line.action) for line in found.discrepancies] == [
        ("A", "A-2", "swap with A-10"),
        ("A", "A-10", "swap with A-2"),
        ("B", "B-1", "Rice stands at B-2"),
        ("B", "B-2", "Rice is missing at B-1"),
    ]
    assert found.discrepancies[0].age == NOW - found.discrepancies[0].since
    assert [old.location for old in found.unverified] == ["C-1"]
    assert [(a.aisle, a.verified, a.total) for a in found.coverage] == [("A", 2, 2), ("B", 2, 2), ("C", 1, 2)]
    assert (found.total.verified, found.total.total) == (5, 6)


def test_two_agents_that_disagree_are_a_conflict_and_one_that_sees_nothing_is_not(tmp_path: Path) -> None:
    one, two, three = Publisher("one"), Publisher("two"), Publisher("three")
    found = report_of(
        tmp_path,
        [
            one.state("A-1", Verdict.MISMATCH, "Tea", "Milk"),
            two.state("A-1", Verdict.MATCH, "Tea", "Tea"),
            three.state("A-1", Verdict.STALE),
            one.state("A-2", Verdict.MISMATCH, "Tea", "Milk"),
            three.state("A-2", Verdict.OBSTRUCTED),
        ],
    )
    assert [line.conflict for line in found.discrepancies] == ["one: mismatch Milk, two: match Tea", ""]


def test_an_alert_stays_on_the_list_when_its_agent_has_gone_silent(tmp_path: Path) -> None:
    box = Publisher()
    void = LocationState.model_validate(
        json.loads(box.state("A-1", Verdict.MISMATCH, "Tea", "Milk")[1])["data"]
        | {"valid_until": (NOW - timedelta(minutes=1)).isoformat()}
    )
    known = void.model_copy(
        update={
            "location": "A-2",
            "alert": Alert(id="x", status="acknowledged", opened=EARLIER, by="Ann"),
            "valid_until": NOW + timedelta(hours=1),
        }
    )
    gone = known.model_copy(
        update={
            "location": "A-3",
            "verdict": Verdict.MATCH,
            "alert": Alert(id="y", status="resolved", opened=EARLIER, resolved=NOW),
        }
    )
    found = report_of(tmp_path, [box.state_message(state) for state in (void, known, gone)])
    notes = [(line.location, line.note) for line in found.discrepancies]
    assert [location for location, _ in notes] == ["A-1", "A-2"]
    assert notes[0][1].startswith("no word since")
    assert notes[1][1] == "acknowledged by Ann"


@pytest.mark.parametrize("later", ["one", "two"])
def test_of_two_agents_that_find_a_discrepancy_the_one_with_the_latest_state_decides(
    tmp_path: Path, later: str
) -> None:
    said = {"one": "Milk", "two": "Rice"}
    messages = [
        changed(
            Publisher(agent).state("A-1", Verdict.MISMATCH, "Tea", seen),
            valid_until=NOW + timedelta(hours=2 if agent == later else 1),
        )
        for agent, seen in said.items()
    ]
    (line,) = report_of(tmp_path, messages).discrepancies
    assert (line.seen, line.agents) == (said[later], ("one", "two"))


def test_the_age_counts_from_when_the_alert_was_opened_or_else_from_the_state_and_is_never_negative(
    tmp_path: Path,
) -> None:
    box = Publisher()
    opened = {"id": "x", "status": "open", "opened": EARLIER}
    since = NOW - timedelta(hours=1)
    found = report_of(
        tmp_path,
        [
            changed(box.state("A-1", Verdict.MISMATCH, "Tea", "Milk"), since=since, alert=opened),
            changed(box.state("A-2", Verdict.MISMATCH, "Tea", "Milk"), since=since, alert=None),
            changed(box.state("A-3", Verdict.MISMATCH, "Tea", "Milk"), since=NOW + timedelta(hours=1), alert=None),
        ],
    )
    assert [(line.since, line.age) for line in found.discrepancies] == [
        (EARLIER, timedelta(hours=30)),
        (since, timedelta(hours=1)),
        (NOW + timedelta(hours=1), timedelta()),
    ]
    assert [line.alert for line in found.discrepancies] == ["x", "", ""]


def test_a_location_of_a_swapped_pair_is_offered_to_no_other(tmp_path: Path) -> None:
    box = Publisher()
    found = report_of(
        tmp_path,
        [
            box.state("A-1", Verdict.MISMATCH, "Tea", "Milk"),
            box.state("A-2", Verdict.MISMATCH, "Milk", "Tea"),
            box.state("A-3", Verdict.MISMATCH, "Tea", "Milk"),
        ],
    )
    assert [(line.swap, line.action) for line in found.discrepancies] == [
        ("A-2", "swap with A-2"),
        ("A-1", "swap with A-1"),
        ("", ""),
    ]


def test_every_pair_has_its_own_partner(tmp_path: Path) -> None:
    box = Publisher()
    skus = [("Tea", "Milk"), ("Tea", "Milk"), ("Milk", "Tea"), ("Milk", "Tea")]
    messages = [box.state(f"A-{n}", Verdict.MISMATCH, *pair) for n, pair in enumerate(skus, start=1)]
    assert [line.swap for line in report_of(tmp_path, messages).discrepancies] == ["A-3", "A-4", "A-1", "A-2"]


def test_what_is_wrong_with_the_line_is_said(tmp_path: Path) -> None:
    box = Publisher()
    events = box.events(5)
    found = report_of(tmp_path, [events[0], events[4], box.lost([(2, 2)])])
    assert found.problems == ("agent box: 2 events haven't come yet", "agent box: 1 events are lost, as it says itself")


def test_the_aisle_is_the_first_part_of_the_code() -> None:
    assert [aisle_of(code) for code in ("A-03-2", "12-1", "-x", "Dock")] == ["A", "12", "(others)", "Dock"]


def test_the_aisle_is_the_first_group_of_the_pattern_or_its_whole_match() -> None:
    assert aisle_of("A-03-2", re.compile(r"-(\d+)-")) == "03"
    assert aisle_of("A-03-2", re.compile(r"\d+")) == "03"
    assert aisle_of("A-03-2", re.compile("Z")) == "(others)"


def test_agents_offline_and_cameras_not_in_order_are_problems(tmp_path: Path) -> None:
    box, other = Publisher("box"), Publisher("other")
    health = CameraHealth(camera="left", status="frozen", since=NOW, reason="for 60 s")
    offline = AgentStatus(status="offline", reason="connection lost", boot_id="b")
    messages = [
        box._writer.status(offline, NOW),
        other.online(),
        box._writer.health(health),
        box._writer.health(CameraHealth(camera="right", status="ok", since=NOW)),
    ]
    assert report_of(tmp_path, messages).problems == (
        "agent box: offline connection lost",
        "agent box, camera left: frozen for 60 s",
    )


def test_the_note_says_why_a_state_can_not_be_trusted(tmp_path: Path) -> None:
    box = Publisher()
    opened = {"id": "x", "status": "open", "opened": EARLIER}
    known = opened | {"status": "acknowledged", "by": "Ann"}
    found = report_of(
        tmp_path,
        [
            changed(box.state("A-1", Verdict.STALE), alert=opened, reason="dark"),
            changed(box.state("A-2", Verdict.MISMATCH, "Tea", "Milk"), reason="not shown"),
            changed(box.state("A-3", Verdict.STALE), alert=known, reason="dark", valid_until=EARLIER),
            changed(box.state("A-4", Verdict.STALE), alert=opened, valid_until=NOW),
        ],
    )
    assert [line.note for line in found.discrepancies] == [
        "dark",
        "",
        f"acknowledged by Ann; no word since {EARLIER:%Y-%m-%d %H:%M} UTC",
        f"no word since {NOW:%Y-%m-%d %H:%M} UTC",
    ]


def test_at_most_three_places_are_named_and_both_directions(tmp_path: Path) -> None:
    box = Publisher()
    found = report_of(
        tmp_path,
        [
            box.state("A-1", Verdict.MISMATCH, "Tea", "Milk"),
            *(box.state(f"B-{n}", Verdict.UNEXPECTED, None, "Tea") for n in range(4)),
            *(box.state(f"C-{n}", Verdict.EMPTY, "Milk", None) for n in range(4)),
        ],
    )
    assert found.discrepancies[0].action == "Tea stands at B-0, B-1, B-2; Milk is missing at C-0, C-1, C-2"
    assert {line.action for line in found.discrepancies[1:5]} == {"Tea is missing at A-1"}
    assert {line.action for line in found.discrepancies[5:]} == {"Milk stands at A-1"}


def test_why_a_location_is_unverified_and_when_it_was_seen_last(tmp_path: Path) -> None:
    one, two = Publisher("one"), Publisher("two")
    found = report_of(
        tmp_path,
        [
            changed(one.state("A-10", Verdict.STALE), last_verified=None, reason="dark", valid_until=LATER),
            changed(one.state("A-2"), last_verified=EARLIER),
            changed(two.state("A-2", Verdict.OBSTRUCTED), last_verified=None),
            changed(one.state("B-1"), last_verified=TODAY),
        ],
    )
    assert [(old.location, old.last_verified) for old in found.unverified] == [("A-2", EARLIER), ("A-10", None)]
    assert found.unverified[0].why in {"one: match; two: obstructed", "two: obstructed; one: match"}
    assert found.unverified[1].why == "one: stale dark"
    assert [(a.aisle, a.verified, a.total, a.percent) for a in found.coverage] == [("A", 0, 2, 0.0), ("B", 1, 1, 100.0)]


def test_the_last_verification_by_any_agent_counts(tmp_path: Path) -> None:
    one, two = Publisher("one"), Publisher("two")
    found = report_of(tmp_path, [one.state("A-1", verified=EARLIER), two.state("A-1", verified=NOW)])
    assert found.unverified == ()
    found = report_of(tmp_path / "other", [one.state("A-1", verified=NOW), two.state("A-1", verified=EARLIER)])
    assert found.unverified == ()


def test_locations_that_only_a_coverage_message_names_count_too(tmp_path: Path) -> None:
    box = Publisher()
    rows = (
        Verified(location="A-2", verdict=Verdict.MATCH, last_verified=NOW),
        Verified(location="A-3", verdict=Verdict.STALE, last_verified=None),
    )
    coverage = Coverage(since=TODAY, until=NOW, total=2, verified=1, locations=rows)
    found = report_of(tmp_path, [box.state("A-1"), box._writer.coverage(coverage)])
    assert (found.total.verified, found.total.total) == (2, 3)
    assert [(old.location, old.last_verified, old.why) for old in found.unverified] == [("A-3", None, "box: stale")]
    (row,) = csv.DictReader(io.StringIO(as_csv(found).decode("utf-8-sig"), newline=""))
    assert (row["location"], row["since"]) == ("A-3", "")


@pytest.mark.parametrize("verdict", [Verdict.STALE, Verdict.OBSTRUCTED, Verdict.UNCERTAIN])
def test_what_was_verified_today_and_cannot_be_judged_now_is_not_verified(tmp_path: Path, verdict: Verdict) -> None:
    box = Publisher()
    reason = "the camera was moved by 300 pixels"
    messages = [changed(box.state(f"A-{n}", verdict, verified=NOW), reason=reason) for n in range(8)]
    found = report_of(tmp_path, messages)
    assert (found.total.verified, found.total.total) == (0, 8)
    assert all(old.last_verified and old.last_verified > TODAY for old in found.unverified)
    assert reasons(found.unverified, TODAY) == [(8, f"box: {verdict.value} {reason}")]


def test_why_locations_are_not_verified_is_summed_up(tmp_path: Path) -> None:
    box = Publisher()
    messages = [box.state(f"A-{n}", verified=EARLIER) for n in range(3)]
    messages += [changed(box.state("B-1", Verdict.STALE), last_verified=None)]
    found = report_of(tmp_path, messages)
    assert reasons(found.unverified, found.since) == [
        (3, f"box: match, not seen since {found.since:%H:%M}"),
        (1, "box: stale, never seen"),
    ]


def test_a_state_that_has_run_out_verifies_nothing(tmp_path: Path) -> None:
    box = Publisher()
    found = report_of(tmp_path, [changed(box.state("A-1"), valid_until=NOW - timedelta(seconds=1)), box.state("A-2")])
    assert (found.total.verified, found.total.total) == (1, 2)
    assert [old.why for old in found.unverified] == ["box: stale no word from the agent since"]


def test_an_agent_that_still_sees_a_location_verifies_it_for_all(tmp_path: Path) -> None:
    one, two = Publisher("one"), Publisher("two")
    assert report_of(tmp_path, [one.state("A-1", Verdict.STALE), two.state("A-1")]).unverified == ()


def test_a_state_outdoes_what_the_coverage_of_its_agent_said_before(tmp_path: Path) -> None:
    box = Publisher()
    rows = (Verified(location="A-1", verdict=Verdict.MATCH, last_verified=NOW),)
    coverage = Coverage(since=TODAY, until=NOW, total=1, verified=1, locations=rows)
    found = report_of(tmp_path, [box._writer.coverage(coverage), box.state("A-1", Verdict.STALE)])
    assert (found.total.verified, found.total.total) == (0, 1)


def test_coverage_of_nothing_is_no_percentage() -> None:
    assert AisleCoverage("A", 0, 0).percent == 0
    assert AisleCoverage("A", 8, 3).percent == 37.5


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(0, "0 min"), (59, "59 min"), (60, "1 h"), (119, "1 h"), (47 * 60 + 59, "47 h"), (48 * 60, "2 d")],
)
def test_an_age_is_said_in_its_largest_unit(minutes: int, words: str) -> None:
    assert age_in_words(timedelta(minutes=minutes)) == words


def test_what_the_wms_does_not_manage_is_not_counted(tmp_path: Path) -> None:
    box = Publisher()
    rows = (Verified(location="A-9", verdict=Verdict.UNMANAGED, last_verified=NOW),)
    told = box._writer.coverage(Coverage(since=TODAY, until=NOW, total=1, verified=1, locations=rows))
    states = [box.state("A-1", verified=NOW), *(box.state(p, Verdict.UNMANAGED, verified=NOW) for p in ("A-2", "B-1"))]
    found = report_of(tmp_path, [*states, told])
    assert [(one.aisle, one.total, one.verified) for one in found.coverage] == [("A", 1, 1)]
    assert found.unverified == ()
