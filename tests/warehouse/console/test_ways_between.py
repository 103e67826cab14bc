"""Ways from page to page lead to the part of a list where the thing stands, and back to where one was."""

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from tests.publishers import Publisher
from tests.warehouse.console.serving import console_over
from tests.warehouse.console.test_page_sizes import parts
from tests.warehouse.console.visiting import Browser
from tests.warehouse.receiving.making import writer_of
from warehouse.console.identity.roles import Role
from warehouse.receiving.parsing import parse_message
from warehouse.store.opening import open_database

TASKS, TILES, RACKS = 200, 310, 700
LONG = "The 200 ml pouch of Jasmine Tea & Lemon" * 3


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Who may do everything in a hall whose lists have several parts."""
    box = Publisher()
    sent = [box.state(f"R-{n:03d}-1-01") for n in range(RACKS)]
    for n in range(TASKS):
        code = f"A-{n:03d}-1-01"
        alert = Alert(id=f"alert-{code}", status="open", opened=datetime.now(UTC))
        sent += [box.event(code, Verdict.MISMATCH, alert), box.state(code, Verdict.MISMATCH, f"{LONG}{n}", LONG)]
    for n in range(TILES):
        code = f"H-01-{n // 50 + 1}-{n % 50 + 1:02d}"
        sent += [box.event(code), box.state(code)]
    sent += [box.event("H-01-1-01") for _ in range(70)]
    with open_database(tmp_path_factory.mktemp("ways") / "kardus.sqlite", make=True) as database:
        writer_of(database, 10).write([parse_message("hall", *message) for message in sent])
        found = Browser(console_over(database), Role.ADMINISTRATOR)
        for n in range(TASKS):
            found.post("/work", do="take", alerts=f"alert-A-{n:03d}-1-01")
        yield found


def link(pattern: str, text: str) -> tuple[str, str]:
    """The first link like this: its address, and what of the page it is to show."""
    found = re.findall(f'href="({pattern})"', text)
    assert found, pattern
    path, _, anchor = html.unescape(found[0]).partition("#")
    return path, anchor


@pytest.mark.parametrize(
    ("code", "way"),
    [(f"A-{n:03d}-1-01", r"/work\?[^\"]*") for n in (0, 100, TASKS - 1)]
    + [(code, r"/rack\?[^\"]*") for code in ("H-01-1-01", "H-01-7-10", f"A-{TASKS - 1:03d}-1-01")],
)
def test_a_location_s_ways_show_it(person: Browser, code: str, way: str) -> None:
    path, anchor = link(way, person.get(f"/location?code={code}").text)
    shown = person.get(path).text
    assert f'id="{anchor}"' in shown
    assert person.get(path, headers={"HX-Request": "true"}).status_code == 200


def test_a_rack_s_way_up_shows_it(person: Browser) -> None:
    assert len(parts(person, "/?aisle=R")) > 1
    for n in (0, RACKS - 1):
        path, _ = link(r"/\?aisle=R[^\"]*", person.get(f"/rack?name=R-{n:03d}").text)
        assert f"/rack?name=R-{n:03d}" in person.get(path).text


@pytest.mark.parametrize("chosen", ["", "mine=true&"])
def test_who_says_that_it_is_wrong_comes_back_to_the_same_part_and_choice(person: Browser, chosen: str) -> None:
    number = len(parts(person, f"/work?{chosen}"))
    assert number > 1
    for part in (1, number):
        page = person.get(f"/work?{chosen}part={part}").text
        back = answered(person, link(r"/teaching/[^\"?]*\?[^\"]*", page)[0])
        path, _, anchor = back.partition("#")
        shown = person.get(path).text
        assert f'id="{anchor}"' in shown
        assert re.findall(r'<li id="t\w+', shown) == re.findall(r'<li id="t\w+', page)
        assert re.search(rf'{re.escape(html.escape(chosen))}part={part}" aria-current="page"', shown)
        gone = re.sub(r"at=[^&]*", "at=somewhere", path)
        assert re.findall(r'<li id="t\w+', person.get(gone).text) == re.findall(r'<li id="t\w+', page), "it is over"


def test_who_reads_a_history_comes_back_to_the_same_place_in_it(person: Browser) -> None:
    newest = person.get("/location?code=H-01-1-01").text
    path, _ = link(r"/location\?[^\"]*before=\d+", newest)
    earlier = person.get(path).text
    assert 'hx-get="' + html.escape(path) in earlier, "what comes live doesn't replace what is read"
    *_, last = re.findall(r'href="(/teaching/[^"]*)"', earlier)
    assert answered(person, html.unescape(last)) == path
    assert answered(person, link(r"/teaching/[^\"?]*\?[^\"]*", newest)[0]) == "/location?code=H-01-1-01"


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 30, "1" * 5000])
def test_numbers_that_are_none_lead_back_all_the_same(person: Browser, number: str) -> None:
    event = link(r"/teaching/[^\"?]*\?[^\"]*", person.get("/work").text)[0].partition("?")[0]
    for page in ("work", "mine", "location", "rack"):
        sent = person.post(event, truth="empty", back=page, part=number, before=number)
        assert sent.status_code == 303
        assert person.get(sent.headers["location"].partition("#")[0]).status_code == 200
    assert person.get("/location", params={"code": "H-01-1-01", "before": number}).status_code in (414, 422)


def answered(person: Browser, path: str) -> str:
    """Say what a picture shows by the form that the page has: where one is led to."""
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', person.get(path).text))
    del form["csrf"]
    return person.post(path.partition("?")[0], **{"sku": "Tea", **form, "truth": ""}).headers["location"]
