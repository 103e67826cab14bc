"""That is wrong: said from wherever a verdict is looked at, and back to there; and what helps to say it rightly."""

import html
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from tests.publishers import Publisher
from tests.warehouse.console.conftest import Hall
from tests.warehouse.console.serving import console_over
from tests.warehouse.console.test_live import watching
from tests.warehouse.console.visiting import Browser, words_of
from tests.warehouse.receiving.making import write
from tests.warehouse.teaching.judged import judge, say
from warehouse.console.context import Console
from warehouse.console.identity.roles import Role
from warehouse.console.pages.content.products import load_products
from warehouse.store.database import Database
from warehouse.store.labels import StatedTruth

HERE = "A-01-1-01"
LINK = re.compile(r'<a class="wrong[^"]*" href="([^"]*)">(?:That is wrong|Itu salah)</a>')
PLACES = {"rack": "/rack?name=A-01", "location": f"/location?code={HERE}", "work": "/work"}


@pytest.fixture
def wrong(database: Database) -> tuple[Console, str]:
    """A location whose verdict is wrong, and its event, of which no picture is kept."""
    box = Publisher()
    alert = Alert(id=f"alert-{HERE}", status="open", opened=datetime.now(UTC))
    write(database, box.event(HERE, Verdict.MISMATCH, alert), box.state(HERE, Verdict.MISMATCH, "Tea", "Lemon"))
    return console_over(database), box.ids[0]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("language", ["en", "id"])
def test_it_is_said_from_where_it_is_seen_and_back_there(wrong: tuple[Console, str], place: str, language: str) -> None:
    console, event = wrong
    person = Browser(console, Role.SUPERVISOR, language)
    (link, *_) = LINK.findall(person.get(PLACES[place]).text)
    assert link == f"/teaching/{event}?back={place}"
    shown = person.get(link).text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', shown))
    sent = person.post(f"/teaching/{event}", sku="Tea", **{key: fields[key] for key in ("id", "back")})
    back = html.unescape(sent.headers["location"])
    assert back.startswith(PLACES[place])
    seen = person.get(back).text
    assert back.partition("#")[2] in seen
    again = person.get(link).text
    assert 'value="withdrawn"' in again, "it can be taken back there"
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', again))
    assert person.post(f"/teaching/{event}", truth="withdrawn", back=fields["back"]).headers["location"] == back
    assert 'value="withdrawn"' not in person.get(link).text


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.word)
def test_whoever_may_not_teach_has_no_link(wrong: tuple[Console, str], role: Role) -> None:
    person = Browser(wrong[0], role)
    found = {bool(LINK.search(person.get(path).text)) for path in PLACES.values()}
    assert found == {role >= Role.SUPERVISOR}
    assert person.get(f"/teaching/{wrong[1]}").status_code == (200 if role >= Role.SUPERVISOR else 403)


def test_what_comes_live_has_it_for_whom_it_is(database: Database) -> None:
    box = Publisher()
    write(database, box.event(HERE), box.state(HERE))
    asked = [
        (role, f"/live?view={view}&of=A-01" if view == "rack" else "/live?view=work", "en")
        for view in ("rack", "work")
        for role in (Role.SUPERVISOR, Role.OPERATOR)
    ]
    with watching(console_over(database), *asked) as watchers:
        write(database, box.event(HERE, Verdict.MISMATCH), box.state(HERE, Verdict.MISMATCH))
        told = [watcher.next()["data"] for watcher in watchers]
    wanted = [[f"/teaching/{box.ids[1]}?back=rack"], [], [f"/teaching/{box.ids[1]}?back=work"], []]
    assert [LINK.findall(one) for one in told] == wanted


def test_what_claims_nothing_is_not_wrong(database: Database) -> None:
    box = Publisher()
    write(database, box.event(HERE, Verdict.STALE), box.state(HERE, Verdict.STALE), box.state("A-01-1-02"))
    shown = Browser(console_over(database), Role.SUPERVISOR).get("/rack?name=A-01").text
    assert shown.count('class="tile ') == 2
    assert not LINK.search(shown), "a camera that sees nothing; and a look that isn't kept"


def test_back_leads_nowhere_else(wrong: tuple[Console, str]) -> None:
    person = Browser(wrong[0], Role.SUPERVISOR)
    for back in ("https://elsewhere.example", "//elsewhere.example", "racks", ""):
        sent = person.post(f"/teaching/{wrong[1]}", truth="empty", back=back)
        assert sent.headers["location"] == f"/teaching?last={wrong[1]}"


def test_a_long_rack_is_come_back_to_where_the_location_stands(database: Database) -> None:
    box, code = Publisher(), "A-01-7-10"
    write(database, *(box.state(f"A-01-{n // 50 + 1}-{n % 50 + 1:02d}") for n in range(310)), box.event(code))
    person = Browser(console_over(database), Role.SUPERVISOR)
    back = person.post(f"/teaching/{box.ids[0]}", truth="empty", back="rack").headers["location"]
    assert "part=2#" in back
    assert f'id="{back.partition("#")[2]}"' in person.get(back.partition("#")[0]).text


def test_cameras_that_disagree_are_seen_on_the_tile_also_live(database: Database) -> None:
    box, other = Publisher(), Publisher("other")
    write(database, box.event(HERE), box.state(HERE), other.state(HERE))
    console = console_over(database)
    browser = Browser(console, Role.VIEWER)
    words = "cameras disagree</p>"
    assert words not in browser.get(PLACES["rack"]).text
    with watching(console, (Role.VIEWER, "/live?view=rack&of=A-01", "en")) as (watcher,):
        write(database, box.event(HERE, Verdict.EMPTY), box.state(HERE, Verdict.EMPTY))
        told = watcher.next()["data"]
        assert words in told
        assert " contested" in told
        assert words in browser.get(PLACES["rack"]).text
        write(database, box.event(HERE), box.state(HERE))
        assert words not in watcher.next()["data"]


@pytest.mark.parametrize("verdict", [Verdict.STALE, Verdict.UNCERTAIN, Verdict.OBSTRUCTED])
def test_doubts_and_what_is_over_contradict_nobody(database: Database, verdict: Verdict) -> None:
    box, gone, unsure = Publisher(), Publisher("gone"), Publisher("unsure")
    gone._writer = type(gone._writer)(gone.topics, gone._writer._model, 0.001)
    write(database, gone.state(HERE, Verdict.EMPTY), unsure.state(HERE, verdict), box.event(HERE), box.state(HERE))
    console = console_over(database)
    assert "cameras disagree</p>" not in Browser(console, Role.VIEWER).get(PLACES["rack"]).text
    with watching(console, (Role.VIEWER, "/live?view=rack&of=A-01", "en")) as (watcher,):
        write(database, box.event(HERE))
        assert "cameras disagree" not in watcher.next()["data"]


def test_a_new_site_has_products_to_choose_from_with_their_photos(hall: Hall, tmp_path: Path) -> None:
    for sku in ("Tea", "Jasmine & Lemon"):
        Image.new("RGB", (300, 200), "green").save(tmp_path / f"{sku}.png")
    write(hall.console.database, hall.box.state("A-09-1", Verdict.EMPTY, "Expected alone"))
    products = load_products(tmp_path)
    person = Browser(hall.console, Role.SUPERVISOR, products=products)
    shown = person.get(f"/teaching/{hall.box.ids[29]}").text
    options = [html.unescape(one) for one in re.findall(r'<option value="([^"]*)">', shown)]
    assert options == ["Expected alone", "Jasmine & Lemon", "Tea"]
    tea = products.get("Tea")
    assert tea is not None
    (choice,) = re.findall(r'<button name="sku" value="Tea".*?</button>', shown, re.DOTALL)
    assert f'src="/photos/{tea.photo}.jpg"' in choice
    assert person.get(f"/photos/{tea.photo}.jpg").status_code == 200
    judge(hall.console.database, Publisher("third"), "C-1", StatedTruth.PRODUCT, "Tea")
    (choice,) = re.findall(r'<button name="sku" value="Tea".*?</button>', person.get("/teaching").text, re.DOTALL)
    assert "/picture" in choice, "and what somebody said shows it"


def test_how_often_cameras_are_right_stands_where_people_judge(hall: Hall) -> None:
    database = hall.console.database
    for n in range(10):
        judge(database, hall.box, f"C-{n}", StatedTruth.EMPTY if n else StatedTruth.PRODUCT, "" if n else "Tea")
    person = Browser(hall.console, Role.SUPERVISOR)
    sentence = (
        "Alerts: something was wrong indeed: 9 of 10 judged looks (90 %); with 95 % confidence the true share lies"
    )
    wanted = f"{sentence} between 60 % and 98 %"
    for path in ("/teaching", f"/teaching/{hall.box.ids[29]}", "/precision", "/camera?agent=box&camera=cam"):
        assert wanted in words_of(person.get(path).text).replace("\u00a0", " "), path
    indonesian = words_of(Browser(hall.console, Role.VIEWER, "id").get("/precision").text)
    assert "9 dari 10 pengamatan yang dinilai" in indonesian
    assert "Kamera box/cam" in indonesian
    say(database, hall.box.ids[-1], StatedTruth.PRODUCT, "Tea")
    told = words_of(person.get("/precision").text)
    assert "8 of 10 judged looks" in told, "reckoned anew with what was said last"
    api = hall.client.get("/precision").json()["items"]
    assert [one["right"] for one in api if (one["claim"], one["by"]) == ("alert", "all")] == [8]


def test_nobody_has_judged_is_said(file_database: Database) -> None:
    person = Browser(console_over(file_database), Role.SUPERVISOR)
    for path in ("/teaching", "/precision"):
        assert "Nobody has judged anything yet." in words_of(person.get(path).text)
