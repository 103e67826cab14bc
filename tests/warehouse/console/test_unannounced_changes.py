"""What no event tells of a rack: told from the first page on, and cheap to look for where nothing has changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from tests.publishers import Publisher
from tests.warehouse.console.serving import console_over
from tests.warehouse.console.visiting import Browser
from tests.warehouse.receiving.making import write
from warehouse.console.identity.roles import Role
from warehouse.console.pages.content.places import CodePatterns
from warehouse.console.pages.content.unannounced_changes import UnannouncedChanges, UnannouncedRackChanges
from warehouse.store.database import Database, StoreError

RACKS = ("A-01", "B-01", "C-01")


class Looks:
    """One after the other, a second apart."""

    def __init__(self, database: Database, unannounced: UnannouncedChanges) -> None:
        self.database, self.unannounced = database, unannounced
        self._now = datetime.now(UTC)

    def next(self) -> dict[str, UnannouncedRackChanges]:
        """By rack."""
        self._now += timedelta(seconds=1)
        with self.database.reading() as connection:
            return {rack: self.unannounced.changed(connection, self._now, rack, CodePatterns()) for rack in RACKS}

    def others(self) -> list[str]:
        """The racks that have gained or lost locations."""
        return [rack for rack, found in self.next().items() if found.has_others]


@contextmanager
def read_codes(database: Database) -> Iterator[list[str]]:
    """The statements that read the codes of all locations."""
    found: list[str] = []

    def note(*said: object) -> None:
        if "DISTINCT latest.subject" in str(said[2]):
            found.append(str(said[2]))

    with database.reading() as connection:
        engine = connection.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_codes_are_read_only_where_a_location_was_added_or_cleared(database: Database) -> None:
    box = Publisher()
    write(database, box.online(), box.state("A-01-1-1"), box.state("B-01-1-1"))
    looks = Looks(database, UnannouncedChanges())
    with read_codes(database) as codes:
        assert looks.others() == []
        assert len(codes) == 1
        write(database, box.state("A-01-1-1"), box.event("A-01-1-1"), box.online())
        assert looks.others() == []
        assert len(codes) == 1
        write(database, box.state("B-01-1-2"))
        assert looks.others() == ["B-01"]
        assert len(codes) == 2
        assert looks.others() == []
        assert len(codes) == 2


def test_one_that_is_added_for_one_that_is_cleared_is_told(database: Database) -> None:
    box = Publisher()
    write(database, box.online(), box.state("A-01-1-1"), box.state("B-01-1-1"))
    looks = Looks(database, UnannouncedChanges())
    assert looks.others() == []
    write(database, (box.state("B-01-1-1")[0], b""), box.state("C-01-1-1"))
    assert looks.others() == ["B-01", "C-01"]


@pytest.mark.parametrize("page", ["/rack?name=A-01", "/location?code=A-01-1-1"])
def test_what_changes_between_the_first_page_and_the_first_look_is_told(database: Database, page: str) -> None:
    box, unannounced = Publisher(), UnannouncedChanges()
    write(database, box.online(), box.state("A-01-1-1"))
    browser = Browser(console_over(database), Role.VIEWER, unannounced=unannounced)
    assert browser.get(page).status_code == 200
    write(database, box.state("A-01-1-2"), box.offline())
    assert browser.get(page).status_code == 200, "another page takes nothing away from the first"
    found = Looks(database, unannounced).next()
    assert found["A-01"] == UnannouncedRackChanges(offline=("box",), has_others=True)


def test_a_mark_says_whether_a_rack_has_changed_since(database: Database) -> None:
    box, unannounced = Publisher(), UnannouncedChanges()
    write(database, box.online(), box.state("A-01-1-1"))
    looks = Looks(database, unannounced)
    looks.next()
    marks = {rack: unannounced.mark(rack) for rack in RACKS}
    looks.next()
    assert not any(unannounced.has_changed(rack, mark) for rack, mark in marks.items())
    write(database, box.offline(), box.state("B-01-1-1"))
    looks.next()
    assert [rack for rack, mark in marks.items() if unannounced.has_changed(rack, mark)] == ["A-01", "B-01"]
    assert not UnannouncedChanges().has_changed("A-01", marks["A-01"]), "of a server that has ended"
    assert not unannounced.has_changed("A-01", "")


def test_a_reading_that_fails_forgets_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Publisher()
    write(database, box.online(), box.state("A-01-1-1"))
    looks = Looks(database, UnannouncedChanges())
    looks.next()
    (code, _), gone = box.state("A-01-1-1"), Publisher("gone")
    write(database, (code, b""), gone.state("A-01-1-2"), box.state("B-01-1-1"), gone.offline())

    def fail(*_: object) -> None:
        raise StoreError("away")

    for one in ("tiles_of", "offline_agents", "place_of"):
        with monkeypatch.context() as patch:
            patch.setattr(f"warehouse.console.pages.content.unannounced_changes.{one}", fail)
            with pytest.raises(StoreError):
                looks.next()
    found = looks.next()
    assert found["A-01"] == UnannouncedRackChanges(offline=("gone",), has_others=True)
    assert found["B-01"].has_others
