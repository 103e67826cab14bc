"""When a rack's labels are read, and what is believed of them."""

from PIL import Image

from edge_agent.codes.rack_watch import CORRECTED_S, FIRST_S, REREAD_S, RackRead, RackWatch

HOUR_S = 3600.0
PICTURE = Image.new("RGB", (64, 48))


def _read(watch: RackWatch, now_s: float, contradiction: str = "", labels: int = 5) -> None:
    assert watch.is_due(now_s, HOUR_S)
    watch.ask(PICTURE, [], now_s, HOUR_S)
    assert not watch.is_due(now_s + 10 * HOUR_S, HOUR_S)  # one reading at a time
    watch.take(RackRead(watch, now_s, HOUR_S, labels, contradiction))


def _begun() -> RackWatch:
    watch = RackWatch()
    assert not watch.is_due(0.0, HOUR_S)
    return watch


def test_labels_are_read_a_minute_after_the_start_and_once_an_hour() -> None:
    watch = _begun()
    assert not watch.is_due(FIRST_S - 1, HOUR_S)
    _read(watch, FIRST_S)
    assert not watch.is_due(FIRST_S + HOUR_S - 1, HOUR_S)
    _read(watch, FIRST_S + HOUR_S)
    assert watch.contradiction == ""


def test_zero_reads_never() -> None:
    watch = RackWatch()
    assert not watch.is_due(0.0, 0.0)
    assert not watch.is_due(1e9, 0.0)


def test_one_contradiction_is_checked_again_before_it_is_believed() -> None:
    watch = _begun()
    _read(watch, FIRST_S, "other")
    assert watch.contradiction == ""
    _read(watch, FIRST_S + REREAD_S, "other")
    assert watch.contradiction == "other"


def test_a_camera_that_is_turned_back_works_again_within_a_minute() -> None:
    watch = _begun()
    _read(watch, FIRST_S, "other")
    _read(watch, FIRST_S + REREAD_S, "other")
    _read(watch, FIRST_S + REREAD_S + CORRECTED_S)
    assert watch.contradiction == ""


def test_labels_that_are_hidden_say_nothing() -> None:
    watch, now_s = _begun(), FIRST_S
    _read(watch, now_s, "other")
    _read(watch, now_s + REREAD_S, "other")
    _read(watch, now_s + REREAD_S + CORRECTED_S, labels=0)
    assert watch.contradiction == "other"
    assert watch.is_due(now_s + REREAD_S + 2 * CORRECTED_S, HOUR_S)


def test_a_full_reader_is_asked_again() -> None:
    watch = _begun()
    watch.ask(PICTURE, [], FIRST_S, 30.0)
    watch.retry_soon()
    assert watch.is_due(FIRST_S + 30.0, 30.0)


def test_a_full_reader_is_asked_again_soon_and_not_after_an_hour() -> None:
    watch = _begun()
    watch.ask(PICTURE, [], FIRST_S, HOUR_S)
    watch.retry_soon()
    assert not watch.is_due(FIRST_S + REREAD_S - 1, HOUR_S)
    assert watch.is_due(FIRST_S + REREAD_S, HOUR_S)
