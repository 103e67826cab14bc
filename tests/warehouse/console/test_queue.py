"""Clicks of the work list that can't be sent at once, in a real browser: none is lost, none goes under another name."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import select

from kardus.contract.messages import Alert
from kardus.contract.topics import Topics
from kardus.contract.verdicts import Verdict
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from tests.brokers import Mosquitto
from tests.publishers import SITE, Publisher
from tests.warehouse.console.browsing import PHONE, violations, visiting
from tests.warehouse.console.serving import console_over, listening
from tests.warehouse.console.test_acting import agents, asking, done
from tests.warehouse.receiving.making import write
from tests.warehouse.receiving.test_receiver import wait_for
from warehouse.console.agents.asking import AgentQuestions
from warehouse.console.context import Console
from warehouse.console.identity.people import add_person, find_person
from warehouse.console.identity.roles import Role
from warehouse.console.identity.sessions import begin_session
from warehouse.console.pages.content.task_notes import note_action
from warehouse.store.database import Database
from warehouse.store.tables import audit

__all__ = ["asking"]
HERE, THERE = "A-01-2-03", "A-01-1-01"
QUICK = """
const now = Date.now, every = setInterval;
window.aheadMs = 0;
Date.now = () => now() + window.aheadMs;
window.setInterval = (what, ms) => every(what, ms / 10);
"""
"""The page's clock can be set, and what it does every two seconds it does ten times as often."""
TICKS_MS = 700
"""So long the page looks three times whether something is to be sent."""
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # playwright's own pipes, when it ends


@pytest.fixture
def console(file_database: Database, asking: AgentQuestions, monkeypatch: pytest.MonkeyPatch) -> Console:
    """Two tasks in one rack, whose agent is silent: the server would wait for its answer before it ends."""
    monkeypatch.setattr("warehouse.console.agents.asking.ANSWER_S", 0.2)
    box = Publisher()
    for code in (HERE, THERE):
        alert = Alert(id=f"alert-{code}", status="open", opened=datetime.now(UTC))
        write(file_database, box.event(code, Verdict.EMPTY, alert), box.state(code, Verdict.EMPTY))
    return console_over(file_database, asking)


@contextmanager
def working(browser: Browser, console: Console, role: Role = Role.OPERATOR, **more: Any) -> Iterator[tuple[Page, int]]:
    """A phone with the list, and the server's port."""
    with listening(console) as port, visiting(browser, console, port, role, **PHONE, **more) as phone:
        phone.add_init_script(QUICK)
        phone.goto("/work")
        yield phone, port


def task_card(page: Page, code: str) -> Any:
    """A task."""
    return page.locator(".task", has_text=code)


def click(page: Page, code: str, button: str) -> None:
    """One of its buttons."""
    task_card(page, code).get_by_role("button", name=button, exact=True).tap()


def pauses_are_over(page: Page) -> None:
    """Let the longest pause between two tries have passed."""
    page.evaluate("aheadMs += 61_000")


def sign_in(page: Page, console: Console, port: int, role: Role) -> None:
    """Another session in the same browser, as another tab begins one."""
    name = f"a {role.word}"
    person = find_person(console.database, name) or add_person(console.database, name, role.word, "")
    secret, address = begin_session(console.database, person), f"http://127.0.0.1:{port}"
    page.context.add_cookies([{"name": "kardus_session", "value": secret, "url": address}])


def actions(console: Console) -> list[tuple[str, str]]:
    """What the server has noted: who, and what."""
    with console.database.reading() as connection:
        rows = connection.execute(select(audit.c.actor, audit.c.action).order_by(audit.c.number)).all()
    return [(actor.partition(" (")[0], action) for actor, action in rows if action != "add-user"]


def test_an_acknowledgement_waits_for_its_agent_says_so_and_holds_nothing_up(
    browser: Browser, console: Console, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.console.agents.asking.ANSWER_S", 10.0)  # here one answers
    voice = Publisher()
    with (
        working(browser, console) as (phone, _),
        agents(mosquitto, done),
        MqttClient(BrokerSettings("127.0.0.1", mosquitto.port)) as agent,
    ):
        agent.publish([voice.offline()], retain=True)
        assert console.asking
        wait_for(lambda: "box" in console.asking._offline)  # type: ignore[union-attr]  # it is there
        click(phone, HERE, "Acknowledge")
        expect(phone.locator("#queued li")).to_contain_text(f"{HERE} · Acknowledge: The agent is offline")
        expect(phone.locator("#queued li")).to_be_in_viewport()  # wherever in a long list one has clicked
        assert violations(phone) == []
        click(phone, HERE, "Take")
        expect(task_card(phone, HERE)).to_contain_text("taken by a operator")
        click(phone, THERE, "Done")
        expect(task_card(phone, THERE)).to_contain_text("done by a operator")
        expect(task_card(phone, HERE)).not_to_contain_text("known to")
        agent.publish([(Topics(SITE, "box").status, b"")], retain=True)
        wait_for(lambda: "box" not in console.asking._offline)  # type: ignore[union-attr]  # it is there
        pauses_are_over(phone)
        expect(phone.locator("#messages")).to_contain_text(f"Done now: {HERE} · Acknowledge")
        expect(task_card(phone, HERE)).to_contain_text("known to a operator")
        expect(phone.locator("#queued")).to_be_hidden()


def test_a_proxy_s_error_is_tried_again_and_the_others_pass(browser: Browser, console: Console) -> None:
    refused: list[str] = []
    is_well = threading.Event()

    def proxy(route: Route) -> None:
        fields = route.request.post_data or ""
        if route.request.method != "POST" or f"alert-{HERE}" not in fields or is_well.is_set():
            route.fallback()
            return
        refused.append(fields)
        route.fulfill(status=502, content_type="text/html", body="<h1>Bad Gateway</h1>")

    with working(browser, console) as (phone, _):
        phone.route("**/work", proxy)
        click(phone, HERE, "Take")
        expect(phone.locator("#queued li")).to_contain_text("The server can't take it now.")
        click(phone, THERE, "Take")
        expect(task_card(phone, THERE)).to_contain_text("taken by")
        is_well.set()
        pauses_are_over(phone)
        expect(task_card(phone, HERE)).to_contain_text("taken by")
        expect(phone.locator("#queued")).to_be_hidden()
    assert len(set(refused)) == 1, "with the same id each time"
    assert actions(console) == [("a operator", "take")] * 2


def test_clicks_are_sent_as_who_clicked_or_wait_for_him(browser: Browser, console: Console) -> None:
    with working(browser, console) as (phone, port):
        phone.context.set_offline(True)
        click(phone, HERE, "Take")
        expect(phone.locator("#queued p")).to_contain_text("1 not sent yet")
        sign_in(phone, console, port, Role.SUPERVISOR)
        phone.context.set_offline(False)
        waits = "What a operator has clicked here (1) is sent when a operator signs in again."
        expect(phone.locator("#queued li")).to_contain_text(waits)
        expect(phone.locator(".person")).to_have_text("a supervisor")
        click(phone, THERE, "Take")
        expect(task_card(phone, THERE)).to_contain_text("taken by a supervisor")
        expect(phone.locator("#queued li")).to_contain_text(waits)
        assert actions(console) == [("a supervisor", "take")]
        sign_in(phone, console, port, Role.OPERATOR)
        phone.goto("/work")
        expect(task_card(phone, HERE)).to_contain_text("taken by a operator")
    assert actions(console) == [("a supervisor", "take"), ("a operator", "take")]


def test_a_page_of_who_was_signed_in_before_does_nothing_under_the_new_name(browser: Browser, console: Console) -> None:
    with working(browser, console) as (phone, port):
        sign_in(phone, console, port, Role.SUPERVISOR)
        click(phone, HERE, "Take")
        expect(phone.locator(".person")).to_have_text("a supervisor")
        expect(phone.locator("#queued li")).to_contain_text("What a operator has clicked here (1)")
        phone.get_by_role("button", name="Discard").tap()
        expect(phone.locator("#queued")).to_be_hidden()
    assert actions(console) == []


def test_a_click_with_an_old_token_is_sent_with_the_new_one(browser: Browser, console: Console) -> None:
    with working(browser, console) as (phone, port):
        sign_in(phone, console, port, Role.OPERATOR)
        click(phone, HERE, "Take")
        expect(task_card(phone, HERE)).to_contain_text("taken by a operator")
        expect(phone.locator("#queued")).to_be_hidden()


def test_of_a_pair_that_two_people_have_each_may_give_his_half_back(browser: Browser, console: Console) -> None:
    box, pair = Publisher(), ("A-02-1-01", "A-02-1-02")
    for code, expected, seen in zip(pair, ("Tea", "Milk"), ("Milk", "Tea"), strict=True):
        alert = Alert(id=f"alert-{code}", status="open", opened=datetime.now(UTC))
        write(console.database, box.event(code, Verdict.MISMATCH, alert))
        write(console.database, box.state(code, Verdict.MISMATCH, expected, seen))
    with working(browser, console) as (phone, _):
        with console.database.noting() as connection:
            note_action(connection, "a operator", [f"alert-{pair[0]}"], "take", "")
            note_action(connection, 'Budi "B", Jr.', [f"alert-{pair[1]}"], "take", "")
        task = task_card(phone, pair[1])
        expect(task.get_by_role("button", name="Take over", exact=True)).to_be_visible()
        expect(task).to_have_class(re.compile(r"\bmine\b"))
        click(phone, pair[1], "Give back")
        expect(task).to_contain_text('taken by Budi "B", Jr.')
        expect(task).not_to_contain_text("a operator")


def test_who_takes_the_next_task_of_a_location_has_taken_nothing_over(browser: Browser, console: Console) -> None:
    box = Publisher()
    box.sequence = 100
    with working(browser, console) as (phone, _):
        click(phone, HERE, "Take")
        expect(task_card(phone, HERE)).to_contain_text("taken by a operator")
        write(console.database, box.event(HERE), box.state(HERE))
        expect(task_card(phone, HERE)).to_have_count(0)
        with console.database.noting() as connection:  # quicker than the list comes
            note_action(connection, "Budi", ["alert-next"], "take", "")
        write(console.database, box.event(HERE, Verdict.EMPTY), _calling(box, "alert-next"))
        expect(task_card(phone, HERE)).to_contain_text("taken by Budi")
        expect(phone.locator("#messages")).not_to_contain_text("taken over")


def _calling(box: Publisher, alert: str) -> tuple[str, bytes]:
    """The state of a location where nothing stands, with this alert."""
    topic, text = box.state(HERE, Verdict.EMPTY)
    said = json.loads(text)
    said["data"]["alert"]["id"] = alert
    return topic, json.dumps(said).encode()


def test_a_task_changes_hands_when_somebody_means_it_and_both_see_it(browser: Browser, console: Console) -> None:
    with working(browser, console) as (phone, port), visiting(browser, console, port, Role.SUPERVISOR) as desk:
        phone.context.set_offline(True)
        click(phone, HERE, "Take")
        desk.goto("/work")
        task_card(desk, HERE).get_by_role("button", name="Take", exact=True).click()
        expect(task_card(desk, HERE)).to_contain_text("taken by a supervisor")
        phone.context.set_offline(False)
        refused = phone.locator("#queued li")
        expect(refused).to_contain_text(f"{HERE} · Take: a supervisor has taken this by now.")
        expect(task_card(phone, HERE)).to_contain_text("taken by a supervisor")
        refused.get_by_role("button").tap()
        expect(phone.locator("#queued")).to_be_hidden()
        click(phone, HERE, "Take over")
        for page in (phone, desk):
            expect(task_card(page, HERE)).to_contain_text("taken by a operator, before by a supervisor")
        expect(desk.locator("#messages")).to_contain_text(f"{HERE}: taken over by a operator.")
        desk.goto("/work?mine=true")
        expect(task_card(desk, HERE)).to_contain_text("before by a supervisor")
        expect(task_card(desk, HERE).get_by_role("button", name="Give back")).to_be_hidden()


@pytest.mark.parametrize("asked", ["300", "1e99", "Fri, 31 Dec 9999 23:59:59 GMT", "99999999999999"])
def test_a_server_that_asks_for_time_is_left_alone_until_the_clock_is_set_back(
    browser: Browser, console: Console, asked: str
) -> None:
    sent: list[str] = []

    def busy(route: Route) -> None:
        if route.request.method != "POST":
            route.fallback()
            return
        sent.append(route.request.post_data or "")
        route.fulfill(status=503, headers={"Retry-After": asked}, content_type="text/plain", body="Later.")

    with working(browser, console) as (phone, _):
        phone.route("**/work", busy)
        click(phone, HERE, "Take")
        expect(phone.locator("#queued li")).to_contain_text("Later.")
        if asked == "1e99":  # no number of seconds: as if nothing had been asked for
            return
        phone.wait_for_timeout(TICKS_MS)
        assert len(sent) == 1
        for ahead, times in ((200_000, 1), (3_700_000, 2), (-86_400_000, 3)):
            phone.evaluate(f"aheadMs = {ahead}")
            for _ in range(100):  # of a busy machine
                phone.wait_for_timeout(TICKS_MS)
                if len(sent) >= times:
                    break
            assert len(sent) == times, ahead


def test_a_click_that_waits_can_be_discarded(browser: Browser, console: Console) -> None:
    with working(browser, console) as (phone, _):
        phone.context.set_offline(True)
        click(phone, HERE, "Take")
        click(phone, THERE, "Done")
        one = phone.locator("#queued li", has_text=f"{HERE} · Take")
        one.get_by_role("button", name="Discard").tap()
        expect(one).to_have_count(0)
        expect(task_card(phone, HERE)).not_to_have_class("waiting")
        phone.context.set_offline(False)
        expect(task_card(phone, THERE)).to_contain_text("done by a operator")
        expect(phone.locator("#queued")).to_be_hidden()
    assert actions(console) == [("a operator", "done")]
