"""The work list: pairs to be swapped, who does what, and that what a browser sends twice counts once."""

import json
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from queue import Queue

import pytest
from sqlalchemy import func, select

from kardus.contract.commands import Reply
from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from kardus.support.identifiers import uuid7
from kardus.support.time_zone import UTC_ZONE
from tests.brokers import Mosquitto
from tests.patience import PATIENCE_S
from tests.publishers import Message, Publisher
from tests.warehouse.console.serving import console_over
from tests.warehouse.console.test_acting import agents, asking, done
from tests.warehouse.console.visiting import Browser, words_of
from tests.warehouse.receiving.making import write
from warehouse.console.agents.asking import AgentQuestions
from warehouse.console.identity.people import find_person
from warehouse.console.identity.roles import Role
from warehouse.console.pages.content.products import ProductPhoto, Products
from warehouse.console.pages.content.task_notes import TakenError, note_action, note_known
from warehouse.console.pages.content.worklist import SEEN_AFTER, tasks_of
from warehouse.store.database import Database
from warehouse.store.tables import audit, comments, sent_once, tasks

__all__ = ["asking"]
PAIR = ("A-01-1-01", "A-01-1-02")


@pytest.fixture
def swapped(database: Database) -> Database:
    """Two locations that hold each other's product, and one that is empty, in another aisle."""
    box = Publisher()
    for code, expected, seen in ((PAIR[0], "Tea", "Milk"), (PAIR[1], "Milk", "Tea"), ("A-10-1-01", "Tea", None)):
        verdict = Verdict.MISMATCH if seen else Verdict.EMPTY
        alert = Alert(id=f"alert-{code}", status="open", opened=datetime.now(UTC))
        write(database, box.event(code, verdict, alert), box.state(code, verdict, expected, seen))
    write(database, box.state("A-02-1-01"))
    return database


def ids(*codes: str) -> str:
    """As the form sends them."""
    return " ".join(f"alert-{code}" for code in codes)


def test_a_pair_is_one_task_and_the_way_is_the_report_s(swapped: Database) -> None:
    shown = words_of(Browser(console_over(swapped), Role.OPERATOR).get("/work").text)
    first, second = shown.index(f"Swap {PAIR[0]} with {PAIR[1]}"), shown.index("A-10-1-01")
    assert first < second
    assert "A-02-1-01" not in shown


def test_the_number_on_the_carton_stands_beside_its_sku(swapped: Database) -> None:
    products = Products()
    products.add(ProductPhoto("Tea", "Drinks", None, "04006381333931"))
    browser = Browser(console_over(swapped), Role.VIEWER, products=products)
    assert "Tea 04006381333931" in words_of(browser.get("/work").text)
    assert "GTIN 04006381333931" in words_of(browser.get(f"/location?code={PAIR[0]}").text)


def test_taken_commented_done_and_undone_are_seen_by_everybody(swapped: Database) -> None:
    console = console_over(swapped)
    one, other = Browser(console, Role.OPERATOR), Browser(console, Role.SUPERVISOR)
    assert one.post("/work", do="take", alerts=ids(*PAIR)).status_code == 204
    assert "taken by a operator" in words_of(other.get("/work").text)
    assert "Give back" in one.get("/work?mine=true").text
    assert "You have taken nothing." in words_of(other.get("/work?mine=true").text)
    other.post("/work", do="comment", alerts=ids(PAIR[0]), text="<b>on the fork lift</b>")
    assert "&lt;b&gt;on the fork lift" in one.get("/work").text
    one.post("/work", do="done", alerts=ids(*PAIR))
    assert "done by a operator" in words_of(other.get("/work").text)
    other.post("/work", do="undo", alerts=ids(*PAIR))
    assert "done by" not in other.get("/work").text
    with swapped.reading() as connection:
        rows = connection.execute(select(audit.c.action, audit.c.actor).order_by(audit.c.number)).all()
    assert {action for action, _ in rows} >= {"take", "comment", "done", "undo"}


def test_a_task_whose_event_hasn_t_come_yet_is_done_all_the_same(database: Database) -> None:
    code = "A-05-1-01"
    write(database, Publisher().state(code, Verdict.EMPTY))  # retained: it comes before what an agent has kept
    browser = Browser(console_over(database), Role.OPERATOR, "id")
    for fields in ({"do": "take"}, {"do": "comment", "text": "on my way"}, {"do": "done"}):
        assert browser.post("/work", alerts=ids(code), **fields).status_code == 204
    shown = words_of(browser.get("/work?mine=true").text)
    assert "on my way" in shown
    gone = browser.post("/work", do="take", alerts=f"{ids(code)} none")
    assert (gone.status_code, "Peringatan itu sudah tidak ada" in gone.text) == (404, True)


def test_what_is_sent_again_counts_once(swapped: Database) -> None:
    browser = Browser(console_over(swapped), Role.OPERATOR)
    key = uuid7()
    for _ in range(3):
        assert browser.post("/work", do="comment", alerts=ids(*PAIR), text="here", id=key).status_code == 204
    assert browser.post("/work", do="take", alerts=ids(*PAIR), id=key).status_code == 204
    with swapped.reading() as connection:
        counts = [
            connection.execute(select(func.count()).select_from(one)).scalar() for one in (comments, sent_once, tasks)
        ]
    assert counts == [2, 1, 0]


def test_what_another_person_has_clicked_isn_t_done_by_this_one(swapped: Database) -> None:
    console = console_over(swapped)
    one, other = Browser(console, Role.OPERATOR), Browser(console, Role.SUPERVISOR)
    whose = find_person(swapped, "a operator")
    assert whose
    key = uuid7()
    told = other.post("/work", do="take", alerts=ids(*PAIR), id=key, person=whose.id)
    assert (told.status_code, "Somebody else is signed in" in told.text) == (412, True)
    assert "taken by" not in words_of(other.get("/work").text)
    assert one.post("/work", do="take", alerts=ids(*PAIR), id=key, person=whose.id).status_code == 204
    assert "taken by a operator" in words_of(other.get("/work").text)


def test_nobody_loses_a_task_without_being_named(swapped: Database) -> None:
    console = console_over(swapped)
    one, other = Browser(console, Role.OPERATOR), Browser(console, Role.SUPERVISOR)
    assert one.post("/work", do="take", alerts=ids(PAIR[0])).status_code == 204
    for fields in ({"do": "take"}, {"do": "take", "holder": "somebody"}, {"do": "release"}):
        told = other.post("/work", alerts=ids(*PAIR), **fields)
        assert (told.status_code, told.text) == (409, "a operator has taken this by now.")
    assert one.post("/work", do="take", alerts=ids(*PAIR)).status_code == 204, "he has it already"
    assert other.post("/work", do="take", alerts=ids(*PAIR), holder="a operator").status_code == 204
    assert "taken by a supervisor, before by a operator" in words_of(one.get("/work?mine=true").text)
    assert one.post("/work", do="release", alerts=ids(*PAIR)).status_code == 409
    assert other.post("/work", do="release", alerts=ids(*PAIR)).status_code == 204
    assert "taken by" not in words_of(one.get("/work").text)
    with swapped.reading() as connection:
        said = list(connection.execute(select(audit.c.detail).where(audit.c.action == "take")).scalars())
    assert said.count("from a operator") == 2


def calling(box: Publisher, *, is_again: bool = False) -> tuple[Message, ...]:
    """An agent's event and state of a location where the wrong carton stands, or its state again."""
    alert = Alert(id=f"alert-{box.topics.agent}", status="open", opened=datetime.now(UTC))
    event = () if is_again else (box.event("A-03-1-01", Verdict.MISMATCH, alert),)
    topic, text = box.state("A-03-1-01", Verdict.MISMATCH, "Tea", "Milk")
    said = json.loads(text)
    said["data"]["alert"] = alert.model_dump(mode="json")
    return *event, (topic, json.dumps(said).encode())


def test_of_two_agents_who_has_the_task_stays_whoever_speaks_last(database: Database) -> None:
    box, other = Publisher(), Publisher("other")
    write(database, *calling(other), *calling(box))
    browser = Browser(console_over(database), Role.OPERATOR)
    sent = re.findall(r'name="alerts" value="(.*?)"', browser.get("/work").text)
    assert [set(one.split()) for one in sent] == [{"alert-box", "alert-other"}]
    for fields in ({"do": "take"}, {"do": "comment", "text": "on my way"}):
        assert browser.post("/work", alerts=sent[0], **fields).status_code == 204
    for speaker in (other, box, other):
        write(database, *calling(speaker, is_again=True))
        shown = words_of(browser.get("/work").text)
        assert "taken by a operator" in shown
        assert shown.count("on my way") == 1
        assert words_of(browser.get("/location?code=A-03-1-01").text).count("on my way") == 1


def test_a_deed_that_only_one_agent_s_alert_has_counts_for_the_place(database: Database) -> None:
    box, other = Publisher(), Publisher("other")
    write(database, *calling(box))
    console = console_over(database)
    browser, second = Browser(console, Role.OPERATOR), Browser(console, Role.SUPERVISOR)
    assert browser.post("/work", do="take", alerts="alert-box").status_code == 204
    write(database, *calling(other))
    assert "taken by a operator" in words_of(browser.get("/work").text)
    assert second.post("/work", do="take", alerts="alert-other alert-box").status_code == 409


def test_it_is_known_when_every_agent_has_confirmed_it_and_each_is_asked(
    database: Database, mosquitto: Mosquitto, asking: AgentQuestions
) -> None:
    box, other = Publisher(), Publisher("other")
    write(database, *calling(other), *calling(box))
    browser = Browser(console_over(database, asking), Role.OPERATOR)
    with database.noting() as connection:
        note_known(connection, "Ani", ["alert-box"])
    assert "known to" not in words_of(browser.get("/work").text)
    with agents(mosquitto, done) as asked:
        assert browser.post("/work", do="acknowledge", alerts="alert-box alert-other").status_code == 204
    assert [topic.split("/")[4] for topic, _ in asked] == ["other"], "who has confirmed it isn't asked again"
    assert "known to" in words_of(browser.get("/work").text)


def test_the_picture_is_of_the_agent_whose_verdict_is_shown(database: Database) -> None:
    box, other = Publisher(), Publisher("other")
    now = datetime.now(UTC)
    write(database, box.event("A-03-1-01", Verdict.MISMATCH), other.event("A-03-1-01", Verdict.EMPTY))
    seen = box.state("A-03-1-01", Verdict.MISMATCH, "Tea", "Milk", verified=now)
    gone = json.loads(other.state("A-03-1-01", Verdict.EMPTY, "Tea", verified=now + timedelta(seconds=5))[1])
    gone["data"]["valid_until"] = (now + timedelta(seconds=1)).isoformat()
    write(database, seen, (other.topics.state("A-03-1-01"), json.dumps(gone).encode()))
    with database.reading() as connection:
        (task,) = tasks_of(connection, UTC_ZONE)
    assert (task.lines[0].verdict, task.tiles[0].agent, task.tiles[0].verdict) == ("mismatch", "box", "mismatch")


def test_cameras_that_disagree_are_quoted_in_the_reader_s_language(database: Database) -> None:
    box, other = Publisher(), Publisher("other")
    write(database, box.state("A-03-1-01", Verdict.MISMATCH, "Tea", "<Milk>"))
    write(database, other.state("A-03-1-01", Verdict.EMPTY, "Tea"))
    shown = {language: Browser(console_over(database), Role.VIEWER, language).get("/work") for language in ("en", "id")}
    assert "Cameras disagree: box: wrong product &lt;Milk&gt;, other: empty" in shown["en"].text
    assert "box: produk salah &lt;Milk&gt;, other: kosong" in shown["id"].text


def test_a_pair_of_two_people_is_taken_over_by_naming_both(swapped: Database) -> None:
    console = console_over(swapped)
    with swapped.noting() as connection:
        note_action(connection, "Ani", [f"alert-{PAIR[0]}"], "take", "")
        note_action(connection, "Budi", [f"alert-{PAIR[1]}"], "take", "")
    browser = Browser(console, Role.OPERATOR)
    assert "taken by Ani, Budi" in words_of(browser.get("/work").text)
    told = browser.post("/work", do="take", alerts=ids(*PAIR), holder="Ani")
    assert (told.status_code, told.text) == (409, "Budi has taken this by now.")
    assert browser.post("/work", do="take", alerts=ids(*PAIR), holder="Ani, Budi").status_code == 204
    assert "taken by a operator, before by Ani, Budi" in words_of(browser.get("/work").text)


def test_what_every_agent_has_confirmed_needs_no_broker(swapped: Database, asking: AgentQuestions) -> None:
    browser = Browser(console_over(swapped), Role.OPERATOR)
    assert browser.post("/work", do="acknowledge", alerts=ids(*PAIR)).status_code == 503
    with swapped.noting() as connection:
        note_known(connection, "Ani", ids(*PAIR).split())
    assert browser.post("/work", do="acknowledge", alerts=ids(*PAIR)).status_code == 204
    asking.close()
    away = Browser(console_over(swapped, asking), Role.OPERATOR)
    assert away.post("/work", do="acknowledge", alerts=ids(*PAIR)).status_code == 204
    assert asking.ask([]) == []


@pytest.mark.parametrize("is_noted", [True, False])
def test_of_two_who_take_it_at_once_one_has_it(database: Database, *, is_noted: bool) -> None:
    if is_noted:  # it was acknowledged, given back or undone: there is a row that nobody holds
        with database.noting() as connection:
            note_known(connection, "Ani", ["alert-1"])
    began, said = threading.Barrier(2), Queue[str]()

    def take() -> None:
        began.wait(PATIENCE_S)
        try:
            with database.noting() as connection:
                note_action(connection, "Budi", ["alert-1"], "take", "")
        except TakenError as error:
            said.put(error.holder)
        else:
            said.put("nobody")

    other = threading.Thread(target=take)
    other.start()
    with database.noting() as connection:
        note_action(connection, "Ani", ["alert-1"], "take", "")
        began.wait(PATIENCE_S)
        time.sleep(0.3)  # so that the other one looks before this ends, if anything lets it
    other.join(PATIENCE_S)
    assert said.get(timeout=PATIENCE_S) == "Ani"
    with database.reading() as connection:
        assert list(connection.execute(select(tasks.c.taken_by, tasks.c.taken_from))) == [("Ani", "")]


def test_acknowledging_asks_the_agent_by_name_of_who_clicked(
    swapped: Database, mosquitto: Mosquitto, asking: AgentQuestions
) -> None:
    browser = Browser(console_over(swapped, asking), Role.OPERATOR)
    with agents(mosquitto, done) as asked:
        assert browser.post("/work", do="acknowledge", alerts=ids(*PAIR)).status_code == 204
        assert browser.post("/work", do="done", alerts=ids(*PAIR)).status_code == 204
    said = [(topic.rpartition("/")[2], one.get("location"), one.get("by"), one.get("camera")) for topic, one in asked]
    assert said == [
        ("acknowledge", PAIR[0], "a operator", None),
        ("acknowledge", PAIR[1], "a operator", None),
        ("capture", None, None, "cam"),
    ], "what is done is looked at, each camera once"


def test_what_an_agent_refuses_is_said_and_not_taken_for_sent(
    swapped: Database, mosquitto: Mosquitto, asking: AgentQuestions
) -> None:
    browser, key = Browser(console_over(swapped, asking), Role.OPERATOR, "id"), uuid7()

    def refuse(name: str, said: dict[str, object]) -> Reply:
        return Reply(command=name, ok=False, error="no such alert", correlation=str(said["correlation"]), result={})

    with agents(mosquitto, refuse):
        found = browser.post("/work", do="acknowledge", alerts=ids(PAIR[0]), id=key)
    assert (found.status_code, "Agen menolak" in found.text) == (409, True)
    with agents(mosquitto, done):
        assert browser.post("/work", do="acknowledge", alerts=ids(PAIR[0]), id=key).status_code == 204


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"do": "dance", "alerts": "alert-A-10-1-01"}, 422),
        ({"do": "take"}, 422),
        ({"do": "take", "alerts": "alert-A-10-1-01", "id": "x" * 41}, 422),
        ({"do": "take", "alerts": "none"}, 404),
        ({"do": "comment", "alerts": "alert-A-10-1-01", "text": "  "}, 422),
        ({"do": "acknowledge", "alerts": "alert-A-10-1-01"}, 503),
        ({"do": "take", "alerts": "\x00"}, 422),
    ],
)
def test_what_can_t_be_done_changes_nothing(swapped: Database, fields: dict[str, str], status: int) -> None:
    assert Browser(console_over(swapped), Role.OPERATOR).post("/work", **fields).status_code == status
    with swapped.reading() as connection:
        assert connection.execute(select(func.count()).select_from(sent_once)).scalar() == 0


def test_what_was_done_and_is_seen_still_is_to_be_done(database: Database) -> None:
    box, place = Publisher(), "A-03-1-01"
    browser, now = Browser(console_over(database), Role.OPERATOR), datetime.now(UTC)
    write(database, box.event(place, Verdict.MISMATCH))
    write(database, box.state(place, Verdict.MISMATCH, "Tea", "Milk", verified=now))
    assert browser.post("/work", do="done", alerts=ids(place)).status_code == 204
    write(database, box.state(place, Verdict.MISMATCH, "Tea", "Milk", verified=now + SEEN_AFTER / 2))
    shown = browser.get("/work").text
    assert "done by a operator: the camera will confirm it" in words_of(shown)
    assert 'value="done"' not in shown
    write(database, box.state(place, Verdict.MISMATCH, "Tea", "Milk", verified=now + 2 * SEEN_AFTER))
    shown = browser.get("/work").text
    assert "done by a operator, and the camera still sees it" in words_of(shown)
    assert all(f'value="{action}"' in shown for action in ("take", "done"))
    assert "task card done" not in shown
