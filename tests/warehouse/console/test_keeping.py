"""What somebody is at while a live part changes under him, in a real browser: nothing written or pressed is lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy import select

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from tests.publishers import Publisher
from tests.warehouse.console.browsing import visiting
from tests.warehouse.console.serving import console_over, listening
from tests.warehouse.receiving.making import write
from warehouse.console.context import Console
from warehouse.console.identity.roles import Role
from warehouse.console.live.feed import Feed
from warehouse.store.database import Database
from warehouse.store.tables import comments

HERE, TEXT = "A-01-2-03", "the carton is broken"
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # playwright's own pipes, when it ends


class Shelf:
    """A list of tasks that grows."""

    def __init__(self, database: Database) -> None:
        """With one task."""
        self.database, self.console, self.box = database, console_over(database), Publisher()
        self.add(HERE)

    def add(self, code: str, verdict: Verdict = Verdict.EMPTY) -> None:
        """One more task."""
        alert = Alert(id=f"alert-{code}", status="open", opened=datetime.now(UTC))
        write(self.database, self.box.event(code, verdict, alert), self.box.state(code, verdict))

    def said(self) -> list[str]:
        """Comments that the server has."""
        with self.database.reading() as connection:
            return list(connection.execute(select(comments.c.text)).scalars())


@pytest.fixture
def shelf(file_database: Database) -> Shelf:
    """One task."""
    return Shelf(file_database)


@pytest.fixture
def page(browser: Browser, shelf: Shelf) -> Iterator[Page]:
    """The list, live."""
    with open_page(browser, shelf.console, "/work") as page:
        yield page


@contextmanager
def open_page(browser: Browser, console: Console, path: str) -> Iterator[Page]:
    """A page that is live, of a server of its own."""
    own = replace(console, feed=Feed(console.database))
    with listening(own) as port, visiting(browser, own, port, Role.OPERATOR) as page:
        page.goto(path)
        expect(page.locator("html")).to_have_attribute("data-live", "live")
        yield page


def write_comment(page: Page) -> None:
    """Open the first task's box and write, but send nothing."""
    task_card(page, HERE).locator("summary").click()
    task_card(page, HERE).locator("textarea").press_sequentially(TEXT)


def task_card(page: Page, code: str) -> Locator:
    """A task."""
    return page.locator(".task", has_text=code)


def test_a_comment_stays_while_the_list_changes_and_by_the_keyboard(page: Page, shelf: Shelf) -> None:
    write_comment(page)
    shelf.add("A-01-2-04")
    page.wait_for_timeout(2500)
    page.keyboard.press("Tab")
    expect(task_card(page, "A-01-2-04")).to_be_visible()
    expect(task_card(page, HERE).locator("textarea")).to_have_value(TEXT)
    expect(task_card(page, HERE).get_by_role("button", name="Send the comment")).to_be_focused()
    page.keyboard.press("Enter")
    expect(task_card(page, HERE).locator(".said")).to_contain_text(TEXT)
    assert shelf.said() == [TEXT]
    expect(task_card(page, HERE).locator("textarea")).to_have_value("")


@pytest.mark.parametrize("held_ms", [20, 180, 700])
def test_a_comment_is_sent_by_a_click_as_people_click(page: Page, shelf: Shelf, held_ms: int) -> None:
    write_comment(page)
    shelf.add("A-01-2-04")
    page.wait_for_timeout(2500)
    page.get_by_role("button", name="Send the comment").hover()
    page.mouse.down()
    page.wait_for_timeout(held_ms)
    page.mouse.up()
    expect(task_card(page, HERE).locator(".said")).to_contain_text(TEXT)
    assert shelf.said() == [TEXT]


def test_a_button_that_is_pressed_while_the_list_changes_is_pressed(page: Page, shelf: Shelf) -> None:
    page.get_by_role("button", name="Take", exact=True).hover()
    page.mouse.down()
    shelf.add("A-01-2-04")
    page.wait_for_timeout(2500)
    page.mouse.up()
    expect(task_card(page, HERE)).to_contain_text("taken by a operator")
    expect(task_card(page, "A-01-2-04")).to_be_visible()


def test_an_open_box_and_its_text_stay_though_nobody_is_in_it(page: Page, shelf: Shelf) -> None:
    write_comment(page)
    page.locator("h1").click()
    shelf.add("A-01-2-01")  # before it in the list
    expect(task_card(page, "A-01-2-01")).to_be_visible()
    expect(task_card(page, HERE).locator("textarea")).to_be_visible()
    expect(task_card(page, HERE).locator("textarea")).to_have_value(TEXT)
    expect(task_card(page, "A-01-2-01").locator("textarea")).to_be_hidden()


def test_the_keyboard_stays_at_its_button_or_beside_it(page: Page, shelf: Shelf) -> None:
    take = task_card(page, HERE).get_by_role("button", name="Take", exact=True)
    take.focus()
    shelf.add("A-01-2-01")
    expect(task_card(page, "A-01-2-01")).to_be_visible()
    expect(take).to_be_focused()
    page.keyboard.press("Enter")
    expect(task_card(page, HERE).get_by_role("button", name="Give back")).to_be_focused()


def test_the_keyboard_stays_at_a_tile_and_at_a_rack(browser: Browser, shelf: Shelf) -> None:
    with open_page(browser, shelf.console, "/rack?name=A-01") as page:
        page.get_by_role("link", name=HERE).focus()
        shelf.add(HERE, Verdict.MISMATCH)
        expect(page.locator(".tile.v-mismatch")).to_have_count(1)
        expect(page.get_by_role("link", name=HERE)).to_be_focused()
    with open_page(browser, shelf.console, "/") as page:
        page.locator(".rack-card", has_text="A-01").focus()
        shelf.add("A-00-1-01")
        expect(page.locator(".rack-card", has_text="A-00")).to_be_visible()
        expect(page.locator(".rack-card", has_text="A-01")).to_be_focused()
