"""The time zone that a report is written in: one for all of it, by its name."""

import os
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timezone
from datetime import time as clock_time
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from kardus.support.errors import UsageError

_LOCAL_TIME = Path("/etc/localtime")
_FOLDER = "zoneinfo/"


@dataclass(frozen=True)
class TimeZone:
    """A place's clock, with the days on which it is changed."""

    name: str
    """For people: `Europe/Berlin`."""
    rules: ZoneInfo | None
    """None: the machine's own, which the system's library knows."""

    def of(self, moment: datetime) -> datetime:
        """A moment as the clock shows it, with the offset of that moment: such times can be compared and subtracted.

        On the first and the last day of the calendar, which it can't show in every zone, in UTC.

        Raises:
            OverflowError: it has no form in UTC.
        """
        moment = moment.astimezone(UTC)
        try:
            shown = moment.astimezone(self.rules)
        except (OverflowError, ValueError, OSError):  # the last two: the system's library
            return moment
        return shown.replace(tzinfo=timezone(shown.utcoffset() or UTC.utcoffset(None), shown.tzname() or self.name))

    def read(self, clock: datetime) -> datetime:
        """The moment at which the clock shows this time (naive); of two such moments the first.

        Raises:
            OverflowError, ValueError: no calendar holds it.
        """
        return self.of(clock.replace(tzinfo=self.rules) if self.rules else clock.astimezone())

    def begin_of(self, day: date) -> datetime:
        """When a day began; where its midnight comes twice (Havana, the Azores), with the first.

        Raises:
            OverflowError, ValueError: no calendar holds it.
        """
        return self.read(datetime.combine(day, clock_time()))

    def midnight(self, moment: datetime) -> datetime:
        """When the day of a moment began."""
        return self.begin_of(self.of(moment).date())


UTC_ZONE = TimeZone("UTC", ZoneInfo("UTC"))


def time_zone(name: str) -> TimeZone:
    """The zone of this name (IANA's, `Europe/Berlin`); empty: the machine's own.

    Raises:
        UsageError: there is none.
    """
    if not name:
        return _own_zone()
    rules = _rules(name)
    if rules is not None:
        return TimeZone(name, rules)
    if not available_timezones():
        raise UsageError(f"--timezone '{name}': this machine knows no time zones: install tzdata (apt or pip)")
    raise UsageError(
        f"--timezone '{name}': no such time zone: give one as in Europe/Berlin (`timedatectl list-timezones`)"
    )


def _own_zone() -> TimeZone:
    """By its name where that is known: else times are right, and called as the system's library calls them."""
    name = os.environ.get("TZ", "").removeprefix(":") or _name_of_local_time()
    rules = _rules(name) if name else None
    return TimeZone(name, rules) if rules else TimeZone("/".join(dict.fromkeys(time.tzname)), None)


def _name_of_local_time() -> str:
    if "TZ" in os.environ or not _LOCAL_TIME.is_symlink():
        return ""
    _, found, name = str(_LOCAL_TIME.readlink()).rpartition(_FOLDER)
    return name if found else ""


def _rules(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; no name; a folder, or a file that is no zone
        return None
