"""The page in a real browser: what happens on a shelf, from the first picture to the closed alert."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, expect

from kardus.contract.commands import Reply
from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from kardus.mqtt.settings import BrokerSettings
from tests.brokers import Mosquitto
from tests.patience import within
from tests.publishers import SITE, Publisher
from tests.warehouse.console.browsing import PHONE, violations, visiting
from tests.warehouse.console.serving import console_over, listening
from tests.warehouse.console.test_acting import agents
from tests.warehouse.receiving.making import write
from tests.warehouse.receiving.test_receiver import wait_for
from warehouse.console.agents.asking import AgentQuestions
from warehouse.console.context import Console
from warehouse.console.identity.people import add_person
from warehouse.console.identity.roles import Role
from warehouse.store.database import Database

GIVEN = "nine of twelve boxes"
HERE, THERE = "A-01-2-03", "A-01-1-01"
ALERT = Alert(id="alert-1", status="open", opened=datetime.now(UTC))
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # playwright's own pipes, when it ends


@dataclass(frozen=True)
class Site:
    """A server with its broker, and the agent's voice."""

    console: Console
    port: int
    box: Publisher
    broker: Mosquitto

    def say(self, verdict: Verdict, status: str = "", seen: str | None = None) -> None:
        """What the agent says of the shelf: an event, its picture and the state."""
        told = {"open": ALERT, "acknowledged": ALERT.model_copy(update={"status": "acknowledged", "by": "a operator"})}
        alert = told.get(status) or (ALERT.model_copy(update={"status": "resolved"}) if status else None)
        event = self.box.event(HERE, verdict, alert)
        topic, payload = self.box.state(HERE, verdict, seen=seen)
        payload = payload.replace(b"alert-A-01-2-03", b"alert-1")
        if status == "acknowledged":
            payload = payload.replace(b'"status":"open"', b'"status":"acknowledged"')
        write(self.console.database, event, self.box.picture(HERE, self.box.ids[-1]), (topic, payload))


@pytest.fixture
def site(file_database: Database, mosquitto: Mosquitto) -> Iterator[Site]:
    """Two locations in one rack, as they should be."""
    box = Publisher()
    write(file_database, box.state(THERE), box.event(HERE), box.picture(HERE, box.ids[0]), box.state(HERE))
    with AgentQuestions(BrokerSettings("127.0.0.1", mosquitto.port), SITE) as asking:
        wait_for(lambda: asking._session.is_subscribed)
        console = console_over(file_database, asking)
        with listening(console) as port:
            yield Site(console, port, box, mosquitto)


def test_a_wrong_carton_from_its_first_picture_to_the_closed_alert(browser: Browser, site: Site) -> None:
    def answer(name: str, said: dict[str, str]) -> Reply:
        if name == "acknowledge":
            site.say(Verdict.MISMATCH, "acknowledged", "Lemon")
        return Reply(command=name, ok=True, correlation=said["correlation"], result={})

    with (
        visiting(browser, site.console, site.port, Role.VIEWER) as wall,
        visiting(browser, site.console, site.port, Role.OPERATOR, **PHONE) as phone,
        agents(site.broker, answer),
    ):
        wall.goto("/rack?name=A-01")
        tile = wall.locator(".tile", has_text=HERE)
        expect(tile).to_have_class("tile good v-match")
        expect(wall.locator("#live")).to_have_text("Live")
        site.say(Verdict.MISMATCH, "open", "Lemon")
        with within(1):
            expect(wall.locator(".tile.bad", has_text=HERE)).to_be_visible()
        expect(wall.locator("#counts .bad b")).to_have_text("1")
        assert violations(wall) == []
        phone.goto("/work")
        task = phone.locator(".task", has_text=HERE)
        expect(task).to_contain_text("Lemon")
        assert violations(phone) == []
        task.get_by_role("button", name="Acknowledge").tap()
        expect(task).to_contain_text("known")
        expect(task.get_by_role("button", name="Acknowledge")).to_have_count(0)
        done, side = task.get_by_role("button", name="Done"), "one => Math.min(one.offsetWidth, one.offsetHeight)"
        wait_for(lambda: done.evaluate(side) >= 44)  # a finger finds it; a button that is just renewed has no size
        site.say(Verdict.MATCH, "resolved")
        expect(phone.locator(".task")).to_have_count(0)
        expect(wall.locator(".tile.good", has_text=HERE)).to_be_visible()
        assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing to be pushed sideways"


def test_a_tile_is_never_turned_back_by_what_comes_late(browser: Browser, site: Site) -> None:
    """Not even where no state says it: the tile that is shown knows its place."""
    late, later = site.box.event(HERE, Verdict.EMPTY), site.box.event(HERE, Verdict.MISMATCH)
    with visiting(browser, site.console, site.port, Role.VIEWER) as wall:
        wall.goto("/rack?name=A-01")
        expect(wall.locator("#live")).to_have_text("Live")
        write(site.console.database, later)
        tile = wall.locator(".tile", has_text=HERE)
        expect(tile).to_have_class("tile bad v-mismatch changed")
        write(site.console.database, late)
        other = wall.locator(".tile", has_text=THERE)
        write(site.console.database, site.box.event(THERE, Verdict.EMPTY))
        expect(other).to_have_class("tile bad v-empty changed")
        expect(tile).to_have_class("tile bad v-mismatch changed")


def test_a_browser_s_own_forms_let_in_change_and_let_out(browser: Browser, site: Site) -> None:
    """Those without scripts too: what browsers say of a form's origin, no client of ours says by itself."""
    add_person(site.console.database, "Sari", "administrator", GIVEN)
    context = browser.new_context(base_url=f"http://127.0.0.1:{site.port}", locale="en")
    page = context.new_page()
    page.goto("/people")
    page.get_by_label("Name").fill("Sari")
    page.get_by_label("Password").fill(GIVEN)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("People")
    page.goto("/account")
    page.get_by_label("Language").select_option("id")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Keluar").click()
    expect(page.get_by_role("button", name="Masuk")).to_be_visible()
    context.close()


def test_what_is_clicked_without_a_network_is_sent_later_and_once(browser: Browser, site: Site) -> None:
    site.say(Verdict.MISMATCH, "open", "Lemon")
    with (
        visiting(browser, site.console, site.port, Role.OPERATOR, "id", **PHONE) as phone,
        visiting(browser, site.console, site.port, Role.SUPERVISOR) as other,
    ):
        phone.goto("/work")
        other.goto("/work")
        phone.context.set_offline(True)
        phone.get_by_role("button", name="Ambil", exact=True).tap()
        expect(phone.locator("#queued")).to_contain_text("1 belum terkirim")
        expect(phone.locator(".task.waiting")).to_have_count(1)
        expect(other.locator(".task")).not_to_contain_text("taken by")
        phone.context.set_offline(False)
        expect(phone.locator("#queued")).to_be_hidden()
        expect(phone.get_by_role("button", name="Kembalikan")).to_be_visible()
        expect(other.locator(".task")).to_contain_text("taken by a operator")
