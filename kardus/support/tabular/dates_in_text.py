"""What programs show a date as, when they save a table as text; and columns of codes that only look like dates."""

# ruff: noqa: RUF001 - words of other languages

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date

from kardus.support.spelling import composed
from kardus.support.tabular.months import is_month

_TIME = r"(?: [0-9:.]+(?: ?[AP]\.?M\.?)?)?"
_BETWEEN = r"(?:[-/]|\. ?)"
_DATE = re.compile(
    rf"(?P<ymd>(?:19|20)[0-9]{{2}}{_BETWEEN}[01]?[0-9]{_BETWEEN}[0-3]?[0-9])\.?"
    r"(?:[ T][0-9:.]+(?: ?(?:Z|UTC|GMT|[-+][0-9]{2}:?[0-9]{2}))?)?"
    rf"|(?P<dmy>[0-3]?[0-9]{_BETWEEN}[0-3]?[0-9]{_BETWEEN}(?:19|20|25)[0-9]{{2}})\.?(?: ?г\.)?{_TIME}"
    rf"|(?P<short>[0-3]?[0-9](?:/[0-3]?[0-9]/|\. ?[0-3]?[0-9]\. ?)[0-9]{{2}})\.?{_TIME}"
    r"|(?:[0-9]{2,4}[年년] ?)?[0-9]{1,2}[月월](?: ?[0-9]{1,2}[日일])?"
    r"|[0-9]{1,2}:[0-5][0-9]:[0-5][0-9](?: ?[AP]\.?M\.?)?|[0-9]{1,2}:[0-5][0-9] ?[AP]\.?M\.?",
    re.IGNORECASE,
)
"""A year of two digits stands behind slashes or dots: `04-03-26` is a place, since few countries write dates so, and
many racks. Thailand's years stand last."""
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
_THIS_DECADE = range(2020, 2030)
"""`4/3` becomes a day of the current year; with a short year of other times, as in `10/20/30`, it is a place."""
_ORDERS = ("ymd", "dmy", "mdy")
"""Of year, month and day. No country puts the month before the day and dots between them."""
_NUMBERS = re.compile(r"0+[^0a]{1,2}0+(?:[^0a]{1,2}0+)?\.?")
"""A shape of which a program makes dates: two or three numbers."""
_SHORT_DAY = re.compile(r"0(?:/0/|\. ?0\. ?)0\.?")
"""The shape of a day with a short year, and no time behind it."""


def is_date(text: str) -> bool:
    """Whether a text, in NFC, is a day, a month of a year, or a time, as programs write them in any of many languages.

    Three numbers that are no day of any calendar, in any order that is usual with their separator, are none.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        return _is_in_words(text)
    if short := found["short"]:
        return any(_reads(text, order) for order in _ORDERS) and _year_of(short) in _THIS_DECADE
    return any(_reads(text, order) for order in _ORDERS)


def are_codes(values: Iterable[str]) -> bool:
    """Whether a whole column shows that what looks like a date in it is none.

    A program changes the codes that can be dates, writes them all in one way, and leaves the others as they are. So it
    has changed nothing where, for each shape in which there are dates, and for each order of day and month that it may
    have read them in:

    - some codes of the same shape can't be dates, and all are written alike: no number is padded in one and not in
      another, no word is capital in one and not in another. Had a program written the dates, they would stick out, or
      be as they were;
    - or there are days with short years only, and they can't be what it makes of `4.3`, a day of the current year:
      their years are two or more apart, or a day comes with two of them.

    A code of another shape doesn't matter (`DOCK-1`), but for numbers alone (`4-45`): of its like the dates were made.
    """
    shapes: dict[str, set[str]] = defaultdict(set)
    for value in values:
        text = composed(value)
        shapes[_RUNS.sub(_shape_of, text)].add(text)
    dated = {shape for shape, texts in shapes.items() if any(map(is_date, texts))}
    for shape in dated:
        if any(_NUMBERS.fullmatch(other) for other in shapes if other != shape):
            return False
    return bool(shapes) and all(_is_unchanged(shape, shapes[shape]) for shape in dated)


def _is_unchanged(shape: str, texts: set[str]) -> bool:
    habits = {habit for text in texts for habit in _habits(text)}
    if len({place for place, _ in habits}) < len(habits):
        return False
    for order in _ORDERS:
        read = {text for text in texts if _reads(text, order)}
        if len(read) == len(texts) and not (_SHORT_DAY.fullmatch(shape) and _has_years_of_its_own(texts)):
            return False
    return True


def _has_years_of_its_own(days: set[str]) -> bool:
    """Whether days with short years are of more years than those in which one list is written."""
    numbers = [tuple(map(int, re.findall("[0-9]+", day))) for day in days]
    years = {year for _, _, year in numbers}
    return max(years) - min(years) > 1 or len({(one, other) for one, other, _ in numbers}) < len(days)


def _habits(text: str) -> Iterator[tuple[int, str]]:
    """How the numbers and words of a text are written, by their place, where it can be told."""
    for place, run in enumerate(_RUNS.findall(text)):
        if run[0].isdigit():
            if len(run) == 1 or (len(run) == _SHORT and run[0] == "0"):
                yield place, "padded" if run[0] == "0" and len(run) > 1 else "one digit"
        elif run.upper() != run.lower():
            yield place, "capitals" if run.isupper() else "small" if run.islower() else "mixed"


def _shape_of(run: re.Match[str]) -> str:
    """Numbers of one or two digits are alike, and so are words; longer numbers are by their length."""
    text = run.group()
    if not text[0].isdigit():
        return "a"
    return "0" if len(text) <= _SHORT else "0" * len(text)


def _reads(text: str, order: str) -> bool:
    """Whether a program that writes days in this order takes a text for a date."""
    found = _DATE.fullmatch(text)
    if found is None:
        return _is_in_words(text)
    if written := found["ymd"]:
        year, month, day = map(int, re.findall("[0-9]+", written))
        return order == "ymd" and _is_day(year, month, day)
    if written := found["dmy"] or found["short"]:
        one, other, _ = map(int, re.findall("[0-9]+", written))
        if order == "ymd" or (order == "mdy" and "." in written):
            return False
        return _is_day(_year_of(written), *((other, one) if order == "dmy" else (one, other)))
    return True


def _year_of(written: str) -> int:
    """The year at the end of a day."""
    year = int(re.findall("[0-9]+", written)[-1])
    return year if year > 99 else 2000 + year  # noqa: PLR2004 - two digits


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
