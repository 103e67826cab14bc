"""A rack and a location that stay open, in a real browser: they don't go on showing what isn't so any more."""

from functools import partial

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from kardus.contract.verdicts import Verdict
from tests.patience import stretched
from tests.publishers import Message, Publisher
from tests.warehouse.console.browsing import violations, visiting
from tests.warehouse.console.serving import console_over, listening
from tests.warehouse.receiving.making import write
from warehouse.console.context import Console
from warehouse.console.identity.roles import Role
from warehouse.console.pages.content.products import ProductPhoto, Products
from warehouse.console.pages.settings import PageSettings
from warehouse.store.database import Database

FIRST, HERE, THERE, NEW = "A-01-2-02", "A-01-2-03", "A-01-2-04", "A-01-2-05"
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # playwright's own pipes, when it ends


@pytest.fixture
def box() -> Publisher:
    """An agent."""
    return Publisher()


@pytest.fixture
def console(file_database: Database, box: Publisher) -> Console:
    """Two locations that are right."""
    for code in (HERE, THERE):
        write(file_database, box.event(code), box.state(code))
    return console_over(file_database)


def lose(lost: list[str], route: Route) -> None:
    """The stream can't be reached."""
    lost.append(route.request.url)
    route.abort()


def live(page: Page, path: str) -> None:
    """Open it, and wait until it is live."""
    page.goto(path)
    expect(page.locator("html")).to_have_attribute("data-live", "live")


def as_cam2(message: Message, sku: str) -> Message:
    """The same, of another camera and another product."""
    topic, payload = message
    return topic, payload.replace(b'"cam"', b'"cam-2"').replace(b'"Tea"', f'"{sku}"'.encode())


def test_whoever_missed_too_much_sees_all_of_it_anew(
    browser: Browser, console: Console, box: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.console.api.streaming.MAX_BACKLOG", 3)
    with listening(console) as port, visiting(browser, console, port, Role.OPERATOR) as page:
        for path in ("/rack?name=A-01", f"/location?code={HERE}"):
            lost: list[str] = []
            page.route("**/live?**", partial(lose, lost))
            page.goto(path)
            while not lost:  # asked for as soon as the page's script has run
                page.wait_for_timeout(50)
            if "rack" in path:
                page.get_by_label("Verdict").select_option("to check")
            write(console.database, *[box.event(THERE) for _ in range(5)])
            write(console.database, box.event(HERE, Verdict.MISMATCH), box.state(HERE, Verdict.MISMATCH))
            page.unroute("**/live?**")
            expect(page.locator(".tile:visible .v, .now .verdict")).to_have_text("wrong product")
            write(console.database, box.event(HERE, Verdict.EMPTY), box.state(HERE, Verdict.EMPTY))
            expect(page.locator(".tile:visible .v, .now .verdict")).to_have_text("empty")
            assert page.locator(".tile:visible").count() == ("rack" in path)
            write(console.database, box.event(HERE), box.state(HERE))


def test_a_location_whose_agent_falls_silent_says_so_and_when_it_is_heard_again(
    browser: Browser, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.console.live.feed.POLL_S", 0.5)
    with (
        listening(console) as port,
        visiting(browser, console, port, Role.OPERATOR) as page,
        visiting(browser, console, port, Role.OPERATOR) as other,
    ):
        live(page, f"/location?code={HERE}")
        live(other, f"/location?code={THERE}")
        expect(page.locator(".now .verdict")).to_have_text("match")
        with monkeypatch.context() as patch:
            patch.setattr("tests.publishers.VALID_S", 1.0)
            brief = Publisher()
        write(console.database, brief.event(HERE), brief.state(HERE))
        expect(page.locator(".now .verdict")).to_have_text("no view")
        expect(other.locator(".now .verdict")).to_have_text("match")
        write(console.database, Publisher().state(HERE))
        expect(page.locator(".now .verdict")).to_have_text("match")


def test_a_location_that_is_given_up_goes_and_a_new_one_comes(
    browser: Browser, console: Console, box: Publisher
) -> None:
    with listening(console) as port, visiting(browser, console, port, Role.OPERATOR) as page:
        live(page, "/rack?name=A-01")
        write(console.database, (box.topics.state(THERE), b""))
        expect(page.locator(".tile h3")).to_have_text([HERE])
        write(console.database, box.event(NEW), box.state(NEW))
        expect(page.locator(".tile h3")).to_have_text([HERE, NEW])
        other = Publisher("other")
        write(console.database, other.event(HERE, Verdict.EMPTY), other.state(HERE, Verdict.EMPTY))
        expect(page.locator(".conflict")).to_have_text("cameras disagree")
        write(console.database, (box.topics.state(HERE), b""))
        expect(page.locator(".conflict")).to_have_count(0)
        expect(page.locator(".tile.v-empty h3")).to_have_text([HERE])
        write(console.database, (other.topics.state(HERE), b""), (box.topics.state(NEW), b""))
        expect(page.locator("main")).to_contain_text("No agent watches this rack.")


def test_a_new_location_comes_to_its_part_of_a_rack_of_several(
    browser: Browser, console: Console, box: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.console.live.feed.POLL_S", 0.3)
    monkeypatch.setattr("warehouse.console.pages.rack_parts.RACK_BYTES", 700)  # of one tile
    with listening(console) as port, visiting(browser, console, port, Role.OPERATOR) as page:
        live(page, "/rack?name=A-01&part=2")
        expect(page.locator(".tile h3")).to_have_text([THERE])
        expect(page.locator("#parts a")).to_have_count(2)
        write(console.database, box.event(NEW), box.state(NEW))
        expect(page.locator("#parts a")).to_have_count(3)
        expect(page.locator(".tile h3")).to_have_text([THERE])
        write(console.database, box.event(FIRST), box.state(FIRST))
        expect(page.locator(".tile h3")).to_have_text([HERE])
        expect(page.locator("#parts [aria-current]")).to_have_text("2")


def test_what_there_is_to_choose_from_is_what_the_rack_has_now(
    browser: Browser, console: Console, box: Publisher
) -> None:
    products = Products()
    for sku, family in (("Tea", "drinks"), ("Soap", "household")):
        products.add(ProductPhoto(sku, family, None))
    with (
        listening(console, PageSettings(products=products)) as port,
        visiting(browser, console, port, Role.OPERATOR) as page,
    ):
        live(page, "/rack?name=A-01")
        families, cameras = page.locator("#by-family option"), page.locator("#cameras a:visible")
        page.get_by_label("Family").select_option("drinks")
        write(console.database, box.event(HERE), box.state(HERE, expected="Soap"), box.event(HERE), box.state(HERE))
        write(console.database, *(as_cam2(m, "Soap") for m in (box.event(THERE), box.state(THERE, expected="Soap"))))
        expect(families).to_have_text(["all", "drinks", "household"])
        expect(cameras).to_have_text(["Camera cam", "Camera cam-2"])
        expect(page.get_by_label("Family")).to_have_value("drinks")
        expect(page.locator(".tile:visible h3")).to_have_text([HERE])
        write(console.database, *(as_cam2(m, "Soap") for m in (box.event(HERE), box.state(HERE, expected="Soap"))))
        expect(cameras).to_have_text(["Camera cam-2"])
        page.get_by_label("Family").select_option("household")
        expect(families).to_have_text(["all", "household"])
        expect(page.locator(".tile:visible")).to_have_count(2)
        assert violations(page) == []


def test_a_rack_says_which_of_its_agents_are_offline(
    browser: Browser, console: Console, box: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.console.live.feed.POLL_S", 0.3)
    elsewhere = Publisher("elsewhere")
    write(console.database, box.online(), elsewhere.state("B-01-1-01"), elsewhere.offline())
    with listening(console) as port, visiting(browser, console, port, Role.OPERATOR) as page:
        live(page, "/rack?name=A-01")
        expect(page.locator("#offline")).to_be_hidden()
        write(console.database, box.offline())
        expect(page.locator("#offline")).to_contain_text("Agents that are offline: box. What they saw last is shown.")
        assert violations(page) == []
        page.reload()
        expect(page.locator("#offline")).to_contain_text("offline: box.")
        live(page, f"/location?code={HERE}")
        expect(page.locator("#offline")).to_contain_text("offline: box.")
        write(console.database, box.online())
        expect(page.locator("#offline")).to_have_count(0)
        live(page, "/rack?name=A-01")
        expect(page.locator("#offline")).to_be_hidden()


def test_what_was_told_of_no_change_is_read_after_an_interruption(
    browser: Browser, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.console.live.feed.POLL_S", 0.3)
    with (
        listening(console) as port,
        visiting(browser, console, port, Role.OPERATOR) as page,
        visiting(browser, console, port, Role.OPERATOR) as other,
    ):
        for one in (page, other):
            live(one, "/rack?name=A-01")
        lost: list[str] = []
        page.route("**/live?**", partial(lose, lost))
        with monkeypatch.context() as patch:
            patch.setattr("tests.publishers.VALID_S", min(60.0, stretched(20.0)))  # until all below has been told of it
            brief = Publisher()
        write(console.database, brief.event(HERE, Verdict.EMPTY), brief.state(HERE, Verdict.EMPTY))
        expect(page.locator(".tile.v-empty h3")).to_have_text([HERE])
        console.feed._end_all()
        expect(page.locator("html")).to_have_attribute("data-live", "waiting")
        expect(other.locator(".v-stale h3")).to_have_text([HERE])
        expect(page.locator(".v-stale")).to_have_count(0)
        page.unroute("**/live?**")
        expect(page.locator(".v-stale h3")).to_have_text([HERE])
