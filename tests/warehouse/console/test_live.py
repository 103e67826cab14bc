"""Those who look at the same thing get the same bytes, made once; what nobody sees otherwise is sent to nobody."""

import html
import http.client
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from kardus.contract.verdicts import Verdict
from tests.patience import PATIENCE_S, wait_until
from tests.publishers import Publisher
from tests.warehouse.console.serving import console_over, listening
from tests.warehouse.console.visiting import Browser
from tests.warehouse.receiving.making import write
from tests.warehouse.receiving.test_receiver import wait_for
from warehouse.console.context import Console
from warehouse.console.identity.people import change_role, remove_person
from warehouse.console.identity.roles import Role
from warehouse.console.live.feed import Feed
from warehouse.console.pages.content import worklist
from warehouse.console.pages.routes import live, racks, work
from warehouse.console.pages.settings import PageSettings
from warehouse.store.database import Database


class Watcher:
    """A page's stream as a browser reads it."""

    def __init__(self, port: int, browser: Browser, path: str, language: str = "en") -> None:
        """Connect, and wait until it is ready."""
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        headers = {"Cookie": f"kardus_session={browser.cookie}", "Accept-Language": language}
        self._connection.request("GET", path, headers=headers)
        self.answer = self._connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        assert self.next()["event"] == "ready"

    def next(self) -> dict[str, str]:
        """The next event, without beats; empty: the server has ended the stream."""
        fields: dict[str, str] = {}
        try:
            while line := self.answer.readline().decode():
                name, _, value = line.rstrip("\n").partition(": ")
                if line == "\n" and "event" in fields:
                    return fields
                fields = {} if line == "\n" else fields | {name: fields.get(name, "") + value}
        except (http.client.IncompleteRead, ConnectionResetError):
            pass
        return {}

    def close(self) -> None:
        """Go away."""
        self.answer.close()
        self._connection.close()


@contextmanager
def watching(console: Console, *asked: tuple[Role, str, str]) -> Iterator[list[Watcher]]:
    """People of these roles at these paths, in these languages."""
    with ExitStack() as ending:
        browsers = [Browser(console, role) for role, _, _ in asked]
        port = ending.enter_context(listening(console))
        found = []
        for browser, (_, path, language) in zip(browsers, asked, strict=True):
            found.append(Watcher(port, browser, path, language))
            ending.callback(found[-1].close)
        yield found


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The location of each tile that is made for a stream."""
    found: list[str] = []
    tile_html = racks.tile_html

    def counted(tile: Any, *words: Any, **more: Any) -> str:
        found.append(tile.location)
        return tile_html(tile, *words, **more)

    monkeypatch.setattr(live, "tile_html", counted)
    return found


def test_a_tile_is_made_once_in_each_language_for_all_who_look(database: Database, made: list[str]) -> None:
    box = Publisher()
    write(database, box.event("A-01-1-01"), box.state("A-01-1-01"))
    rack = "/live?view=rack&of=A-01"
    asked = [(Role.VIEWER, rack, "en"), (Role.OPERATOR, rack, "en"), (Role.VIEWER, rack, "id")] * 2
    with watching(console_over(database), *asked) as watchers:
        for _ in range(2):  # the first may come to some as what they missed, the second comes to all from the feed
            write(database, box.event("A-01-1-01"))
            assert all(watcher.next() for watcher in watchers)
        made.clear()
        write(database, box.event("B-01-1-01"), box.event("A-01-1-01", Verdict.MISMATCH))
        told = [watcher.next()["data"] for watcher in watchers]
    assert made == ["A-01-1-01"] * 2
    assert len(set(told)) == 2
    assert ["salah" in one.lower() or "wrong product" in one for one in told] == [True] * 6


def test_a_tile_is_one_line_and_keeps_a_number_with_its_unit(database: Database) -> None:
    box = Publisher()
    write(database, box.event("A-01-1-01"), box.state("A-01-1-01"))
    with watching(console_over(database), (Role.VIEWER, "/live?view=rack&of=A-01", "en")) as (watcher,):
        write(database, box.event("A-01-1-01", Verdict.MISMATCH))
        tile = watcher.next()["data"]
    assert "\u00a0%" in tile
    assert "\n" not in tile.strip()


def test_a_list_is_read_once_for_all_and_sent_where_it_says_something_else(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def counted(*words: Any) -> list[worklist.Task]:
        read.append(1)
        return worklist.tasks_of(*words)

    monkeypatch.setattr(work, "tasks_of", counted)
    box = Publisher()
    write(database, box.event("A-01-1-01"), box.state("A-01-1-01"))
    operator = (Role.OPERATOR, "/live?view=work", "en")
    with watching(console_over(database), operator, operator, (Role.VIEWER, "/live?view=work", "en")) as watchers:
        for code in ("A-01-1-04", "A-01-1-05"):  # the first may come to some as what they missed
            write(database, box.event(code, Verdict.EMPTY), box.state(code, Verdict.EMPTY))
            for watcher in watchers:
                while code not in watcher.next()["data"]:
                    pass
        read.clear()
        write(database, box.event("A-01-1-01", Verdict.MISMATCH), box.state("A-01-1-01", Verdict.MISMATCH))
        first, second, viewer = [watcher.next() for watcher in watchers]
        assert first == second
        assert first["event"] == "part"
        assert 'value="take"' in first["data"]
        assert 'value="take"' not in viewer["data"]
        assert len(read) == 2
        write(database, box.event("A-01-1-02"), box.state("A-01-1-02"))  # as it should be: not in the list
        wait_for(lambda: len(read) == 4)
        write(database, box.event("A-01-1-03", Verdict.EMPTY), box.state("A-01-1-03", Verdict.EMPTY))
        for watcher in watchers:
            assert "A-01-1-03" in watcher.next()["data"], "what says the same isn't sent"


def test_an_event_that_comes_late_doesn_t_turn_a_tile_back(database: Database) -> None:
    """In whatever order events are stored: epoch, sequence and repeat say which is the later word."""
    box, code = Publisher(), "A-01-1-01"
    first, second, third = box.event(code), box.event(code), box.event(code, Verdict.MISMATCH)
    state = box.state(code, Verdict.MISMATCH, seen="Lemon")
    write(database, third, box.picture(code, box.ids[2]), state)
    console = console_over(database)
    with watching(console, (Role.VIEWER, "/live?view=rack&of=A-01", "en")) as (watcher,):
        write(database, first, box.picture(code, box.ids[0]))
        write(database, second)
        told = [watcher.next()["data"] for _ in range(2)]
        former = Publisher("box", "0" * 8)
        write(database, former.event(code), former.picture(code, former.ids[0]))
        told.append(watcher.next()["data"])
        write(database, box.event(code, Verdict.EMPTY))
        assert "v-empty" in watcher.next()["data"]
    for tile in told:
        assert ("v-mismatch" in tile, "Lemon" in tile, f"/crops/{box.ids[2]}" in tile) == (True, True, True), tile
    write(database, box.state(code, Verdict.EMPTY))
    page = Browser(console, Role.VIEWER).get("/rack?name=A-01").text
    assert f"/crops/{box.ids[2]}" not in page, "it stands empty by now"


def test_a_page_shows_the_picture_of_the_last_event_not_of_the_one_that_came_last(database: Database) -> None:
    box, code = Publisher(), "A-01-1-01"
    first, second = box.event(code), box.event(code, Verdict.MISMATCH)
    write(database, second, box.picture(code, box.ids[1]), box.state(code, Verdict.MISMATCH))
    write(database, first, box.picture(code, box.ids[0]))
    page = Browser(console_over(database), Role.VIEWER).get("/rack?name=A-01").text
    assert (f"/crops/{box.ids[1]}" in page, f"/crops/{box.ids[0]}" in page) == (True, False)


def test_what_changed_between_the_page_and_its_stream_is_shown(database: Database) -> None:
    box = Publisher()
    write(database, box.event("A-01-1-01"), box.state("A-01-1-01"))
    console = console_over(database)
    shown = Browser(console, Role.VIEWER).get("/work").text
    after = shown.partition("after=")[2].partition('"')[0]
    write(database, box.event("A-01-1-01", Verdict.MISMATCH), box.state("A-01-1-01", Verdict.MISMATCH))
    with watching(console, (Role.VIEWER, f"/live?view=work&after={after}", "en")) as (watcher,):
        assert "A-01-1-01" in watcher.next()["data"]


def test_an_agent_that_falls_silent_is_read_once_for_all(
    database: Database, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.console.live.feed.POLL_S", 0.3)
    gone, console = Publisher("gone"), console_over(database)
    write(database, gone.event("A-01-1-01"), gone.state("A-01-1-01"), gone.state("B-01-1-01"))
    rack = (Role.VIEWER, "/live?view=rack&of=A-01", "en")
    with watching(console, rack, rack) as watchers:
        lasting, gone._writer = gone._writer, type(gone._writer)(gone.topics, gone._writer._model, 3.0)
        write(database, gone.state("A-01-1-01"))
        told = [_told_until("v-stale", watcher) for watcher in watchers]
        assert told[0] == told[1]
        assert made == ["A-01-1-01"] * len(told[0])
        gone._writer = lasting
        write(database, gone.state("A-01-1-01"))  # no event tells of it
        for watcher in watchers:
            _told_until("v-match", watcher)


def _told_until(what: str, watcher: Watcher) -> list[str]:
    """What is told up to that, and with it."""
    told = [watcher.next()["data"]]
    while what not in told[-1]:
        told.append(watcher.next()["data"])
    return told


@pytest.mark.parametrize("role", ["administrator", ""])
def test_whoever_may_see_something_else_is_looked_at_by_the_clock(
    database: Database, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.console.api.streaming.BEAT_S", 0.3)
    box, is_over = Publisher(), threading.Event()
    write(database, box.event("A-01-1-01"), box.state("A-01-1-01"))
    console = console_over(database)
    with watching(console, (Role.VIEWER, "/live?view=rack&of=A-01", "en")) as (watcher,):

        def keep_busy() -> None:
            while not is_over.wait(0.05):
                write(database, box.event("A-01-1-01"))

        busy = threading.Thread(target=keep_busy)
        busy.start()
        try:
            if role:
                change_role(database, "a viewer", role)
            else:
                remove_person(database, "a viewer")
            while watcher.next():
                pass
        finally:
            is_over.set()
            busy.join()


def test_nothing_is_left_out_where_the_feed_begins_late(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    may_begin, its_round = threading.Event(), Feed._round
    monkeypatch.setattr(Feed, "_round", lambda *words: may_begin.wait(PATIENCE_S) and its_round(*words))
    box = Publisher()
    write(database, box.event("A-01-1-01"), box.state("A-01-1-01"))
    console = console_over(database)
    browser = Browser(console, Role.VIEWER)
    after = browser.get("/rack?name=A-01").text.partition("after=")[2].partition('"')[0]
    with listening(console) as port:
        found: list[Watcher] = []
        opening = threading.Thread(
            target=lambda: found.append(Watcher(port, browser, f"/live?view=rack&of=A-01&after={after}"))
        )
        opening.start()
        wait_for(lambda: console.feed.number == 1)
        write(database, box.event("A-01-1-01", Verdict.MISMATCH))
        may_begin.set()
        opening.join(PATIENCE_S)
        (watcher,) = found
        assert "v-mismatch" in watcher.next()["data"]
        watcher.close()


@pytest.mark.parametrize("page", ["/rack?name=A-01", "/location?code=A-01-1-01"])
@pytest.mark.parametrize("is_followed", [False, True])
def test_an_agent_that_goes_between_a_page_and_its_stream_is_told(
    database: Database, page: str, *, is_followed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No event tells of it: the poll before the stream has told others, if anybody, and finds nothing new any more."""
    monkeypatch.setattr("warehouse.console.live.feed.POLL_S", 0.1)
    box, settings = Publisher(), PageSettings()
    write(database, box.event("A-01-1-01"), box.state("A-01-1-01"), box.online())
    console = console_over(database)
    browser = Browser(console, Role.VIEWER, unannounced=settings.unannounced)
    with listening(console, settings) as port, ExitStack() as ending:
        if is_followed:
            ending.callback((other := Watcher(port, browser, "/live?view=rack&of=A-01")).close)
        path = html.unescape(browser.get(page).text.partition('sse-connect="')[2].partition('"')[0])
        write(database, box.offline())
        if is_followed:
            _told_until("offline", other)
        ending.callback((watcher := Watcher(port, browser, path)).close)
        assert watcher.next()["event"] == "changed"


def test_an_audience_that_breaks_ends_its_streams_and_the_feed_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Publisher()
    write(database, box.event("A-01-1-01"), box.state("A-01-1-01"))
    console = console_over(database)
    path = "/live?view=rack&of=A-01"
    with watching(console, (Role.VIEWER, path, "en")) as (watcher,):
        waits: list[bool] = []

        def wait(stopping: threading.Event, *, soon: bool) -> None:
            waits.append(soon)
            stopping.wait(0.1)

        monkeypatch.setattr(console.feed._notifier, "wait", wait)
        wait_until(lambda: waits[-2:] == [False, False])
        with monkeypatch.context() as broken:
            broken.setattr(live, "tile_html", lambda *_, **__: 1 / 0)
            write(database, box.event("A-01-1-01"))
            assert watcher.next() == {}
            wait_until(lambda: True in waits)  # who comes again waits for it, and no longer than that
        again = Watcher(watcher._connection.port, Browser(console, Role.VIEWER), path)
        write(database, box.event("A-01-1-01", Verdict.EMPTY))
        assert "v-empty" in again.next()["data"]
        again.close()
