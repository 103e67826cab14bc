"""Languages: texts by gettext, and numbers, moments and ages as each language writes them (Babel).

The catalogs (`locale/LANGUAGE/LC_MESSAGES/kardus.po`) are compiled when the server starts: a wheel has nothing else to
carry along, and nobody can forget it.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from gettext import NullTranslations
from pathlib import Path
from typing import Any

from babel import Locale, negotiate_locale
from babel.dates import TIMEDELTA_UNITS, format_date, format_datetime, format_time, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from babel.support import Translations

from kardus.support.time_zone import TimeZone

LOCALES = Path(__file__).parents[2] / "locale"
DOMAIN = "kardus"
LANGUAGES = {"en": "English", "id": "Bahasa Indonesia"}
"""Each by its own name. English is what stands in the source."""
ONE_UP_TO = 1.5
"""So many of a unit are still told in the next smaller one: 80 minutes, but 2 hours."""
REMEMBERED = 4096
"""So many durations and percentages are kept as text: a rack has hundreds, mostly the same."""
Translate = Callable[[str], str]


def N_(text: str) -> str:  # noqa: N802 - gettext's name
    """Mark a text that is translated where it is shown."""
    return text


def catalog_of(language: str) -> Path:
    """Where the texts of a language stand."""
    return LOCALES / language / "LC_MESSAGES" / f"{DOMAIN}.po"


@cache
def translations_of(language: str) -> NullTranslations:
    """The texts of a language, compiled once."""
    path = catalog_of(language)
    if not path.exists():
        return NullTranslations()
    compiled = io.BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return Translations(compiled, domain=DOMAIN)


def chosen_language(*wanted: str) -> str:
    """The first of these that there is: what somebody has set, a cookie, a browser's Accept-Language; else English."""
    for one in wanted:
        asked = [part.split(";")[0].strip().replace("-", "_") for part in one[:200].split(",")]
        found = negotiate_locale([each for each in asked if each], list(LANGUAGES), sep="_")
        if found:
            return found
    return "en"


@dataclass(frozen=True)
class LocalFormat:
    """Writes values for people: in a language, and by the clock of a place."""

    language: str
    zone: TimeZone

    @property
    def locale(self) -> Locale:
        """Babel's locale of the language."""
        return _locale(self.language)

    def number(self, value: float, decimals: int = 0) -> str:
        """With so many decimals at most."""
        return str(
            format_decimal(value, format="#,##0" + ("." + "#" * decimals if decimals else ""), locale=self.locale)
        )

    def percent(self, share: float, decimals: int = 0) -> str:
        """Of a share from 0 to 1."""
        return _percent(share, decimals, self.language)

    def moment(self, moment: datetime) -> str:
        """Date, time and zone."""
        shown = self.zone.of(moment)
        words = format_datetime(shown, "medium", tzinfo=shown.tzinfo, locale=self.locale)
        return f"{words} {shown.tzname()}"

    def time(self, moment: datetime) -> str:
        """The time of day."""
        shown = self.zone.of(moment)
        return str(format_time(shown, "short", tzinfo=shown.tzinfo, locale=self.locale))

    def day(self, moment: datetime | date) -> str:
        """A day, written in the language."""
        day = self.zone.of(moment).date() if isinstance(moment, datetime) else moment
        return str(format_date(day, "medium", locale=self.locale))

    def age(self, moment: datetime) -> str:
        """How long ago it is, in one unit."""
        return self.duration(max(datetime.now(UTC) - moment, timedelta()))

    def duration(self, length: timedelta) -> str:
        """How long it is, in one unit."""
        seconds = int(length.total_seconds())
        unit, unit_s = next(one for one in TIMEDELTA_UNITS if one[1] == 1 or seconds / one[1] >= ONE_UP_TO)
        return _duration(round(seconds / unit_s) * unit_s, unit, self.language)


_locale = cache(Locale.parse)


@lru_cache(REMEMBERED)
def _percent(share: float, decimals: int, language: str) -> str:
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "") + "\N{NO-BREAK SPACE}%"
    return str(format_percent(share, pattern, locale=_locale(language)))


@lru_cache(REMEMBERED)
def _duration(seconds: int, unit: Any, language: str) -> str:
    """In just this unit: no threshold lets Babel choose another."""
    length, locale = timedelta(seconds=seconds), _locale(language)
    return str(format_timedelta(length, granularity=unit, threshold=math.inf, format="short", locale=locale))
