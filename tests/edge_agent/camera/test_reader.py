"""A camera's reader hands over one item at a time, says when it is over, and stops at once."""

import queue
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

from edge_agent.camera.attention import Attention
from edge_agent.camera.reader import CameraReader, ReaderItem
from edge_agent.records import Frame, SignalLost, SourceEnded
from kardus.support.errors import ConfigError
from tests.patience import PATIENCE_S, within

PICTURE, OTHER = Image.new("RGB", (6, 4)), Image.new("RGB", (6, 4), (1, 1, 1))
WAIT_S = PATIENCE_S


class Listed:
    """A source of what it is given; an exception among it is raised, and asked again it goes on behind it."""

    live = False

    def __init__(self, *items: Image.Image | str | Exception) -> None:
        """Keep the items."""
        self._items = iter(items)
        self.asked = 0

    def pictures(self) -> Iterator[Image.Image | str]:
        """The items in turn."""
        for item in self._items:
            self.asked += 1
            if isinstance(item, Exception):
                raise item
            yield item

    def close(self) -> None:
        """Hold nothing."""


class Endless:
    """A source that never ends."""

    live = True

    def pictures(self) -> Iterator[Image.Image | str]:
        """The same picture for ever."""
        while True:
            yield PICTURE

    def close(self) -> None:
        """Hold nothing."""


def _read_all(source: Listed) -> list[ReaderItem]:
    """Take every item at once, until the reader ends."""
    items: queue.Queue[ReaderItem] = queue.Queue()
    reader = CameraReader("left", source, 0.0, items.put)
    reader.start()
    taken: list[ReaderItem] = []
    while not taken or not isinstance(taken[-1], SourceEnded):
        taken.append(items.get(timeout=WAIT_S))
        reader.taken()
    reader.stop()
    assert items.empty()
    return taken


def _kinds(items: list[ReaderItem]) -> list[str]:
    return [type(item).__name__ for item in items]


def test_every_picture_comes_numbered_and_then_the_end() -> None:
    items = _read_all(Listed(PICTURE, OTHER))
    assert _kinds(items) == ["Frame", "Frame", "SourceEnded"]
    frames = [item for item in items if isinstance(item, Frame)]
    assert [(frame.number, frame.picture) for frame in frames] == [(1, PICTURE), (2, OTHER)]
    assert {item.camera for item in items} == {"left"}
    times = [item.captured for item in items]
    assert times == sorted(times)
    assert all(moment.utcoffset() is not None and not moment.utcoffset() for moment in times)


def test_a_text_is_a_lost_signal_and_reading_goes_on() -> None:
    items = _read_all(Listed("too dark", PICTURE))
    assert _kinds(items) == ["SignalLost", "Frame", "SourceEnded"]
    assert isinstance(items[0], SignalLost)
    assert items[0].reason == "too dark"


def test_a_source_of_nothing_ends_at_once() -> None:
    assert _kinds(_read_all(Listed())) == ["SourceEnded"]


def test_a_source_that_raises_is_a_lost_signal_and_asked_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.camera.reader.backoff_s", lambda _: 0.0)
    items = _read_all(
        Listed(PICTURE, RuntimeError("broken cable"), RuntimeError("again"), OTHER, RuntimeError("later"))
    )
    assert _kinds(items) == ["Frame", "SignalLost", "SignalLost", "Frame", "SignalLost", "SourceEnded"]
    assert isinstance(items[1], SignalLost)
    assert items[1].reason == "reading failed (RuntimeError): see the agent's log"
    assert "broken cable" in caplog.text
    assert "again" not in caplog.text, "the same failure in a row is logged once"
    assert "later" in caplog.text
    assert "camera left" in caplog.text


def test_what_is_meant_for_the_user_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.camera.reader.backoff_s", lambda _: 0.0)
    items = _read_all(Listed(ConfigError("ca_file = x: cannot be used"), PICTURE))
    assert isinstance(items[0], SignalLost)
    assert items[0].reason == "ca_file = x: cannot be used"


def test_a_source_that_raises_at_every_look_is_not_asked_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[int] = []

    def pause_s(failures: int) -> float:
        pauses.append(failures)
        return 0.0

    monkeypatch.setattr("edge_agent.camera.reader.backoff_s", pause_s)
    _read_all(Listed(*[ValueError("no")] * 4, PICTURE))
    assert pauses == [1, 2, 3, 4]


def test_the_next_picture_waits_until_the_last_was_taken() -> None:
    items: queue.Queue[ReaderItem] = queue.Queue()
    source = Listed(PICTURE, PICTURE, PICTURE)
    reader = CameraReader("left", source, 0.0, items.put)
    reader.start()
    for number in (1, 2):
        assert isinstance(items.get(timeout=WAIT_S), Frame)
        with pytest.raises(queue.Empty):
            items.get(timeout=0.05)
        assert source.asked == number
        reader.taken()
    reader.stop()


class Attended(Listed):
    """A source that is told what was made of its pictures."""

    def __init__(self, *items: Image.Image) -> None:
        super().__init__(*items)
        self.told: list[Attention] = []
        self.told_before: list[list[str]] = []
        """What it had been told when each picture was asked for."""

    @property
    def attention(self) -> Attention:
        """What it was told last."""
        return self.told[-1] if self.told else "moving"

    @attention.setter
    def attention(self, attention: Attention) -> None:
        self.told.append(attention)

    def pictures(self) -> Iterator[Image.Image | str]:
        for picture in super().pictures():
            self.told_before.append([*self.told])
            yield picture


def test_what_was_made_of_a_picture_is_known_before_the_next_is_asked_for() -> None:
    items: queue.Queue[ReaderItem] = queue.Queue()
    source = Attended(PICTURE, OTHER, PICTURE)
    reader = CameraReader("left", source, 0.0, items.put)
    reader.start()
    for attention in ("wanted", "rest", "moving"):
        assert isinstance(items.get(timeout=WAIT_S), Frame)
        reader.taken(attention)
    assert isinstance(items.get(timeout=WAIT_S), SourceEnded)
    reader.stop()
    assert source.told_before == [[], ["wanted"], ["wanted", "rest"]]


class Aged(Listed):
    """A stream whose pictures have waited for a while."""

    rests, age_s = True, 4.0


def test_a_picture_that_had_waited_is_dated_as_of_when_it_came() -> None:
    before, before_s = datetime.now(UTC), time.monotonic()
    frame, _ = _read_all(Aged(PICTURE))
    assert isinstance(frame, Frame)
    assert before <= frame.captured + timedelta(seconds=Aged.age_s) <= datetime.now(UTC)
    assert before_s <= frame.at_s + Aged.age_s <= time.monotonic()


def test_no_picture_is_dated_before_the_one_before_it() -> None:
    class Younger(Aged):
        @property
        def age_s(self) -> float:  # type: ignore[override]
            return 4.0 * self.asked

    first, second, _ = _read_all(Younger(PICTURE, OTHER))
    assert isinstance(first, Frame)
    assert isinstance(second, Frame)
    assert first.at_s == second.at_s
    assert abs((second.captured - first.captured).total_seconds()) < 1


def test_the_interval_lies_between_two_looks() -> None:
    items: queue.Queue[ReaderItem] = queue.Queue()
    reader = CameraReader("left", Listed(PICTURE, PICTURE), 0.2, items.put)
    reader.start()
    first = items.get(timeout=WAIT_S)
    reader.taken()
    second = items.get(timeout=WAIT_S)
    reader.stop()
    assert (second.captured - first.captured).total_seconds() >= 0.2


def _stop(reader: CameraReader) -> None:
    with within(1):
        reader.stop()


@pytest.mark.parametrize("interval_s", [0.0, 3600.0])
def test_stop_returns_promptly_while_an_item_is_not_taken(interval_s: float) -> None:
    items: queue.Queue[ReaderItem] = queue.Queue()
    reader = CameraReader("left", Endless(), interval_s, items.put)
    reader.start()
    items.get(timeout=WAIT_S)
    _stop(reader)
    assert isinstance(items.get(timeout=WAIT_S), SourceEnded)


def test_stop_returns_promptly_in_the_middle_of_a_long_interval() -> None:
    items: queue.Queue[ReaderItem] = queue.Queue()
    reader = CameraReader("left", Endless(), 3600.0, items.put)
    reader.start()
    items.get(timeout=WAIT_S)
    reader.taken()
    _stop(reader)
    assert isinstance(items.get(timeout=WAIT_S), SourceEnded)


class Late:
    """A source whose picture arrives when the reader has been told to stop."""

    live = True

    def __init__(self, item: Image.Image | Exception) -> None:
        """Keep what arrives; `reader` is set before it is asked."""
        self._item = item
        self.reader: CameraReader | None = None
        self.asked = threading.Event()

    def pictures(self) -> Iterator[Image.Image | str]:
        """Wait for the order to stop, then deliver."""
        assert self.reader
        self.asked.set()
        self.reader._stopping.wait(WAIT_S)
        self.reader._taken.wait(WAIT_S)
        if isinstance(self._item, Exception):
            raise self._item
        yield self._item

    def close(self) -> None:
        """Hold nothing."""


@pytest.mark.parametrize("item", [PICTURE, OSError("unplugged")], ids=["picture", "exception"])
def test_what_arrives_while_stopping_holds_nothing_up(item: Image.Image | Exception) -> None:
    items: queue.Queue[ReaderItem] = queue.Queue()
    source = Late(item)
    source.reader = reader = CameraReader("left", source, 0.0, items.put)
    reader.start()
    assert source.asked.wait(WAIT_S)
    _stop(reader)
    kinds = _kinds([items.get(timeout=WAIT_S) for _ in range(items.qsize())])
    assert kinds[-1:] == ["SourceEnded"]


class Hanging:
    """A source that never returns."""

    live = True

    def __init__(self) -> None:
        """Make what it waits for."""
        self.freed = threading.Event()

    def pictures(self) -> Iterator[Image.Image | str]:
        """Wait."""
        self.freed.wait()
        yield PICTURE

    def close(self) -> None:
        """Hold nothing."""


def test_a_source_that_hangs_is_left_behind() -> None:
    source = Hanging()
    reader = CameraReader("left", source, 0.0, lambda _: None)
    reader.start()
    with within(1):
        reader.stop(timeout_s=0.1)
    source.freed.set()


class Failing:
    """A live camera that never answers."""

    live = True

    def pictures(self) -> Iterator[Image.Image | str]:
        """A text for ever."""
        while True:
            yield "it sends nothing"

    def close(self) -> None:
        """Hold nothing."""


def test_the_interval_does_not_hold_up_a_camera_that_is_to_come_back() -> None:
    items: queue.Queue[ReaderItem] = queue.Queue()
    reader = CameraReader("left", Failing(), 3600.0, items.put)
    reader.start()
    for _ in range(3):
        assert isinstance(items.get(timeout=WAIT_S), SignalLost)
        reader.taken()
    reader.stop()
