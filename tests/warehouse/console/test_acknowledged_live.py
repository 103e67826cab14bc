"""An acknowledgement that is made outside the page is only a state: it is told of on every page, once."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from kardus.contract.messages import Alert, Envelope, LocationState
from kardus.contract.verdicts import Verdict
from tests.publishers import Message, Publisher
from tests.warehouse.console.serving import Follower, console_over, listening
from tests.warehouse.console.test_live import watching
from tests.warehouse.receiving.making import write
from warehouse.console.identity.roles import Role
from warehouse.console.identity.tokens import make_token
from warehouse.store.database import Database
from warehouse.store.tables import changes

HERE = "A-01-1-01"


def known(message: Message, repeat: int, by: str = "Ani") -> Message:
    """The same state, acknowledged."""
    state = Envelope[LocationState].model_validate_json(message[1]).data
    assert state.alert
    alert = state.alert.model_copy(update={"status": "acknowledged", "by": by, "acknowledged": state.since})
    return Publisher().state_message(state.model_copy(update={"alert": alert, "repeat": repeat}))


@pytest.fixture
def state(database: Database) -> Message:
    """A wrong carton's."""
    box = Publisher()
    alert = Alert(id=f"alert-{HERE}", status="open", opened=datetime.now(UTC))
    event, found = box.event(HERE, Verdict.MISMATCH, alert), box.state(HERE, Verdict.MISMATCH, "Tea", "Lemon")
    write(database, event, found, box.state("B-01-1-01"))
    return found


def noted(database: Database) -> list[Any]:
    """States that were told of."""
    with database.reading() as connection:
        return list(connection.execute(select(changes.c.subject).where(changes.c.kind == "state")).scalars())


def test_it_is_told_on_the_rack_the_location_and_the_list(database: Database, state: Message) -> None:
    console = console_over(database)
    places = ["rack&of=A-01", f"location&of={HERE}", "work", "rack&of=B-01", "location&of=B-01-1-01"]
    token = make_token(database, "tests", ["read"], None)
    with (
        watching(console, *((Role.OPERATOR, f"/live?view={one}", "en") for one in places)) as watchers,
        listening(console_over(database)) as port,
    ):
        follower = Follower(port, token)
        assert follower.next()
        write(database, known(state, 7))
        rack, location, work, *others = watchers
        told = rack.next()
        assert told["event"] == "tile"
        assert 'class="known" title="acknowledged"' in told["data"]
        assert "/crops/" in told["data"], "with its look's picture"
        assert location.next()["event"] == "changed"
        assert "known to Ani" in work.next()["data"]
        change = follower.next()
        assert change
        assert (change.event, change.data) == ("state", f'{{"agent":"box","subject":"{HERE}"}}')
        follower.close()
        box = Publisher()
        write(database, box.event("B-01-1-01"), box.state("B-01-1-01"))
        assert [other.next()["event"] for other in others] == ["tile", "changed"]


def test_states_that_only_renew_are_not_told(database: Database, state: Message) -> None:
    assert noted(database) == []
    for repeat in (7, 8, 9):
        write(database, known(state, repeat))
    assert noted(database) == [HERE]
    write(database, known(state, 10, "Budi"))
    assert noted(database) == [HERE, HERE]


def test_a_state_that_another_agent_has_said_more_after_takes_no_tile_s_place(
    database: Database, state: Message
) -> None:
    other = Publisher("other")
    write(database, other.event(HERE), other.state(HERE))
    with watching(console_over(database), (Role.OPERATOR, "/live?view=rack&of=A-01", "en")) as (rack,):
        write(database, known(state, 7))
        write(database, other.event(HERE, Verdict.EMPTY), other.state(HERE, Verdict.EMPTY))
        assert "v-empty" in rack.next()["data"]
