"""The list: what is wrong, what fits where, what wasn't verified; as table, CSV, Excel, page and JSON."""

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import openpyxl
import pytest
from rich.console import Console

from kardus.contract.messages import AgentStatus, Alert, CameraHealth, Coverage, LocationState, Verified
from kardus.contract.verdicts import Verdict
from tests.in_process import assert_one_line, call
from tests.publishers import SITE, Message, Publisher, jpeg
from warehouse.__main__ import main
from warehouse.receiving.database import Database
from warehouse.receiving.database_reader import DatabaseReader
from warehouse.receiving.database_writer import DatabaseWriter
from warehouse.receiving.parsing import parse_message
from warehouse.report.report import AisleCoverage, Report, aisle_of, make_report
from warehouse.report.tables import age_in_words, as_csv, as_text, escape_formula
from warehouse.report.workbook import THUMBNAIL_PX, as_xlsx

NOW = datetime.now(UTC)
TODAY = NOW - timedelta(hours=8)
EMU_OF_A_PIXEL = 9525
"""ECMA-376: a picture's size in a workbook is given in these."""
EARLIER = NOW - timedelta(hours=30)
LATER = NOW + timedelta(hours=1)


def filled(path: Path, messages: list[Message]) -> Path:
    """A database with these messages."""
    path.parent.mkdir(exist_ok=True)
    database = Database(path, make=True)
    DatabaseWriter(database, SITE, 10).write([parse_message(SITE, *message) for message in messages])
    database.close()
    return path


def report_of(path: Path, messages: list[Message]) -> Report:
    with DatabaseReader.open(filled(path / "k.sqlite", messages)) as reader:
        return make_report(SITE, reader.site_state(), reader.missing_events(), NOW, since=TODAY)


def rack() -> list[Message]:
    """A swap, a carton that is elsewhere, an empty location, one that nobody has seen today, and one in order."""
    box = Publisher()
    return [
        box.state("A-2", Verdict.MISMATCH, "Tea", "Milk", since=EARLIER),
        box.state("A-10", Verdict.MISMATCH, "Milk", "Tea"),
        box.state("B-1", Verdict.EMPTY, "Rice", None),
        box.state("B-2", Verdict.UNEXPECTED, None, "Rice"),
        box.state("C-1", Verdict.MATCH, verified=EARLIER),
        box.state("C-2"),
    ]


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


def changed(message: Message, **fields: object) -> Message:
    """A state's message with other fields."""
    envelope = json.loads(message[1])
    envelope["data"].update(json.loads(json.dumps(fields, default=str)))
    return message[0], json.dumps(envelope).encode()


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
    assert [(old.location, old.last_verified, old.why) for old in found.unverified] == [("A-3", None, "")]
    (row,) = csv.DictReader(io.StringIO(as_csv(found).decode("utf-8-sig"), newline=""))
    assert (row["location"], row["since"]) == ("A-3", "")


def test_coverage_of_nothing_is_no_percentage() -> None:
    assert AisleCoverage("A", 0, 0).percent == 0
    assert AisleCoverage("A", 8, 3).percent == 37.5


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(0, "0 min"), (59, "59 min"), (60, "1 h"), (119, "1 h"), (47 * 60 + 59, "47 h"), (48 * 60, "2 d")],
)
def test_an_age_is_said_in_its_largest_unit(minutes: int, words: str) -> None:
    assert age_in_words(timedelta(minutes=minutes)) == words


def test_the_csv_file_lists_discrepancies_and_then_unverified_locations(tmp_path: Path) -> None:
    box = Publisher()
    report = report_of(
        tmp_path,
        [
            changed(box.state("A-1", Verdict.MISMATCH, "Tea", "Milk"), alert=None, since=NOW - timedelta(minutes=90)),
            box.state("B-1", verified=EARLIER),
        ],
    )
    lines = list(csv.DictReader(io.StringIO(as_csv(report).decode("utf-8-sig"), newline="")))
    assert [(line["list"], line["aisle"], line["location"]) for line in lines] == [
        ("discrepancy", "A", "A-1"),
        ("not verified", "B", "B-1"),
    ]
    assert (lines[0]["verdict"], lines[0]["seen"], lines[0]["age_h"]) == ("mismatch", "Milk", "1.5")
    assert lines[0]["since"] == (NOW - timedelta(minutes=90)).isoformat(timespec="minutes")
    assert (lines[1]["since"], lines[1]["note"]) == (EARLIER.isoformat(timespec="minutes"), "box: match")


def shown(report: Report) -> str:
    """The terminal's tables, without lines and colours."""
    buffer = io.StringIO()
    Console(file=buffer, width=200, no_color=True).print(as_text(report))
    return re.sub(r"[^\S\n]+", " ", re.sub("[│┃]", " ", buffer.getvalue()))


def test_the_terminal_shows_everything(tmp_path: Path) -> None:
    one, two = Publisher("one"), Publisher("two")
    messages = [
        changed(one.state("A-1", Verdict.MISMATCH, "Tea", "Milk"), alert=None, since=NOW - timedelta(minutes=61)),
        two.state("A-1", Verdict.MATCH, "Tea", "Tea"),
        one.state("B-1", verified=EARLIER),
        changed(one.state("B-2", Verdict.STALE), last_verified=None),
        one.lost([(1, 1)]),
    ]
    text = shown(report_of(tmp_path, messages))
    assert " A A-1 Tea Milk 1 h conflict: one: mismatch Milk, two: match Tea" in text
    assert re.search(r"aisle locations verified % \n", text)
    assert "\n A 1 1 100.0 \n B 2 0 0.0 \n" in text
    assert "1 discrepancies, 1 of 3 locations verified (33.3 %)" in text
    assert f"not verified: B-1 (last {EARLIER.isoformat(timespec='minutes')}) one: match" in text
    assert "not verified: B-2 (last never) one: stale" in text
    assert "problem: agent one: 1 events are lost" in text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\tx", "\rx"])
def test_no_cell_is_a_formula(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert escape_formula(text) == f"'{text}"
    path = filled(tmp_path / "k.sqlite", [Publisher().state("A-1", Verdict.MISMATCH, text, "Milk")])
    files = (tmp_path / "l.csv", tmp_path / "l.xlsx")
    result = call(capsys, main, "report", "--sqlite", path, "--csv", files[0], "--xlsx", files[1])
    assert (result.returncode, result.stdout) == (0, "")
    text_file = io.StringIO(files[0].read_bytes().decode("utf-8-sig"), newline="")
    row = next(csv.DictReader(text_file))
    assert row["expected"] == f"'{text}"
    cell = openpyxl.load_workbook(files[1])["list"]["E2"]
    assert (cell.data_type, str(cell.value).strip()) == ("s", text.strip())


class Page(HTMLParser):
    """What a page shows and what it fetches."""

    def __init__(self, text: str) -> None:
        """Read it."""
        super().__init__()
        self.sources: list[str] = []
        self.tags: set[str] = set()
        self.articles: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where it leads."""
        self.tags.add(tag)
        self.articles += [value or "" for name, value in attrs if (tag, name) == ("article", "class")]
        self.sources += [value or "" for name, value in attrs if name in {"src", "href"}]


def test_the_page_is_one_file_with_pictures_and_no_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    box = Publisher()
    alert = Alert(id="alert-A-2", status="open", opened=NOW)
    event = box.event("A-2", Verdict.MISMATCH, alert)
    evil = box.state("<script>alert(1)<", Verdict.MISMATCH, "Tea", "'\"><img src=http://x/>")
    path = filled(tmp_path / "k.sqlite", [*rack(), event, box.picture("A-2", box.ids[0], jpeg()), evil])
    page = tmp_path / "list.html"
    assert call(capsys, main, "report", "--sqlite", path, "--html", page).returncode == 0
    found = Page(page.read_text(encoding="utf-8"))
    assert "script" not in found.tags
    pictures = [source for source in found.sources if not source.startswith("#")]
    assert len(pictures) == 1
    assert pictures[0].startswith("data:image/jpeg;base64,")
    assert "viewport" in page.read_text()
    assert "swap with A-10" in page.read_text()


def test_swaps_and_conflicts_are_marked_on_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    box, other = Publisher("box"), Publisher("other")
    messages = [
        *rack(),
        box.state("B-3", Verdict.MISMATCH, "Oil", "Salt"),
        other.state("B-3", Verdict.MATCH, "Oil", "Oil"),
    ]
    path, page = filled(tmp_path / "k.sqlite", messages), tmp_path / "list.html"
    assert call(capsys, main, "report", "--sqlite", path, "--html", page).returncode == 0
    text = page.read_text(encoding="utf-8")
    assert [name.strip() for name in Page(text).articles] == ["swap", "swap", "", "", "conflict"]
    assert "box: mismatch Salt, other: match Oil" in text
    assert "C-1" in text


def test_the_workbook_shows_what_the_camera_saw_beside_its_location(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box = Publisher()
    event = box.event("A-2", Verdict.MISMATCH, Alert(id="alert-A-2", status="open", opened=NOW))
    path = filled(tmp_path / "k.sqlite", [*rack(), event, box.picture("A-2", box.ids[0], jpeg())])
    book = tmp_path / "list.xlsx"
    assert call(capsys, main, "report", "--sqlite", path, "--xlsx", book).returncode == 0
    sheet = openpyxl.load_workbook(book)["list"]
    assert sheet["L1"].value == "picture"
    (picture,) = sheet._images
    row, column = picture.anchor._from.row + 1, picture.anchor._from.col + 1
    assert (sheet.cell(row, 3).value, column) == ("A-2", 12)
    shown = picture.anchor.ext
    assert max(shown.cx, shown.cy) == THUMBNAIL_PX * EMU_OF_A_PIXEL
    assert (shown.cx, shown.cy) == (THUMBNAIL_PX * EMU_OF_A_PIXEL, THUMBNAIL_PX * 3 // 4 * EMU_OF_A_PIXEL)
    assert sheet.row_dimensions[row].height == THUMBNAIL_PX * 0.75
    assert sheet.column_dimensions["L"].width == pytest.approx(THUMBNAIL_PX / 7)
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", "A1:L6")
    coverage = openpyxl.load_workbook(book)["coverage"]
    assert list(coverage.values) == [
        ("aisle", "locations", "verified", "percent"),
        ("A", 2, 2, 100),
        ("B", 2, 2, 100),
        ("C", 2, 1, 50),
    ]


@pytest.mark.parametrize("damaged", [b"", b"\xff\xd8\xff\xe0nothing", jpeg()[:200]])
def test_a_damaged_picture_is_left_out_of_the_workbook(tmp_path: Path, damaged: bytes) -> None:
    report = report_of(tmp_path, rack())
    alerts = [line.alert for line in report.discrepancies]
    book = openpyxl.load_workbook(io.BytesIO(as_xlsx(report, dict.fromkeys(alerts, damaged))))
    assert not book["list"]._images
    assert book["list"]["C2"].value == "A-2"


def test_table_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = filled(tmp_path / "k.sqlite", rack())
    text = call(capsys, main, "report", "--sqlite", path).stdout
    assert "4 discrepancies" in text
    found = json.loads(call(capsys, main, "report", "--sqlite", path, "--json", "--since", "2000-01-01").stdout)
    assert found["total"] == {"total": 6, "verified": 6, "percent": 100.0}
    assert found["discrepancies"][0]["swap"] == "A-10"
    assert found["discrepancies"][0]["age_s"] > 0


def test_wrong_use_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "no.sqlite"
    assert_one_line(call(capsys, main, "report", "--sqlite", missing), 1, missing, "no such file")
    path = filled(tmp_path / "k.sqlite", [])
    assert_one_line(call(capsys, main, "report", "--sqlite", path, "--aisle", "("), 2, "--aisle '('")
    target = tmp_path / "none" / "l.csv"
    assert_one_line(call(capsys, main, "report", "--sqlite", path, "--csv", target), 2, "--csv", target)
