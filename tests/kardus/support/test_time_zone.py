"""Times of a report: one zone, its days of 23 and 25 hours, and zones that there are not."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from kardus.support import time_zone as zones
from kardus.support.errors import UsageError
from kardus.support.time_zone import TimeZone, time_zone


@pytest.fixture(params=["given", "the machine's", "the machine's, by rules"])
def berlin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[TimeZone]:
    """The same clock, known in three ways."""
    own = {"the machine's": "Europe/Berlin", "the machine's, by rules": "CET-1CEST,M3.5.0,M10.5.0/3"}
    monkeypatch.setenv("TZ", own.get(request.param, "Asia/Jakarta"))
    time.tzset()
    yield time_zone("" if request.param in own else "Europe/Berlin")
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("name", ["America/Los_Angeles", "Pacific/Kiritimati", ""])
@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
@pytest.mark.parametrize("own", ["America/Los_Angeles", "Pacific/Kiritimati", "XYZ12"])
def test_the_first_and_the_last_day_of_the_calendar_are_shown_in_every_zone(
    name: str, moment: datetime, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", own)
    time.tzset()
    try:
        assert time_zone(name).of(moment) == moment
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("day", "begins", "hours"),
    [
        ((2026, 3, 28), "2026-03-28T00:00+01:00", 24),
        ((2026, 3, 29), "2026-03-29T00:00+01:00", 23),
        ((2026, 3, 30), "2026-03-30T00:00+02:00", 24),
        ((2026, 10, 25), "2026-10-25T00:00+02:00", 25),
        ((2026, 10, 26), "2026-10-26T00:00+01:00", 24),
    ],
)
def test_a_day_has_as_many_hours_as_its_clock_shows(
    berlin: TimeZone, day: tuple[int, int, int], begins: str, hours: int
) -> None:
    noon = datetime(*day, 11, tzinfo=UTC)
    began = berlin.midnight(noon)
    assert began.isoformat(timespec="minutes") == begins
    assert berlin.midnight(began + timedelta(hours=hours)) - began == timedelta(hours=hours)
    assert berlin.midnight(began + timedelta(hours=hours) - timedelta(seconds=1)) == began


def test_the_hour_that_comes_twice_is_told_apart_and_an_age_across_it_is_right(berlin: TimeZone) -> None:
    first, second = (berlin.of(datetime(2026, 10, 25, hour, 30, tzinfo=UTC)) for hour in (0, 1))
    assert [f"{moment:%H:%M %Z}" for moment in (first, second)] == ["02:30 CEST", "02:30 CET"]
    assert second - first == timedelta(hours=1)
    assert first < second


def test_midnight_where_the_clock_is_changed_at_midnight() -> None:
    zone = time_zone("America/Santiago")  # on 2026-09-06 there is no hour from 0 to 1
    assert zone.midnight(datetime(2026, 9, 6, 15, tzinfo=UTC)).isoformat() == "2026-09-06T01:00:00-03:00"


@pytest.mark.parametrize(
    ("name", "day", "begins", "hours"),
    [
        ("America/Havana", (2026, 11, 1), "2026-11-01T00:00:00-04:00", 25),  # midnight comes twice
        ("Atlantic/Azores", (2024, 10, 27), "2024-10-27T00:00:00+00:00", 25),
        ("Australia/Lord_Howe", (2026, 4, 5), "2026-04-05T00:00:00+11:00", 24.5),  # by half an hour
        ("Australia/Lord_Howe", (2026, 10, 4), "2026-10-04T00:00:00+10:30", 23.5),
        ("Asia/Beirut", (2026, 3, 29), "2026-03-29T01:00:00+03:00", 23),  # there is no midnight
        ("Asia/Kathmandu", (2026, 3, 29), "2026-03-29T00:00:00+05:45", 24),
        ("Pacific/Apia", (2011, 12, 31), "2011-12-31T00:00:00+14:00", 24),  # behind a day that there was not
    ],
)
def test_a_day_begins_with_its_first_moment_wherever(
    name: str, day: tuple[int, int, int], begins: str, hours: float
) -> None:
    zone = time_zone(name)
    began = datetime.fromisoformat(begins)
    for minutes in range(0, round(60 * hours), 15):
        assert zone.midnight(began + timedelta(minutes=minutes)).isoformat() == begins
    assert zone.of(began - timedelta(seconds=1)).date() < date(*day)
    assert zone.midnight(began + timedelta(hours=hours)) == began + timedelta(hours=hours)


def test_the_machine_s_own_zone_has_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TZ", raising=False)
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/Asia/Jakarta")
    monkeypatch.setattr(zones, "_LOCAL_TIME", tmp_path / "localtime")
    assert time_zone("").name == "Asia/Jakarta"
    monkeypatch.setattr(zones, "_LOCAL_TIME", tmp_path / "none")
    assert (time_zone("").rules, time_zone("").name) == (None, "/".join(dict.fromkeys(time.tzname)))
    monkeypatch.setenv("TZ", "Nowhere/City")  # the system's library takes it for UTC, and so it is called
    time.tzset()
    assert time_zone("").name == "Nowhere"
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "name",
    ["Nowhere/City", "Europe", "../etc/passwd", "/etc/passwd", "zone.tab", "a\0b", "\udce4", " ", "Europe/Berlin "],
)
def test_a_zone_that_there_is_not_is_one_line_with_a_remedy(name: str) -> None:
    with pytest.raises(UsageError, match="no such time zone: give one as in Europe/Berlin"):
        time_zone(name)


def test_a_machine_without_time_zones_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(zones, "available_timezones", set)
    monkeypatch.setattr(zones, "_rules", lambda _: None)
    with pytest.raises(UsageError, match="knows no time zones: install tzdata"):
        time_zone("Europe/Berlin")
