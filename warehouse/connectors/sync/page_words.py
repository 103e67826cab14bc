"""Words of an HTTP answer that may concern pages: headers, and members of the objects on the way to its lists.

Names are compared without case, punctuation and a vocabulary's prefix: `has_more`, `hasMore`, `x:HasMore` are one.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from kardus.support.whole_numbers import whole_number


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


NEXT = _names(
    "next nextlink odatanextlink nexturl nexturi nexthref nextpage nextpageurl nextpageuri nextpagelink nextpagetoken "
    "nexttoken nextcursor nextmarker nextoffset nextstart nextkey nextrecordsurl nextpagestart nextindex nextid "
    "continuationtoken continuation continue cursor scrollid lastevaluatedkey"
)
"""Where the next page is, or what leads to it; nothing where there is none. Airtable calls a text `offset`."""
MORE = _names(
    "hasmore hasnext hasnextpage hasmoreitems hasmorepage hasmorepages hasmoreresults hasmorerecords hasmoredata "
    "hasmorerows more moreitems moreresults morerecords morerows morepages moreavailable moredata istruncated "
    "truncated incompleteresults partial ispartial exceededtransferlimit nextpageavailable remaining remainingcount "
    "remainingitemcount remainingitems remainingrecords remainingresults remainingrows remainingpages"
)
"""True, or how many: there is more."""
LAST = _names(
    "last islast islastpage lastpage done complete iscomplete finalpage isfinal end isend endofrecords endofdata "
    "endoflist endofresults eof"
)
"""False: there is more."""
INDICES = _names("last lastpage end")
"""Where these are numbers, they are those of a page or a row."""
PAGE_COUNTS = _names("totalpages pagecount pagescount numpages numberofpages lastpage pages maxpage totalpagecount")
"""How many pages there are."""
TOTAL = _names(
    "total totalcount totalelements totalresults totalitems totalrecords totalrows totalsize totalhits totalentries "
    "recordstotal recordsfiltered numfound numbermatched odatacount count resultcount totalnumber"
)
"""How many rows there are in all."""
LIMIT = _names("limit pagesize perpage size maxresults pagelimit itemsperpage maxitems batchsize maxpagesize")
"""How many rows an answer has at most, in it or in its address (`$top`, `rows` too)."""
LIMIT_ASKED = LIMIT | {"top", "rows", "count", "first"}
_AROUND = _names(
    "meta metadata links link response result results data d hits responsemetadata cursors info header collection "
    "envelope body view"
)
"""Members in which such words stand, and nothing of one location, beside those whose name begins with `pag`."""
_DEPTH = 16
"""So many objects may stand in one another."""
MAX_ROWS = 10**15
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+")
_NO_ADDRESS = re.compile("^x-?(?:wp-|ms-|pagination$)?", re.IGNORECASE)
_SHOWN = 60


@dataclass(frozen=True)
class PageWord:
    """A word of an answer that may concern pages."""

    name: str
    """Without case and punctuation."""
    place: str
    """For people."""
    value: Any


def page_words(response: httpx2.Response, page: Any, rows: int) -> list[PageWord]:
    """All of an answer in which `rows` rows were found."""
    whole = page[0] if isinstance(page, list) and len(page) == 1 and rows != 1 else page  # some wrap it into a list
    return [*_in_headers(response), *_in_body(whole, "", _DEPTH)]


def asked_words(response: httpx2.Response) -> Iterator[PageWord]:
    """What the address asks for."""
    return (PageWord(comparable_name(name), name, value) for name, value in response.request.url.params.multi_items())


def comparable_name(name: str) -> str:
    """A name as it is compared; what stands before a colon names a vocabulary (`hydra:next`)."""
    return "".join(filter(str.isalnum, name.rpartition(":")[2].lower()))


def truth(word: PageWord) -> bool | None:
    """What a flag says; None: it is none."""
    value = word.value.strip().lower() if isinstance(word.value, str) else word.value
    if isinstance(value, str) and value in {"true", "yes", "y", "t"}:
        return True
    if isinstance(value, str) and value in {"false", "no", "n", "f"}:
        return False
    if type(value) is bool:
        return value
    number = None if word.name in INDICES else number_of(word.value)
    return None if number is None else number > 0


def number_of(value: Any) -> int | None:
    """A count, as a number or a text (`1,250` too); None: it is none."""
    if type(value) is int:
        return value
    if type(value) is float:
        return int(value) if value.is_integer() and abs(value) < MAX_ROWS else None
    if not isinstance(value, str):
        return None
    text = value.strip()
    return whole_number(text.replace(",", "") if _GROUPED.fullmatch(text) else text, MAX_ROWS)


def leads_on(value: Any) -> bool:
    """Whether there is anything: an address, a number, an object with either, or one that is too deep to look into."""
    return _leads_on(value, _DEPTH)


def _leads_on(value: Any, depth: int) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and (not depth or any(_leads_on(one, depth - 1) for one in value.values()))
    if isinstance(value, list):
        return bool(value)
    return bool(value) and value is not True and str(value).strip().lower() not in {"", "null", "none", "false"}


def shown(value: Any) -> str:
    """A value, for people."""
    if isinstance(value, str):
        return repr(value)[:_SHOWN]
    try:
        return json.dumps(value)[:_SHOWN]
    except RecursionError:
        return "an object of many objects"


def _in_headers(response: httpx2.Response) -> Iterator[PageWord]:
    """With and without what a vendor writes before (`X-Acme-Total-Count`); ASP.NET's `X-Pagination` holds JSON."""
    for name, value in response.headers.items():
        parts = _NO_ADDRESS.sub("", name).split("-")
        for start in range(max(1, len(parts) - 1)):
            yield PageWord(comparable_name("".join(parts[start:])), name, value)
        if value.startswith("{"):
            try:
                said = json.loads(value)
            except (ValueError, RecursionError):
                continue
            yield from _in_body(said, f"{name}.", _DEPTH)


def _in_body(value: Any, path: str, depth: int) -> Iterator[PageWord]:
    """Of every object that says something of the answer or has a list in it, however deep, and of those beside them."""
    if not isinstance(value, Mapping) or not depth:
        return
    for key, inner in value.items():
        name, place = comparable_name(key), path + key[:_SHOWN]
        yield PageWord(name, place, inner)
        if name in {"links", "link"} and isinstance(inner, list):
            yield from (PageWord(comparable_name(relation), place, address) for relation, address in _links(inner))
        elif _is_around(name) or _has_list(inner, depth - 1):
            yield from _counted(name, place, inner)
            yield from _in_body(inner, f"{place}.", depth - 1)
        elif isinstance(inner, Mapping):
            yield from _beside(inner, f"{place}.")


def _beside(value: Mapping[str, Any], path: str) -> Iterator[PageWord]:
    """Of an object with a name of its own, what can only concern pages: its totals may be sums of cartons."""
    return (
        PageWord(name, path + key[:_SHOWN], inner)
        for key, inner in value.items()
        if (name := comparable_name(key)) in NEXT | MORE | LAST
    )


def _has_list(value: Any, depth: int) -> bool:
    if not isinstance(value, Mapping) or not depth:
        return False
    return any(isinstance(one, list) or _has_list(one, depth - 1) for one in value.values())


def _is_around(name: str) -> bool:
    return name in _AROUND or name in TOTAL or name.startswith("pag")


def _counted(name: str, place: str, value: Any) -> Iterator[PageWord]:
    """Elasticsearch's `total` is an object with a `value`."""
    if name in TOTAL and isinstance(value, Mapping) and "value" in value:
        yield PageWord(name, place, value["value"])


def _links(links: list[Any]) -> Iterator[tuple[str, Any]]:
    """Relations and addresses, as Spring, Oracle (`rel`, `href`) and FHIR (`relation`, `url`) have them."""
    for one in links:
        if isinstance(one, Mapping):
            relation = one.get("rel", one.get("relation"))
            if isinstance(relation, str):
                yield relation, one.get("href") or one.get("url") or one.get("uri")
