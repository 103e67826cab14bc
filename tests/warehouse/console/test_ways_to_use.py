"""The page by keyboard alone, with its filters, on paper, and where a bar breaks on a phone: in a real browser."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from tests.publishers import Publisher
from tests.warehouse.console.browsing import PHONE, visiting
from tests.warehouse.console.serving import console_over, listening
from tests.warehouse.receiving.making import write
from warehouse.console.context import Console
from warehouse.console.identity.roles import Role
from warehouse.console.pages.content.products import ProductPhoto, Products
from warehouse.console.pages.settings import PageSettings
from warehouse.store.database import Database

WRONG, EMPTY, RIGHT, DISPUTED = "A-01-1-01", "A-01-2-02", "A-01-2-03", "A-01-3-01"
MAX_TABS = 60
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # playwright's own pipes, when it ends


@dataclass(frozen=True)
class Site:
    """A server, and the agent's voice."""

    console: Console
    port: int
    box: Publisher

    def say(self, code: str, verdict: Verdict, expected: str = "Tea", seen: str | None = None) -> None:
        """An event, its picture and the state."""
        stands = Alert(id=f"alert-{code}", status="open", opened=datetime.now(UTC))
        alert = stands if verdict in (Verdict.MISMATCH, Verdict.EMPTY) else None
        event, state = self.box.event(code, verdict, alert), self.box.state(code, verdict, expected, seen)
        event = event[0], event[1].replace(b'"Tea"', f'"{expected}"'.encode())
        write(self.console.database, event, self.box.picture(code, self.box.ids[-1]), state)


@pytest.fixture
def site(file_database: Database) -> Iterator[Site]:
    """A rack of three levels: a wrong carton, an empty place, one that is right, one that two see differently."""
    products = Products()
    for sku, family in (("Tea", "drinks"), ("Soap", "household")):
        products.add(ProductPhoto(sku, family, None))
    console, box = console_over(file_database), Publisher()
    with listening(console, PageSettings(products=products)) as port:
        found = Site(console, port, box)
        found.say(WRONG, Verdict.MISMATCH, "Tea", "Soap")
        found.say(EMPTY, Verdict.EMPTY, "Soap")
        found.say(RIGHT, Verdict.MATCH, "Soap")
        write(file_database, Publisher("other").state(DISPUTED, Verdict.EMPTY))
        found.say(DISPUTED, Verdict.MATCH, "Tea")
        yield found


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until this has the focus; whatever has it on the way is to be seen."""
    for _ in range(MAX_TABS):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            "() => { const one = document.activeElement, box = one.getBoundingClientRect(); "
            "const style = getComputedStyle(one), tile = one.closest('.tile'); "
            "const ring = [style, ...(tile ? [getComputedStyle(tile)] : [])].some((s) => s.outlineStyle !== 'none'); "
            "return one === document.body || (ring && box.width > 0 && box.height > 0); }"
        )
        assert seen, page.evaluate("document.activeElement.outerHTML")
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
    pytest.fail(f"{selector} can't be reached by Tab")


def test_everything_is_done_by_the_keyboard_alone(browser: Browser, site: Site) -> None:
    with visiting(browser, site.console, site.port, Role.SUPERVISOR) as page:
        page.goto("/")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        tab_to(page, "a.rack-card")
        page.keyboard.press("Enter")
        expect(page.locator(".tile")).to_have_count(4)
        tab_to(page, "#by-verdict")
        page.keyboard.type("wrong")
        expect(page.locator(".tile:visible")).to_have_count(1)
        tab_to(page, ".tile h3 a")
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_contain_text(WRONG)
        page.go_back()
        tab_to(page, ".tile.v-mismatch .wrong")
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("What does this picture show?")
        page.wait_for_load_state()  # its keys are taken once its script has run
        page.keyboard.press("1")
        expect(page.locator(".tile")).to_have_count(4)
        assert page.url.endswith(page.locator(".tile", has_text=WRONG).get_attribute("id") or "?"), "back at the tile"
        (label,) = _labels(site)
        assert label == ("product", "Tea", "a supervisor")
        _works_by_keyboard(page)


def _works_by_keyboard(page: Page) -> None:
    """From the navigation to a task that is taken, commented and done."""
    page.keyboard.press("Control+Home")
    tab_to(page, "nav a[href='/work']")
    page.keyboard.press("Enter")
    task = page.locator(".task", has=page.get_by_role("heading", name=EMPTY))
    expect(task).to_be_visible()
    form = f"li#{task.get_attribute('id')} "
    tab_to(page, f"{form} button[value=take]")
    page.keyboard.press("Enter")
    expect(task).to_contain_text("taken by a supervisor")
    tab_to(page, f"{form} summary")
    page.keyboard.press("Enter")
    tab_to(page, f"{form} textarea")
    page.keyboard.type("two cartons were here")
    tab_to(page, f"{form} button[value=comment]")
    page.keyboard.press("Enter")
    expect(task).to_contain_text("two cartons were here")
    page.locator("h1").click()
    tab_to(page, f"{form} button[value=done]")
    page.keyboard.press("Space")
    expect(task).to_contain_text("done by a supervisor")


def _labels(site: Site) -> list[tuple[str, str, str]]:
    with site.console.database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT truth, sku, by FROM labels").all()
    return [(truth, sku, by) for truth, sku, by in rows]


def test_a_rack_s_filters_show_what_they_say_also_of_what_comes_live(browser: Browser, site: Site) -> None:
    with visiting(browser, site.console, site.port, Role.VIEWER) as page:
        page.goto("/rack?name=A-01")
        shown, levels = page.locator(".tile:visible h3"), page.locator(".level:visible h2")
        verdict, family = page.get_by_label("Verdict"), page.get_by_label("Family")
        assert family.locator("option").all_inner_texts() == ["all", "drinks", "household"]
        for by_verdict, by_family, wanted in (
            ("to check", "all", [EMPTY, WRONG]),
            ("empty", "all", [EMPTY]),
            ("match", "household", [RIGHT]),
            ("match", "all", [DISPUTED, RIGHT]),
            ("empty", "drinks", []),
            ("cameras disagree", "all", [DISPUTED]),
            ("all", "drinks", [DISPUTED, WRONG]),
            ("all", "all", [DISPUTED, EMPTY, RIGHT, WRONG]),
        ):
            verdict.select_option(by_verdict)
            family.select_option(by_family)
            expect(shown).to_have_text(wanted)
            places = {code.split("-")[2] for code in wanted}
            assert [text.split()[-1] for text in levels.all_inner_texts()] == sorted(places, reverse=True)
        expect(page.locator("#counts .bad b")).to_have_text("2")
        verdict.select_option("to check")
        expect(page.locator("#live")).to_have_text("Live")
        site.say(RIGHT, Verdict.MISMATCH, "Soap", "Tea")
        expect(shown).to_have_text([EMPTY, RIGHT, WRONG])
        site.say(EMPTY, Verdict.MATCH, "Soap")
        expect(shown).to_have_text([RIGHT, WRONG])
        expect(page.locator("#counts .bad b")).to_have_text("2")  # of the whole rack


def test_the_work_list_on_paper_is_the_tasks_and_nothing_else(browser: Browser, site: Site) -> None:
    with visiting(browser, site.console, site.port, Role.SUPERVISOR) as page:
        page.add_init_script("window.print = () => { window.printed = (window.printed ?? 0) + 1; }")
        page.goto("/work")
        for control in (".top", ".acts", ".files", ".wrong", "nav.parts", "[data-print]"):
            expect(page.locator(control).first).to_be_visible()
        page.get_by_role("button", name="Print").click()
        assert page.evaluate("window.printed") == 1
        page.emulate_media(media="print")
        for control in (".top", ".acts", ".files", ".wrong", "nav.parts", "[data-print]", "#messages"):
            assert page.locator(control).locator("visible=true").count() == 0, control
        assert page.locator(".task h3:visible").all_inner_texts() == [WRONG, EMPTY, DISPUTED]
        for text in ("Soap", "Tea", "Aisle A"):
            expect(page.locator("main").get_by_text(text, exact=True).first).to_be_visible()
        colours = page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.querySelector('.task')).breakInside]"
        )
        assert colours == ["rgb(0, 0, 0)", "avoid"]
        assert page.pdf(format="A4").startswith(b"%PDF")


def test_a_long_list_on_paper_says_which_part_it_is(
    browser: Browser, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.console.pages.routes.work.TASK_BYTES", 160_000)
    with visiting(browser, site.console, site.port, Role.VIEWER) as page:
        page.goto("/work?part=2")
        assert not page.get_by_text("Part 2 of 3").is_visible()
        page.emulate_media(media="print")
        expect(page.get_by_text("Part 2 of 3", exact=True)).to_be_visible()


def test_on_a_phone_files_stand_side_by_side_and_what_is_wrong_is_big_enough(browser: Browser, site: Site) -> None:
    event = site.box.ids[0]
    paths = ["/", "/rack?name=A-01", f"/location?code={WRONG}", "/work", "/fleet", "/trends", "/models", "/precision"]
    with visiting(browser, site.console, site.port, Role.ADMINISTRATOR, **PHONE) as phone:
        for path in [*paths, "/people", "/audit", "/teaching"]:
            phone.goto(path)
            tops = phone.locator(".files a").evaluate_all("all => all.map((one) => one.getBoundingClientRect().top)")
            assert len(tops) == 2, path
            assert tops[0] == tops[1], path
            assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        for path in ("/rack?name=A-01", f"/location?code={WRONG}", "/work"):
            phone.goto(path)
            link = phone.locator(f".wrong[href*='{event}']").first
            link.scroll_into_view_if_needed()
            box = link.bounding_box()
            assert box
            assert box["height"] >= 44, path
            link.tap()
            expect(phone.locator(f"form[action='/teaching/{event}']").first).to_be_visible()
