"""What HTTP APIs say of further pages, in headers and bodies: so that no first page is taken for the whole answer.

Conventions of RFC 8288 (Link), RFC 9110 (Content-Range), OData 2 to 4, HAL, JSON:API, FHIR, Spring Data, Django REST,
Laravel, ASP.NET, Stripe, Google, Microsoft, AWS, Salesforce, Oracle, Slack, Elasticsearch, Solr, GitLab, WordPress.
Names are compared without case and punctuation: `has_more`, `hasMore` and `HasMore` are one.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEXT = _names(
    "next nextlink odatanextlink nexturl nexturi nexthref nextpage nextpageurl nextpageuri nextpagelink nextpagetoken "
    "nexttoken nextcursor nextmarker nextoffset nextstart nextkey nextrecordsurl continuationtoken continuation "
    "continue cursor scrollid lastevaluatedkey"
)
"""Where the next page is, or what leads to it; nothing where there is none. Airtable calls a text `offset`."""
_MORE = _names(
    "hasmore hasnext hasnextpage hasmoreitems hasmorepages hasmoreresults hasmorerecords hasmoredata more moreitems "
    "moreresults morerecords moreavailable moredata istruncated truncated incompleteresults partial ispartial"
)
"""True: there is more."""
_LAST = _names("last islast islastpage lastpage done complete iscomplete finalpage isfinal")
"""False: there is more."""
_PAGES = _names("totalpages pagecount pagescount numpages numberofpages lastpage pages maxpage totalpagecount")
"""How many pages there are."""
_TOTAL = _names(
    "total totalcount totalelements totalresults totalitems totalrecords totalrows totalsize totalhits totalentries "
    "recordstotal recordsfiltered numfound numbermatched odatacount count resultcount totalnumber"
)
"""How many rows there are in all."""
_LIMIT = _names("limit pagesize perpage size maxresults pagelimit itemsperpage maxitems batchsize maxpagesize")
"""How many rows an answer has at most, in it or in its address (`$top`, `rows` too)."""
_LIMIT_ASKED = _LIMIT | {"top", "rows", "count", "first"}
_AROUND = _names(
    "meta metadata page pages paging pagination pager pageinfo links link response result results data d hits "
    "responsemetadata cursors info header collection envelope body"
)
"""Members of an answer in which such words stand; others hold what was asked for."""
_DEPTH = 4
_SHOWN = 60
_RANGE = re.compile(r"\s*(?:[\w-]+\s+)?(?:(\d+)-(\d+)|\*)/(\d+|\*)\s*")
_NO_ADDRESS = re.compile("^x(?:wp|pagination)?")


@dataclass(frozen=True)
class _Word:
    """A word of an answer that may concern pages."""

    name: str
    """Without case and punctuation."""
    place: str
    """For people."""
    value: Any


def next_link(response: httpx2.Response) -> str:
    """The address in `Link: <...>; rel="next"` (RFC 8288); empty: there is none."""
    for link in response.links.values():
        relations = next((value for name, value in link.items() if name.lower() == "rel"), "")
        if "next" in relations.lower().split():
            return str(link.get("url") or "")
    return ""


def sign_of_more(response: httpx2.Response, page: Any, rows: int, *, is_only: bool) -> str:
    """Why an answer that leads to no other page seems to be a part of what there is; empty: it doesn't.

    Args:
        response: the answer.
        page: what it says.
        rows: how many rows were found in it.
        is_only: whether there was no page before it: then all that is counted must be in it.
    """
    words = [*_in_headers(response), *_in_body(page, "", _DEPTH)]
    said = next(filter(None, map(_said_outright, words)), "")
    if said or not is_only:
        return said
    lists = max(rows, _longest(page))
    return (
        _said_by_range(response)
        or next(filter(None, (_said_by_number(word, lists) for word in words)), "")
        or ("" if any(map(_says_no_more, words)) else _said_by_limit(response, words, lists))
    )


def _said_outright(word: _Word) -> str:
    is_more = (
        (word.name in _NEXT and _leads_on(word.value))
        or (word.name == "offset" and isinstance(word.value, str) and _number(word.value) is None and word.value != "")
        or (word.name in _MORE and _truth(word.value) is True)
        or (word.name in _LAST and _truth(word.value) is False)
    )
    return f"'{word.place}' is {_shown(word.value)}" if is_more else ""


def _said_by_number(word: _Word, rows: int) -> str:
    number = _number(word.value)
    if number is not None and number > 1 and word.name in _PAGES:
        return f"'{word.place}' is {number}"
    if number is not None and number > rows and word.name in _TOTAL:
        return f"'{word.place}' is {number}, and no list in it is longer than {rows}"
    return ""


def _said_by_range(response: httpx2.Response) -> str:
    said = response.headers.get("content-range", "")
    found = _RANGE.fullmatch(said)
    if found is None or found[1] is None:
        is_part = response.status_code == httpx2.codes.PARTIAL_CONTENT
    else:
        is_part = int(found[1]) > 0 or (found[3] != "*" and int(found[2]) + 1 < int(found[3]))
        is_part |= found[3] == "*" and response.status_code == httpx2.codes.PARTIAL_CONTENT
    return f"its status is {response.status_code}, and its Content-Range '{said[:_SHOWN]}'" if is_part else ""


def _said_by_limit(response: httpx2.Response, words: list[_Word], rows: int) -> str:
    """As many rows as there may be at most: nobody knows whether these are all."""
    asked = (_Word(_plain(name), name, value) for name, value in response.request.url.params.multi_items())
    limits = [*(one for one in asked if one.name in _LIMIT_ASKED), *(one for one in words if one.name in _LIMIT)]
    full = next((one for one in limits if rows and _number(one.value) == rows), None)
    return f"it has {rows} rows, as many as '{full.place}' allows" if full else ""


def _says_no_more(word: _Word) -> bool:
    """Whether a word would say that there is more, and doesn't."""
    number = _number(word.value)
    is_flag = word.name in _MORE | _LAST and _truth(word.value) is not None
    return word.name in _NEXT or is_flag or (number is not None and word.name in _PAGES | (_TOTAL - {"count"}))


def _in_headers(response: httpx2.Response) -> Iterator[_Word]:
    """Of headers with an X, or whose name speaks of pages; ASP.NET's `X-Pagination` holds JSON."""
    for name, value in response.headers.items():
        plain = _plain(name)
        if not plain.startswith(("x", "pag", "total")):
            continue
        yield _Word(_NO_ADDRESS.sub("", plain), name, value)
        if value.startswith("{"):
            try:
                yield from _in_body(json.loads(value), f"{name}.", _DEPTH)
            except (ValueError, RecursionError):
                continue


def _in_body(value: Any, path: str, depth: int) -> Iterator[_Word]:
    """Of an object, and of those in it that stand around what was asked for; a list of links is an object of them."""
    if not isinstance(value, Mapping) or not depth:
        return
    for key, inner in value.items():
        name, place = _plain(key), path + key[:_SHOWN]
        yield _Word(name, place, inner)
        if name in {"links", "link"} and isinstance(inner, list):
            yield from (_Word(_plain(relation), place, address) for relation, address in _links(inner))
        elif name in _AROUND | _TOTAL:
            yield from (_Word(name, place, one) for one in _counted(name, inner))
            yield from _in_body(inner, f"{place}.", depth - 1)


def _counted(name: str, value: Any) -> Iterator[Any]:
    """Elasticsearch's `total` is an object with a `value`."""
    if name in _TOTAL and isinstance(value, Mapping) and "value" in value:
        yield value["value"]


def _links(links: list[Any]) -> Iterator[tuple[str, Any]]:
    """Relations and addresses, as Spring, Oracle (`rel`, `href`) and FHIR (`relation`, `url`) have them."""
    for one in links:
        if isinstance(one, Mapping):
            relation = one.get("rel", one.get("relation"))
            if isinstance(relation, str):
                yield relation, one.get("href") or one.get("url") or one.get("uri")


def _leads_on(value: Any) -> bool:
    """Whether there is anything: an address, a number, an object with either."""
    if isinstance(value, Mapping):
        return any(map(_leads_on, value.values()))
    return bool(value) and value is not True and str(value).strip().lower() not in {"", "null", "none", "false"}


def _truth(value: Any) -> bool | None:
    """What a flag says; None: it is none."""
    text = value.strip().lower() if isinstance(value, str) else value
    return {"true": True, "false": False}.get(text) if isinstance(text, str) else text if type(text) is bool else None


def _number(value: Any) -> int | None:
    if type(value) is int:
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}", value.strip()) else None


def _longest(value: Any, depth: int = 8) -> int:
    """The length of the longest list."""
    if not depth or not isinstance(value, Mapping | list):
        return 0
    inner = value.values() if isinstance(value, Mapping) else value
    longest = max((_longest(one, depth - 1) for one in inner), default=0)
    return max(longest, len(value)) if isinstance(value, list) else longest


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def _shown(value: Any) -> str:
    return repr(value)[:_SHOWN] if isinstance(value, str) else json.dumps(value)[:_SHOWN]
