"""An agent is asked for what lacks: after a grace, in portions, less and less often, and never while it is offline."""

from datetime import UTC, datetime
from itertools import pairwise

from kardus.contract.messages import AgentStatus
from tests.publishers import SITE, Message, Publisher
from tests.warehouse.receiving.making import writer_of
from warehouse.receiving.parsing import parse_message
from warehouse.receiving.resend_requests import (
    GAP_GRACE_S,
    MAX_RESEND_EVENTS,
    MAX_RESEND_INTERVAL_S,
    resend_requests_due,
)
from warehouse.store.database import Database


def _store(database: Database, messages: list[Message]) -> None:
    writer_of(database).write([parse_message(SITE, *message) for message in messages])


def _asked(database: Database, now: float) -> list[tuple[int, int]]:
    return [(request.command.first, request.command.last) for request in resend_requests_due(database, now)]


def test_a_gap_gets_its_grace_and_is_asked_for_less_and_less_often(database: Database) -> None:
    events = Publisher().events(9)
    _store(database, [events[0], events[8]])
    assert _asked(database, 0) == []
    assert _asked(database, GAP_GRACE_S - 1) == []
    assert _asked(database, GAP_GRACE_S) == [(2, 8)]
    assert _asked(database, GAP_GRACE_S) == []  # nor does another receiver of this database ask
    times: list[float] = []
    now = GAP_GRACE_S
    pauses: list[float] = []
    while len(pauses) < 2 or pauses[-1] > pauses[-2]:  # until they grow no longer
        now += GAP_GRACE_S
        times += [now] if _asked(database, now) else []
        pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses == sorted(pauses)
    assert MAX_RESEND_INTERVAL_S <= pauses[-1] <= MAX_RESEND_INTERVAL_S + GAP_GRACE_S


def test_a_clock_that_was_ahead_and_is_set_right_holds_up_no_request(database: Database) -> None:
    events, year_s = Publisher().events(3), 365 * 86_400.0
    _store(database, [events[0], events[2]])
    assert _asked(database, year_s) == []
    assert _asked(database, year_s + GAP_GRACE_S) == [(2, 2)]
    assert _asked(database, year_s + GAP_GRACE_S + 1) == []
    assert _asked(database, 0) == [(2, 2)], "it was a year ahead, and is set right"
    assert _asked(database, 1) == []


def test_a_gap_that_closes_by_itself_is_not_asked_for(database: Database) -> None:
    events = Publisher().events(3)
    _store(database, [events[0], events[2]])
    assert _asked(database, 0) == []
    _store(database, [events[1]])
    assert _asked(database, GAP_GRACE_S) == []


def test_a_gap_that_begins_one_further_on_gets_a_grace_of_its_own_at_once(database: Database) -> None:
    events = Publisher().events(5)
    _store(database, [events[0], events[4]])
    assert _asked(database, 0) == []
    _store(database, [events[1]])
    half_s = GAP_GRACE_S / 2
    assert _asked(database, half_s) == []
    assert _asked(database, GAP_GRACE_S) == []
    assert _asked(database, half_s + GAP_GRACE_S) == [(3, 4)]


def test_a_large_gap_is_asked_for_in_portions_each_when_the_last_has_come(database: Database) -> None:
    events = Publisher().events(2 * MAX_RESEND_EVENTS + 10)
    _store(database, [events[-1]])
    _asked(database, 0)
    assert _asked(database, GAP_GRACE_S) == [(1, MAX_RESEND_EVENTS)]
    _store(database, events[:MAX_RESEND_EVENTS])
    assert _asked(database, GAP_GRACE_S + 1) == [(MAX_RESEND_EVENTS + 1, 2 * MAX_RESEND_EVENTS)]
    assert _asked(database, GAP_GRACE_S + 2) == []


def test_an_agent_that_is_offline_is_not_asked_and_neither_is_an_old_outbox(database: Database) -> None:
    agent = Publisher()
    events = agent.events(3)
    offline = agent._writer.status(AgentStatus(status="offline", boot_id="b"), datetime.now(UTC))
    _store(database, [events[2], offline])
    assert _asked(database, 0) + _asked(database, GAP_GRACE_S) + _asked(database, 9 * GAP_GRACE_S) == []
    _store(database, [agent.online()])
    _asked(database, 10 * GAP_GRACE_S)
    assert _asked(database, 11 * GAP_GRACE_S) == [(1, 2)]
    _store(database, [Publisher().event()])  # the same agent with a new outbox
    assert _asked(database, 12 * GAP_GRACE_S) + _asked(database, 99 * GAP_GRACE_S) == []


def test_what_the_agent_says_it_has_decided_lacks_until_it_comes(database: Database) -> None:
    agent = Publisher()
    agent.events(4)
    _store(database, [agent.online()])
    _asked(database, 0)
    assert _asked(database, GAP_GRACE_S) == [(1, 4)]
    _store(database, [agent.lost([(1, 4)])])
    assert _asked(database, 99 * GAP_GRACE_S) == []
