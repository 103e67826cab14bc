"""The report's forms: terminal, CSV, workbook, page and JSON."""

import csv
import io
import json
import re
import time
import zipfile
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import openpyxl
import pytest
from PIL import Image
from rich.console import Console

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from kardus.support.control_characters import escaped
from tests.in_process import assert_one_line, call
from tests.publishers import Publisher, jpeg
from tests.warehouse.receiving.making import filled
from tests.warehouse.report.racks import EARLIER, EMU_OF_A_PIXEL, NOW, changed, rack, report_of
from warehouse.__main__ import main
from warehouse.report.report import Report
from warehouse.report.tables import as_csv, as_text, escape_formula, escape_separated
from warehouse.report.workbook import THUMBNAIL_PX, as_xlsx


def test_the_csv_file_lists_discrepancies_and_then_unverified_locations(tmp_path: Path) -> None:
    box = Publisher()
    report = report_of(
        tmp_path,
        [
            changed(box.state("A-1", Verdict.MISMATCH, "Tea", "Milk"), alert=None, since=NOW - timedelta(minutes=100)),
            box.state("B-1", verified=EARLIER),
        ],
    )
    lines = list(csv.DictReader(io.StringIO(as_csv(report).decode("utf-8-sig"), newline="")))
    assert [(line["list"], line["aisle"], line["location"]) for line in lines] == [
        ("discrepancy", "A", "A-1"),
        ("not verified", "B", "B-1"),
    ]
    assert (lines[0]["verdict"], lines[0]["seen"], lines[0]["age_h"]) == ("mismatch", "Milk", "1.7")
    assert lines[0]["since"] == (NOW - timedelta(minutes=100)).isoformat(timespec="minutes")
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
    assert f"not verified: B-1 (last {EARLIER:%Y-%m-%d %H:%M} UTC) one: match" in text
    assert "not verified: B-2 (last never) one: stale" in text
    assert "problem: agent one: 1 events are lost" in text


@pytest.mark.parametrize(
    "text", ["a;=1+1;b", "a; @b", 'a;"=1+1&"', 'a;" -1', "a\t=1", "a\n=1", "a\r=1", "a;\uff1d1", "=1;=1"]
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_no_cell_is_a_formula_however_a_program_parts_a_csv(text: str, delimiter: str) -> None:
    for cells in ((text, "x"), ("x", text), ("x", f'"{text}')):
        buffer = io.StringIO()
        csv.writer(buffer).writerow([escape_separated(cell) for cell in cells])
        found = [
            cell for line in buffer.getvalue().splitlines() for cell in next(csv.reader([line], delimiter=delimiter))
        ]
        assert not [cell for cell in found if cell.lstrip(" ").startswith(("=", "-", "@", "\uff1d"))], found
    assert escape_separated("SKU-1; 250 ml\r\nA-B") == "SKU-1; 250 ml\r\nA-B"


@pytest.mark.parametrize("breaks", ["\r", "\t", "\n", ";", "; ", '"', ';"', "\r\n", " "])
def test_a_long_text_of_ends_of_cells_holds_nobody_up(breaks: str) -> None:
    text = breaks * 100_000
    began_s = time.process_time()
    assert escape_separated(f"a{text}b") == escape_formula(f"a{text}b")
    assert escape_separated(f"a;{text}=1") == escape_formula(f"a;{text}'=1")
    assert time.process_time() - began_s < 2


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\tx", "\rx", "\n=1", "\uff1d1"])
def test_no_cell_is_a_formula(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert escape_formula(text) == f"'{text}"
    path = filled(tmp_path / "k.sqlite", [Publisher().state("A-1", Verdict.MISMATCH, text, "Milk")])
    files = (tmp_path / "l.csv", tmp_path / "l.xlsx")
    result = call(capsys, main, "report", "--sqlite", path, "--csv", files[0], "--xlsx", files[1])
    assert (result.returncode, result.stdout) == (0, "")
    text_file = io.StringIO(files[0].read_bytes().decode("utf-8-sig"), newline="")
    row = next(csv.DictReader(text_file))
    assert row["expected"] == escape_separated(f"'{text}")
    cell = openpyxl.load_workbook(files[1])["list"]["E2"]
    assert (cell.data_type, str(cell.value).strip()) == ("s", escaped(text).strip())


HOSTILE = [
    *map(chr, [*range(9), *range(11, 32), *range(0x7F, 0xA0), 0xFDD0, 0xFFFE, 0xFFFF, 0x1FFFE, 0x10FFFF]),
    *("\u061c\u200b\u200f\u202e\u2028\u2029\u2066\ufeff\U000e0041"),
]
STEERING = "Tea\x1b]0;title\x07\x1b[2J" + "".join(HOSTILE) + "evil"


def test_no_form_of_the_report_holds_what_steers_or_cannot_be_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box, other = Publisher(), Publisher("other")
    alert = {"id": "x", "status": "acknowledged", "opened": NOW, "by": STEERING}
    messages = [
        changed(box.state("A-1", Verdict.MISMATCH, STEERING, "Milk"), alert=alert),
        changed(box.state("A-2", Verdict.MISMATCH, "Tea", STEERING), alert=alert, valid_until=NOW),
        other.state("A-1", Verdict.MISMATCH, "Tea", STEERING),
        changed(box.state("A-3", Verdict.STALE), reason=STEERING),
        box._writer.offline(STEERING, NOW),
    ]
    path = filled(tmp_path / "k.sqlite", messages)
    files = [tmp_path / name for name in ("l.html", "l.csv", "l.xlsx")]
    assert call(capsys, main, "report", "--sqlite", path, "--html", files[0], "--csv", files[1]).returncode == 0
    assert call(capsys, main, "report", "--sqlite", path, "--xlsx", files[2]).returncode == 0
    printed = call(capsys, main, "report", "--sqlite", path).stdout
    book = openpyxl.load_workbook(files[2])
    cells = "".join(str(cell) for sheet in book for row in sheet.values for cell in row)
    for text in (files[0].read_text("utf-8"), files[1].read_bytes().decode("utf-8-sig"), printed, cells):
        assert not set(text.replace("\r\n", "")) & (set(HOSTILE) - {"\r"})
        assert "\\x1b]0;title" in text.replace("\n", "")
    printed = call(capsys, main, "report", "--sqlite", path, "--json").stdout
    assert not set(printed) & set(HOSTILE)
    assert json.loads(printed)["discrepancies"][1]["seen"] == STEERING.replace("\0", "\ufffd"), "for programs"


def test_no_reason_begins_a_line_of_its_own(tmp_path: Path) -> None:
    box = Publisher()
    for end in ("\n", "\r", "\u2028", "\x85"):
        state = changed(box.state("A-1", Verdict.STALE), reason=f"dark{end}problem: none", last_verified=None)
        assert "\nproblem" not in shown(report_of(tmp_path / hex(ord(end)), [state]))


def test_excel_shows_a_code_that_looks_like_one_of_its_own_as_it_is(tmp_path: Path) -> None:
    text = "_x0041__x001b_"
    report = report_of(tmp_path, [Publisher().state("A-1", Verdict.MISMATCH, text, "Milk")])
    with zipfile.ZipFile(io.BytesIO(as_xlsx(report, {}))) as parts:
        assert "_x005F_x0041__x005F_x001b_" in parts.read("xl/worksheets/sheet1.xml").decode()


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


def test_the_page_says_what_was_found_once_and_when_there_is_nothing_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box, page = Publisher(), tmp_path / "list.html"
    path = filled(tmp_path / "k.sqlite", [box.state("A-1", Verdict.EMPTY, "Tea", None)])
    call(capsys, main, "report", "--sqlite", path, "--html", page)
    assert "<dd>(empty)</dd>" in page.read_text()
    assert "Nothing to do" not in page.read_text()
    call(capsys, main, "report", "--sqlite", filled(tmp_path / "o.sqlite", [box.state("A-1")]), "--html", page)
    assert "Nothing to do" in page.read_text()


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
    path = filled(tmp_path / "k.sqlite", [*rack(), event, box.picture("A-2", box.ids[0], jpeg(size=(400, 300)))])
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
    assert Image.open(io.BytesIO(picture._data())).size == (192, 144), "twice as many pixels as are shown"
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


def test_every_time_is_in_the_zone_that_is_asked_for_and_the_zone_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Across the end of summer time: opened at 00:30 UTC, which is 02:30, an hour before 02:30 once more."""
    opened, seen = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    box, alert = Publisher(), {"id": "x", "status": "open", "opened": opened}
    messages = [
        changed(box.state("A-1", Verdict.MISMATCH, "Tea", "Milk"), alert=alert, valid_until=opened),
        changed(box.state("A-2", Verdict.STALE), last_verified=seen),
    ]
    path = filled(tmp_path / "k.sqlite", messages)
    files = (tmp_path / "l.html", tmp_path / "l.xlsx", tmp_path / "l.csv")
    words = ("report", "--sqlite", path, "--timezone", "Europe/Berlin")
    call(capsys, main, *words, "--html", files[0], "--xlsx", files[1], "--csv", files[2])
    page, table = files[0].read_text(), call(capsys, main, *words).stdout
    book = openpyxl.load_workbook(files[1])
    about = dict(book["about"].values)
    assert list(about) == [
        "what",
        "site",
        "made",
        "time zone",
        "seen since",
        "locations",
        "verified now",
        *list(about)[7:],
    ]
    assert re.fullmatch(r"[0-9-]+ [0-9:]+ CES?T", about["made"])
    assert (about["time zone"], about["locations"], about["verified now"]) == ("Europe/Berlin", 2, 0)
    shown = [row[6] for row in book["list"].values]
    assert (shown[1], shown[-1]) == ("2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00")
    rows = list(csv.DictReader(io.StringIO(files[2].read_bytes().decode("utf-8-sig"), newline="")))
    assert [row["since"] for row in rows if row["location"] == "A-2"] == ["2026-10-25T02:30+01:00"]
    for text in (page, table):
        assert "Europe/Berlin" in text
        assert "UTC" not in text
        assert "2026-10-25 02:30 CET" in text
    assert "no word since 2026-10-25 02:30 CEST" in page
    printed = call(capsys, main, *words, "--json", "--since", "2026-10-25").stdout
    found = json.loads(printed)
    assert (found["zone"], found["since"]) == ("Europe/Berlin", "2026-10-25T00:00:00+02:00")
    assert found["discrepancies"][0]["since"] == "2026-10-25T02:30:00+02:00"
    assert not re.search(r"\+00:00|Z\"", printed)


@pytest.mark.parametrize("since", ["0001-01-01", "9999-12-31"])
def test_the_ends_of_the_calendar_are_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], since: str
) -> None:
    path = filled(tmp_path / "k.sqlite", rack())
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        result = call(capsys, main, "report", "--sqlite", path, "--since", since, "--timezone", zone, "--json")
        assert result.returncode in {0, 2}
        if result.returncode:
            assert_one_line(result, 2, "--since", "no calendar holds it")


def test_wrong_use_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "no.sqlite"
    assert_one_line(call(capsys, main, "report", "--sqlite", missing), 1, missing, "no such file")
    path = filled(tmp_path / "k.sqlite", [])
    assert_one_line(call(capsys, main, "report", "--sqlite", path, "--aisle", "("), 2, "--aisle '('")
    assert_one_line(call(capsys, main, "report", "--sqlite", path, "--timezone", "Europe/Berlln"), 2, "Europe/Berlln")
    target = tmp_path / "none" / "l.csv"
    assert_one_line(call(capsys, main, "report", "--sqlite", path, "--csv", target), 2, "--csv", target)
