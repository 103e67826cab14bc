"""What HTTP APIs say of further pages, in headers and bodies: so that no first page is taken for the whole answer.

Conventions of RFC 8288 (Link), RFC 9110 (Content-Range), OData 2 to 4, HAL, JSON:API, FHIR, Hydra, GraphQL, Spring,
Django REST, Laravel, ASP.NET, Stripe, Google, Microsoft, AWS, Salesforce, Oracle, Slack, Zoho, ArcGIS, Elasticsearch,
Solr, Kubernetes, GitLab, WordPress. The words are in `page_words.py`.
"""

import re
from collections.abc import Mapping
from typing import Any

import httpx2

from kardus.support.whole_numbers import whole_number
from warehouse.connectors.sync.page_words import (
    LAST,
    LIMIT,
    LIMIT_ASKED,
    MAX_ROWS,
    MORE,
    NEXT,
    PAGE_COUNTS,
    TOTAL,
    PageWord,
    asked_words,
    leads_on,
    number_of,
    page_words,
    shown,
    truth,
)

_SHOWN = 60
_RANGE = re.compile(r"\s*(?:[\w-]+\s+)?(?:([0-9]+)-([0-9]+)|\*)/([0-9]+|\*)\s*")


def next_link(response: httpx2.Response) -> str:
    """The address in `Link: <...>; rel="next"` (RFC 8288); empty: there is none."""
    for link in response.links.values():
        relations = next((value for name, value in link.items() if name.lower() == "rel"), "")
        if "next" in relations.lower().split():
            return str(link.get("url") or "")
    return ""


class AnswerParts:
    """The pages of one answer, in their order: what they hold together, and what they say that there is."""

    def __init__(self) -> None:
        """None is read yet."""
        self._pages = 0
        self._rows = 0
        self._counts: dict[str, PageWord] = {}
        """How much there is, by the place where it was said last."""

    def sign_of_more(self, response: httpx2.Response, page: Any, rows: int, *, is_last: bool) -> str:
        """Count a page in; why it, as the last one, seems to leave out some of what there is. Empty: it doesn't.

        Args:
            response: the answer.
            page: what it says.
            rows: how many rows were found in it.
            is_last: whether it leads to no other page.
        """
        words, longest = page_words(response, page, rows), max(rows, _longest(page))
        self._pages += 1
        self._rows += longest
        self._counts |= {word.place: word for word in words if word.name in PAGE_COUNTS | TOTAL}
        if not is_last:
            return ""
        return (
            next(filter(None, map(_more_by_word, words)), "")
            or self._more_by_range(response)
            or next(filter(None, map(self._more_by_number, self._counts.values())), "")
            or ("" if self._pages > 1 or any(map(_denies_more, words)) else _more_by_limit(response, words, longest))
        )

    def _more_by_number(self, word: PageWord) -> str:
        number = number_of(word.value)
        if number is not None and word.name in PAGE_COUNTS and number > self._pages:
            return f"'{word.place}' is {shown(word.value)}" + self._read()
        if number is not None and word.name in TOTAL and number > self._rows:
            few = self._read() or f", and no list in it is longer than {self._rows}"
            return f"'{word.place}' is {shown(word.value)}{few}"
        return ""

    def _read(self) -> str:
        return f", and {self._pages} pages with {self._rows} rows were read" if self._pages > 1 else ""

    def _more_by_range(self, response: httpx2.Response) -> str:
        said, status = response.headers.get("content-range", ""), response.status_code
        found = _RANGE.fullmatch(said)
        is_partial = status == httpx2.codes.PARTIAL_CONTENT
        if found is None or found[1] is None:
            is_part = is_partial
        else:
            first, last = whole_number(found[1], MAX_ROWS), whole_number(found[2], MAX_ROWS)
            total = last + 1 if found[3] == "*" and last is not None else whole_number(found[3], MAX_ROWS)
            is_part = first is None or last is None or total is None or last + 1 < total
            is_part |= self._pages == 1 and (first != 0 or (found[3] == "*" and is_partial))
        return f"its status is {status}, and its Content-Range '{said[:_SHOWN]}'" if is_part else ""


def _more_by_word(word: PageWord) -> str:
    is_more = (
        (word.name in NEXT and leads_on(word.value))
        or (
            word.name == "offset" and isinstance(word.value, str) and number_of(word.value) is None and word.value != ""
        )
        or (word.name in MORE and truth(word) is True)
        or (word.name in LAST and truth(word) is False)
    )
    return f"'{word.place}' is {shown(word.value)}" if is_more else ""


def _more_by_limit(response: httpx2.Response, words: list[PageWord], rows: int) -> str:
    """As many rows as there may be at most: nobody knows whether these are all."""
    asked = (one for one in asked_words(response) if one.name in LIMIT_ASKED)
    limits = [*asked, *(one for one in words if one.name in LIMIT)]
    full = next((one for one in limits if rows and number_of(one.value) == rows), None)
    return f"it has {rows} rows, as many as '{full.place}' allows" if full else ""


def _denies_more(word: PageWord) -> bool:
    """Whether a word would say that there is more, and doesn't."""
    number = number_of(word.value)
    is_flag = word.name in MORE | LAST and truth(word) is not None
    return word.name in NEXT or is_flag or (number is not None and word.name in PAGE_COUNTS | (TOTAL - {"count"}))


def _longest(value: Any, depth: int = 8) -> int:
    """The length of the longest list."""
    if not depth or not isinstance(value, Mapping | list):
        return 0
    inner = value.values() if isinstance(value, Mapping) else value
    longest = max((_longest(one, depth - 1) for one in inner), default=0)
    return max(longest, len(value)) if isinstance(value, list) else longest
