"""What somebody has taken of a location stays his while any agent's alert stands there, whichever closes first."""

import re
from datetime import UTC, datetime

from sqlalchemy import event

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from tests.publishers import Message, Publisher
from tests.warehouse.console.serving import console_over
from tests.warehouse.console.visiting import Browser, words_of
from tests.warehouse.receiving.making import write
from warehouse.console.identity.roles import Role
from warehouse.console.pages.content.predecessors import predecessors
from warehouse.store.database import Database

PLACE = "A-03-1-01"


class Camera:
    """An agent that opens and closes alerts of one location, one after another."""

    def __init__(self, name: str) -> None:
        """It has seen nothing yet."""
        self._box, self._number = Publisher(name), 0
        self._alert = Alert(id="", status="resolved", opened=datetime.now(UTC))

    def opens(self) -> tuple[Message, Message]:
        """The wrong carton stands there."""
        self._number += 1
        now = datetime.now(UTC)
        self._alert = Alert(id=f"{self._box.topics.agent}-{self._number}", status="open", opened=now)
        return self._says(Verdict.MISMATCH)

    def closes(self) -> tuple[Message, Message]:
        """All is well."""
        changed = {"status": "resolved", "resolved": datetime.now(UTC), "duration_s": 1.0}
        self._alert = self._alert.model_copy(update=changed)
        return self._says(Verdict.MATCH)

    def _says(self, verdict: Verdict) -> tuple[Message, Message]:
        told = self._box.event(PLACE, verdict, self._alert)
        state = self._box._writer.state(
            self._box.finding(PLACE, verdict, "Tea", "Milk" if verdict == Verdict.MISMATCH else "Tea"),
            datetime.now(UTC),
            datetime.now(UTC),
            place=(self._box.epoch, self._box.sequence, 0),
            alert=self._alert if self._alert.status != "resolved" else None,
        )
        return told, self._box.state_message(state)


def sent(browser: Browser) -> str:
    """The alerts of the one task, as its form sends them."""
    (found,) = re.finditer(r'name="alerts" value="(.*?)"', browser.get("/work").text)
    return found[1]


def test_a_task_stays_its_holder_s_when_one_agent_s_alert_closes(database: Database) -> None:
    one, other = Camera("one"), Camera("other")
    browser = Browser(console_over(database), Role.OPERATOR)
    write(database, *one.opens())
    for fields in ({"do": "take"}, {"do": "comment", "text": "on my way"}):
        assert browser.post("/work", alerts=sent(browser), **fields).status_code == 204
    write(database, *other.opens())
    write(database, *one.closes())
    assert sent(browser) == "other-1"
    shown = words_of(browser.get("/work").text)
    assert ("taken by a operator" in shown, shown.count("on my way")) == (True, 1)
    write(database, *one.opens())
    write(database, *other.closes())
    shown = words_of(browser.get("/work?mine=true").text)
    assert ("taken by a operator" in shown, shown.count("on my way")) == (True, 1), "over two links as well"
    write(database, *one.closes())
    write(database, *other.opens())
    assert "taken by" not in words_of(browser.get("/work").text), "that one is new: none stood any more"


def test_what_is_taken_over_or_given_back_is_so_for_those_that_have_closed_too(database: Database) -> None:
    one, other = Camera("one"), Camera("other")
    console = console_over(database)
    browser, second = Browser(console, Role.OPERATOR), Browser(console, Role.SUPERVISOR)
    write(database, *one.opens())
    assert browser.post("/work", do="take", alerts="one-1").status_code == 204
    write(database, *other.opens())
    write(database, *one.closes())
    assert second.post("/work", do="take", alerts="other-1").status_code == 409, "he hasn't seen whose it is"
    assert second.post("/work", do="take", alerts="other-1", holder="a operator").status_code == 204
    assert "taken by a supervisor, before by a operator" in words_of(browser.get("/work").text)
    for action in ("done", "undo", "release"):
        assert second.post("/work", do=action, alerts="other-1").status_code == 204
    shown = words_of(browser.get("/work").text)
    assert "taken by" not in shown
    assert "done by" not in shown


def test_an_alert_that_is_closed_and_one_of_another_location_pass_nothing_on(database: Database) -> None:
    one, other = Camera("one"), Camera("other")
    elsewhere = Alert(id="elsewhere", status="resolved", opened=datetime.now(UTC))
    write(database, *one.opens())
    write(database, *one.closes())
    write(database, Publisher("third").event("A-03-1-02", Verdict.MATCH, elsewhere))
    write(database, *other.opens())
    with database.reading() as connection:
        assert predecessors(connection, ["other-1", "no such alert"]) == {}


def test_they_are_looked_for_among_the_locations_alerts_not_among_all(file_database: Database) -> None:
    write(file_database, *Camera("one").opens())
    plans: list[str] = []

    def explain(_: object, cursor: object, statement: str, values: object, *__: object) -> None:
        if "later" in statement and not plans:
            plans.extend(str(row[3]) for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", values))  # type: ignore[attr-defined]  # the driver's

    event.listen(file_database.engine, "before_cursor_execute", explain)
    with file_database.reading() as connection:
        predecessors(connection, ["one-1"])
    event.remove(file_database.engine, "before_cursor_execute", explain)
    later, closed, last = plans
    assert ("(id=?)" in later, "alerts_by_location" in closed, "INTEGER PRIMARY KEY" in last) == (True, True, True)
