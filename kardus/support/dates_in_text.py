"""What programs show a date as, when they save a table as text; and columns of codes that only look like dates."""

# ruff: noqa: RUF001 - words of other languages

import re
from collections.abc import Iterable
from datetime import date

from kardus.support.months import is_month
from kardus.support.spelling import composed

_TIME = r"(?: [0-9:.]+(?: ?[AP]\.?M\.?)?)?"
_BETWEEN = r"(?:[-/]|\. ?)"
_DATE = re.compile(
    rf"(?P<ymd>(?:19|20|25)[0-9]{{2}}{_BETWEEN}[01]?[0-9]{_BETWEEN}[0-3]?[0-9])\.?"
    r"(?:[ T][0-9:.]+(?: ?(?:Z|UTC|GMT|[-+][0-9]{2}:?[0-9]{2}))?)?"
    rf"|(?P<dmy>[0-3]?[0-9]{_BETWEEN}[0-3]?[0-9]{_BETWEEN}(?:19|20|25)[0-9]{{2}})\.?(?: ?г\.)?{_TIME}"
    rf"|(?P<short>[0-3]?[0-9](?:/[0-3]?[0-9]/|\. ?[0-3]?[0-9]\. ?)2[0-9])\.?{_TIME}"
    r"|(?:[0-9]{2,4}[年년] ?)?[0-9]{1,2}[月월](?: ?[0-9]{1,2}[日일])?"
    r"|[0-9]{1,2}:[0-5][0-9]:[0-5][0-9](?: ?[AP]\.?M\.?)?|[0-9]{1,2}:[0-5][0-9] ?[AP]\.?M\.?",
    re.IGNORECASE,
)
"""A year of two digits stands behind slashes or dots in dates of the twenties only: `10/20/30` is a place, and so is
`04-03-26`, since few countries write dates so, and many racks."""
_DATE_IN_WORDS = re.compile(
    r"(?:[0-3]?[0-9](?:[-/ ]|\. ?)(?:de |d')?([^\W\d_]{3,})\.?(?:(?:[-/ ]| de )'?[0-9]{2}(?:[0-9]{2})?)?"
    r"|([^\W\d_]{3,})\.?(?:[-/ ]| de )'?[0-9]{2}(?:[0-9]{2})?)"
)
_DATE_IN_OTHER_SCRIPTS = re.compile(
    r"(?:[0-9]{1,2}(?:[-/ ]|\. ?))?([\u0590-\u0e7f][^\d\s/-]*)(?:[-/ ][0-9]{2,4})?(?<=[0-9])"
    r"|[0-9]{1,2}(?:[-/ ]|\. ?)([\u0590-\u0e7f][^\d\s/-]*)"
)
"""Whose letters go with signs that are no letters, as in Thai; at least one number stands beside the month."""
_DATE_IN_VIETNAMESE = re.compile(
    r"[0-9]{1,2}[-/ ]Th(?:g|áng) ?[0-9]{1,2}(?:[-/ ,]+[0-9]{2,4})?|Th(?:g|áng) ?[0-9]{1,2}[-/ ,]+[0-9]{2,4}",
    re.IGNORECASE,
)
_RUNS = re.compile(r"[0-9]+|[^\W\d_]+")
_BUDDHIST = 543
"""Thailand's years are so many more."""
_SHORT = 2
"""Digits of a day, a month and a short year."""


def is_date(text: str) -> bool:
    """Whether a text, in NFC, is a day, a month of a year, or a time, as programs write them in any of many languages.

    Three numbers that are no day of any calendar, in either order of day and month, are none.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        return _is_in_words(text)
    if written := found["ymd"]:
        year, month, day = map(int, re.findall("[0-9]+", written))
        return _is_day(year, month, day)
    if written := found["dmy"] or found["short"]:
        one, other, year = map(int, re.findall("[0-9]+", written))
        full = year if year > 99 else 2000 + year  # noqa: PLR2004 - two digits
        return _is_day(full, one, other) or _is_day(full, other, one)
    return True


def are_codes(values: Iterable[str]) -> bool:
    """Whether a whole column shows that what looks like a date in it is none.

    A program changes the codes that can be dates, and leaves the others: these then have another shape than those.
    Where all have the same one, and some can't be dates, nothing was changed.
    """
    shapes: set[str] = set()
    is_padded = is_short = has_other = False
    for value in values:
        text = composed(value)
        shapes.add(_RUNS.sub(_shape_of, text))
        if len(shapes) > 1:
            return False
        numbers = re.findall("[0-9]+", text)
        is_padded = is_padded or any(len(number) > 1 and number[0] == "0" for number in numbers)
        is_short = is_short or any(len(number) == 1 for number in numbers)
        has_other = has_other or not is_date(text)
    return has_other and not (is_padded and is_short)


def _shape_of(run: re.Match[str]) -> str:
    """Numbers of one or two digits are alike, and so are words; longer numbers are by their length."""
    text = run.group()
    if not text[0].isdigit():
        return "a"
    return "0" if len(text) <= _SHORT else "0" * len(text)


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year - (_BUDDHIST if year > _BUDDHIST + 1900 else 0), month, day)
    except ValueError:
        return False
    return True


def _is_in_words(text: str) -> bool:
    """Whether a text is a day or a year with a month's name, in any of many languages."""
    found = _DATE_IN_WORDS.fullmatch(text) or _DATE_IN_OTHER_SCRIPTS.fullmatch(text)
    if found is None:
        return _DATE_IN_VIETNAMESE.fullmatch(text) is not None
    return is_month(found.group(1) or found.group(2))
