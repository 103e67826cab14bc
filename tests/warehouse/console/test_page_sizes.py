"""No page is larger than 200 KB, however much there is: long lists come in parts, which are the whole together."""

import html
import itertools
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kardus.contract.messages import Alert, CameraHealth, Model
from kardus.contract.model_status import ModelStatus
from kardus.contract.verdicts import Verdict
from tests.publishers import Message, Publisher
from tests.scripts.page_routes import routes
from tests.warehouse.console.serving import console_over
from tests.warehouse.console.test_live import watching
from tests.warehouse.console.visiting import Browser
from tests.warehouse.receiving.making import write, writer_of
from tests.warehouse.teaching.judged import say
from warehouse.console.context import Console
from warehouse.console.identity.people import add_person
from warehouse.console.identity.roles import Role
from warehouse.console.pages.content.products import ProductPhoto, Products
from warehouse.console.pages.content.tiles import tile_id
from warehouse.console.pages.list_parts import PART_BYTES, part_of
from warehouse.receiving.parsing import parse_message
from warehouse.store.database import Database
from warehouse.store.labels import StatedTruth
from warehouse.store.opening import open_database

MAX_BYTES = 200_000
AGENTS, CAMERAS, RACKS, TASKS, PEOPLE, TILES = 300, 4, 700, 300, 300, 310
WORDS = "The 200 ml pouch of Jasmine Tea & Lemon"
REASON = "2 of 32 marks of the view are found again: was the camera moved? Look at its picture, and lay it out anew"
NO_PAGES = ("/export", "/crops", "/photos", "/static", "/bundles", "/live", "/now", "/view", "/enter", "/signin")
"""Files, pictures, streams, and ways on."""
ASKED = {"name": "H-01", "code": "H-01-1-01", "agent": "box-building-7-000", "camera": "cam", "sku": WORDS}


def fleet(boxes: list[Publisher]) -> list[Message]:
    """300 agents, each with four cameras in trouble, a model that it has refused, and an alert."""
    now, sent = datetime.now(UTC), list[Message]()
    for n, box in enumerate(boxes):
        model = Model(name="cartons-of-the-main-hall", version=f"2026.11.{n}")
        status = ModelStatus(model=model, sha256="0" * 64, phase="refused", candidate=model, reason=REASON, since=now)
        alert = Alert(id=f"alert-of-{n}", status="open", opened=now)
        sent += [box.online(), box.event(f"A-{n:03d}-1-01", Verdict.MISMATCH, alert), box._writer.model_status(status)]
        for camera in range(CAMERAS):
            health = CameraHealth(camera=f"aisle-7-camera-{camera}", status="moved", reason=REASON, since=now)
            sent.append(box._writer.health(health))
    return sent


def hall(box: Publisher) -> list[Message]:
    """700 racks of a location each; 300 tasks, a third of them pairs; a rack of 310 tiles over which two disagree."""
    sent = [box.state(f"R-{n:03d}-1-01") for n in range(RACKS)]
    for n in range(TASKS):
        for code, wanted, there in _places(n):
            alert = Alert(id=f"alert-{code}", status="open", opened=datetime.now(UTC))
            state = box.state(code, Verdict.MISMATCH, f"{WORDS} {wanted}", f"{WORDS} {there}")
            event = box.event(code, Verdict.MISMATCH, alert)
            sent += [event, state, box.picture(code, box.ids[-1])]
    other = Publisher("box-building-8-000")
    for n in range(TILES):
        code = f"H-01-{n // 50 + 1}-{n % 50 + 1:02d}"
        sent += [box.event(code), box.state(code, Verdict.MISMATCH, WORDS, f"{WORDS} 2")]
        sent.append(other.state(code, Verdict.MATCH, WORDS))
    return sent


def _places(n: int) -> Iterator[tuple[str, str, str]]:
    yield f"W-{n:03d}-1-01", f"{n}", f"{n}b"
    if n % 3 == 0:
        yield f"W-{n:03d}-1-02", f"{n}b", f"{n}"


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """One for all tests, which change nothing that another one looks at: it takes seconds to fill."""
    with open_database(tmp_path_factory.mktemp("full") / "kardus.sqlite", make=True) as database:
        boxes = [Publisher(f"box-building-7-{n:03d}") for n in range(AGENTS)]
        messages = [*fleet(boxes), *hall(boxes[0])]
        writer_of(database, 10).write([parse_message("hall", *message) for message in messages])
        for n, event in enumerate([box.ids[0] for box in boxes] + boxes[0].ids[1:TASKS]):
            say(database, event, StatedTruth.PRODUCT, f"{WORDS} as somebody named it {n}")
        for n in range(PEOPLE):
            add_person(database, f"Somebody of the night shift {n}", "operator", "")
        yield console_over(database)


def parts(browser: Browser, path: str) -> list[str]:
    """The pages of a list, by the links that anybody can follow without scripts."""
    asked, found = [path], list[str]()
    for address in asked:
        answer = browser.get(address)
        assert answer.status_code == 200, (address, answer.text)
        assert len(answer.content) <= MAX_BYTES, (address, len(answer.content))
        found.append(answer.text)
        onward = re.search(r'<a class="button" href="([^"]*)">(Further on|Selanjutnya)', answer.text)
        asked += [html.unescape(onward[1])] if onward else []
    assert len(found) == max([1, *map(int, re.findall(r'part=\d+"[^>]*>(\d+)</a>', found[0]))])
    return found


@pytest.mark.parametrize("language", ["en", "id"])
@pytest.mark.parametrize(
    ("path", "entry", "number"),
    [
        ("/?aisle=R", r'href="/rack\?name=(R-\d+)"', RACKS),
        ("/work", r'<li id="(t\w+)" class="task', TASKS + TILES),
        ("/fleet", r"<h2>(box-\S+) <span", AGENTS),
        ("/models", r"<td><b>(box-[^<]*)</b>", AGENTS),
        ("/people", r"<td><b>(Somebody[^<]*)</b>", PEOPLE),
        ("/precision", r"<td>(?:Camera|Kamera) (box-[^<]*</td><td>[^<]*)<", 2 * AGENTS),
    ],
)
def test_parts_are_small_and_the_whole_together(
    full: Console, language: str, path: str, entry: str, number: int
) -> None:
    found = [re.findall(entry, one) for one in parts(Browser(full, Role.ADMINISTRATOR, language), path)]
    every = [one for part in found for one in part]
    assert len(found) > 1, "too few to be divided: the test shows nothing"
    assert min(map(len, found[:-1])) > len(every) / 20, "parts that are filled"
    assert len(every) == len(set(every)) == number


@pytest.mark.parametrize(
    "path",
    sorted(
        route.path
        for route in routes()
        if "GET" in (route.methods or ()) and "{" not in route.path and not route.path.startswith(NO_PAGES)
    ),
)
def test_no_page_is_large(full: Console, path: str) -> None:
    browser = Browser(full, Role.ADMINISTRATOR, "id")
    more = [{}, {"days": "365"}] if path == "/trends" else [{}]
    for asked in more:
        answer = browser.get(path, params=ASKED | asked)
        assert answer.status_code in (200, 422, 503), answer.text
        assert len(answer.content) <= MAX_BYTES, len(answer.content)


@pytest.mark.parametrize("language", ["en", "id"])
def test_a_rack_s_parts_are_small_however_long_its_names_are(file_database: Database, language: str) -> None:
    sku, code = f"{WORDS} & <" + "\u00e9" * 60, "H-01-{:03d}-" + "\u5e93" * 20
    box, other = Publisher("box-building-7-on-the-left"), Publisher("box-building-8")
    states = [box.state(code.format(n), Verdict.MISMATCH, f"{sku} {n % 3}", f"{sku} {n % 2}") for n in range(TILES)]
    states += [other.state(code.format(n), Verdict.MATCH, f"{sku} {n % 3}") for n in range(TILES)]
    write(file_database, *states)
    products = Products()
    for n in range(3):
        products.add(ProductPhoto(f"{sku} {n}", f"{WORDS} of family {n}", Image.new("RGB", (8, 8))))
    browser = Browser(console_over(file_database), Role.SUPERVISOR, language, products=products)
    shown, number = list[str](), 1
    while True:
        answer = browser.get(f"/rack?name=H-01&part={number}")
        assert len(answer.content) <= MAX_BYTES
        shown += re.findall(r'<article id="(t\w+)"', answer.text)
        if f'&amp;part={number + 1}"' not in answer.text:
            break
        number += 1
    assert len(shown) == len(set(shown)) == TILES
    assert 3 <= number <= 4, "parts that are filled"
    last = code.format(TILES - 1)
    assert f'id="{tile_id(last)}"' in browser.get("/rack", params={"name": "H-01", "at": last}).text


def test_a_choice_is_kept_from_part_to_part(full: Console) -> None:
    browser = Browser(full, Role.ADMINISTRATOR)
    for n in range(0, TASKS, 2):
        browser.post("/work", do="take", alerts=" ".join(f"alert-{code}" for code, _, _ in _places(n)))
    found = parts(browser, "/work?mine=true")
    assert len(found) > 1
    assert sum(len(re.findall(r'class="task card', one)) for one in found) == TASKS / 2
    assert all('href="/work?mine=true&amp;part=1"' in one for one in found)
    assert all("&amp;of=true&amp;part=" in one for one in found), "what comes live is of the same choice and part"


def test_a_part_beyond_the_last_is_the_last(full: Console) -> None:
    browser = Browser(full, Role.ADMINISTRATOR)
    for path in ("/work", "/fleet", "/models", "/people"):
        last = parts(browser, path)[-1]
        tasks = re.findall(r"(?:id=.t\w+. class=.task|<h2>box-|<td><b>).*", last)
        assert (
            re.findall(r"(?:id=.t\w+. class=.task|<h2>box-|<td><b>).*", browser.get(f"{path}?part=999").text) == tasks
        )


def test_what_comes_live_is_the_part_that_is_shown(full: Console) -> None:
    entry, path = r'<li id="(t\w+)" class="task', "/work?part=2"
    page = Browser(full, Role.SUPERVISOR).get(path).text
    stream = re.search(r'sse-connect="([^"]*)after=(\d+)\.(\d+)"', page)
    assert stream
    address = f"{html.unescape(stream[1])}after={int(stream[2]) - 1}.{stream[3]}"  # whoever missed one gets the list
    with watching(full, (Role.SUPERVISOR, address, "en")) as (watcher,):
        told = watcher.next()
    assert told["event"] == "part"
    assert len(told["data"].encode()) <= MAX_BYTES
    assert re.findall(entry, told["data"]) == re.findall(entry, page)
    assert "That is wrong" in told["data"]


@given(st.lists(st.integers(1, 2 * PART_BYTES), max_size=30), st.integers(1, 40))
def test_a_list_s_parts_are_the_list(sizes: list[int], number: int) -> None:
    first = part_of(sizes, 1, int)
    every = [part_of(sizes, n, int) for n in range(1, first.parts + 1)]
    assert [size for part in every for size in part.entries] == sizes
    assert all(sum(part.entries) <= PART_BYTES or len(part.entries) == 1 for part in every)
    assert all(sum(one.entries) + other.entries[0] > PART_BYTES for one, other in itertools.pairwise(every))
    assert part_of(sizes, number, int) == every[min(number, first.parts) - 1]
