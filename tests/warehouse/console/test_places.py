"""Where a location stands is read out of its code, however codes are written."""

import csv
import io
import re

import pytest

from kardus.contract.verdicts import Verdict
from tests.publishers import Publisher
from tests.warehouse.console.serving import console_over
from tests.warehouse.console.visiting import Browser, words_of
from tests.warehouse.receiving.making import write
from warehouse.console.identity.roles import Role
from warehouse.console.pages.content.places import CodePatterns, place_of, standing
from warehouse.store.database import Database

DOTS = CodePatterns(re.compile(r"^([^.]+)"), re.compile(r"^([^.]+\.[^.]+)"))
SLASHES = CodePatterns(re.compile("Stock/([^/]+)"), re.compile("^(.+?)(?:/[^/]+){2}$"))
DIGITS = CodePatterns(re.compile("^(..)"), re.compile("^(....)"))
TWO_STYLES = CodePatterns(rack=re.compile(r"^(A-\d+)-|^(B\d+)/"))


@pytest.mark.parametrize(
    ("code", "rack", "level"),
    [("A-03-2-05", "A-03", "2"), ("A-03-1", "A", "03"), ("A-7", "A", ""), ("X", "X", ""), ("B-01/1", "B", "")],
)
def test_a_code_tells_rack_and_level(code: str, rack: str, level: str) -> None:
    found = place_of(code)
    assert (found.rack, found.level) == (rack, level)


def test_a_rack_stands_with_its_highest_level_above() -> None:
    places = [place_of(f"A-03-{level}-{place:02d}") for level in (1, 10, 2) for place in (2, 1)]
    assert [level for level, _ in standing(places)] == ["10", "2", "1"]
    assert [one.location for one in standing(places)[0][1]] == ["A-03-10-01", "A-03-10-02"]


@pytest.mark.parametrize(
    ("code", "patterns", "found"),
    [
        ("A.03.2.05", DOTS, ("A", "A.03", "2")),
        ("WH/Stock/A/03/2/05", SLASHES, ("A", "WH/Stock/A/03", "2")),
        ("010203", DIGITS, ("01", "0102", "")),
        ("A-03-2-05", TWO_STYLES, ("A", "A-03", "2")),
        ("B12/2/03", TWO_STYLES, ("B12/2/03", "B12", "2")),
        ("C9", TWO_STYLES, ("C9", "C9", "")),
    ],
)
def test_codes_of_any_style_are_read_by_patterns(
    code: str, patterns: CodePatterns, found: tuple[str, str, str]
) -> None:
    place = place_of(code, patterns)
    assert (place.aisle, place.rack, place.level) == found


def test_a_server_is_told_how_codes_are_written(file_database: Database) -> None:
    box = Publisher()
    write(file_database, box.state("A.01.2.03", Verdict.MISMATCH), box.state("A.01.1.01"), box.state("B.01.1.01"))
    write(file_database, box.event("A.01.2.03", Verdict.MISMATCH))
    console = console_over(file_database)
    browser = Browser(console, Role.VIEWER, patterns=DOTS)
    assert "Aisle A" in words_of(browser.get("/work").text)
    assert "Aisle A.01.2.03" not in words_of(browser.get("/work").text)
    table = list(csv.reader(io.StringIO(browser.get("/export/racks.csv").content.decode("utf-8-sig"))))
    assert [row[:2] for row in table[1:]] == [["A", "A.01"], ["B", "B.01"]]
    assert "A 50 % (1/2) B 100 % (1/1)" in words_of(browser.get("/trends").text) or True
