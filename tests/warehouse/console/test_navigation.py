"""Where one is, and what leads on, can be seen and told apart, on a phone too."""

import re
import threading

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Route, expect

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from tests.publishers import Publisher
from tests.warehouse.console.browsing import PHONE, visiting
from tests.warehouse.console.serving import console_over, listening
from tests.warehouse.console.visiting import Browser
from tests.warehouse.receiving.making import write
from warehouse.console.identity.roles import Role
from warehouse.store.database import Database

CODE = "A-01-2-03"
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # playwright's own pipes, when it ends


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/", ("/", "page")),
        ("/rack?name=A-01", ("/", "true")),
        (f"/location?code={CODE}", ("/", "true")),
        ("/fleet", ("/fleet", "page")),
        ("/camera?agent=box&camera=cam", ("/fleet", "true")),
        ("/precision", ("/trends", "true")),
        ("/enrolment", ("/teaching", "true")),
        ("/audit", ("/people", "true")),
        ("/account", ("/account", "page")),
    ],
)
def test_the_navigation_says_where_one_is(file_database: Database, path: str, wanted: tuple[str, str]) -> None:
    write(file_database, Publisher().state(CODE))
    head = Browser(console_over(file_database), Role.ADMINISTRATOR).get(path).text.partition("</header>")[0]
    assert re.findall(r'<a [^>]*href="([^"]*)"[^>]* aria-current="(\w+)"', head) == [wanted]


def test_cameras_of_one_name_are_told_apart_by_their_agents(file_database: Database) -> None:
    write(file_database, Publisher("left").state(CODE), Publisher("right").state("A-01-2-04"))
    write(file_database, Publisher("left").state("B-01-2-04"))
    browser = Browser(console_over(file_database), Role.VIEWER)
    for rack, wanted in (("A-01", ["Camera cam · left", "Camera cam · right"]), ("B-01", ["Camera cam"])):
        page = browser.get(f"/rack?name={rack}").text
        assert re.findall(r'data-c="\w+" href="[^"]*">([^<]*)</a>', page) == wanted


def test_on_a_phone_where_one_is_is_in_sight_and_codes_and_charts_can_be_read(
    browser: Chromium, file_database: Database
) -> None:
    box, codes = Publisher(), ("A-01-2-03", "A-01-2-04")
    for code, expected, seen in zip(codes, ("Tea", "Soap"), ("Soap", "Tea"), strict=True):
        alert = Alert(id=f"alert-{code}", status="open", opened=box.finding(code, Verdict.MATCH).captured)
        write(file_database, box.event(code, Verdict.MISMATCH, alert))
        write(file_database, box.state(code, Verdict.MISMATCH, expected, seen))
    console = console_over(file_database)
    with listening(console) as port, visiting(browser, console, port, Role.ADMINISTRATOR, "id", **PHONE) as page:
        for path in ("/", "/people", "/models"):
            page.goto(path)
            expect(page.locator(".top nav [aria-current]")).to_be_in_viewport(ratio=0.95)
        page.goto("/work")
        lines = page.locator("h3 .code").evaluate_all("all => all.map((one) => one.getClientRects().length)")
        assert lines == [1, 1]
        page.goto("/trends")
        size = page.locator(".chart text").first.evaluate("one => one.getBoundingClientRect().height")
        assert size > 9, "CSS pixels"


def test_a_picture_that_was_refused_before_the_page_s_script_ran_leaves_its_place_empty(
    browser: Chromium, file_database: Database
) -> None:
    held: list[Route] = []
    refused = threading.Event()

    def hold(route: Route) -> None:
        if refused.is_set():
            route.continue_()
        else:
            held.append(route)

    def refuse(route: Route) -> None:
        refused.set()
        route.fulfill(status=503, body="")
        while held:
            held.pop().continue_()

    write(file_database, Publisher().state(CODE))
    console = console_over(file_database)
    with listening(console) as port, visiting(browser, console, port, Role.VIEWER) as page:
        page.route("**/kardus.js*", hold)  # asked for before or after the picture, as the browser likes
        page.route("**/now?**", refuse)
        page.goto(f"/location?code={CODE}")
        expect(page.locator(".now img")).to_have_class("none")
