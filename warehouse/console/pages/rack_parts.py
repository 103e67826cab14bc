"""A rack in parts: of at most 300 locations, and of no more than a page holds however long their names are."""

import html
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, select

from kardus.contract.verdicts import Verdict
from warehouse.console.pages.parting import ListPart, part_of
from warehouse.console.pages.places import MAX_TILES
from warehouse.console.pages.settings import PageSettings
from warehouse.console.pages.tiles import PORTION
from warehouse.console.shown import ShownRow, said
from warehouse.store.tables import latest

RACK_BYTES, FRAME_BYTES = 186_000, 5_000
"""Of a part's tiles: more than of other lists, since how long a tile is is known to a few bytes; and of what there is
to choose from above them."""
TILE_BYTES, PHOTO_BYTES, CONFLICT_BYTES, NOW_BYTES, CHOICE_BYTES = 515, 85, 60, -7, 130
"""Of a tile without names; of its product's photo; of the word that cameras disagree; of the address of a picture of
now, less that of a kept one; and of a camera's button, or a family's entry, above the tiles."""


def rack_part(
    connection: Connection, settings: PageSettings, rack: str, number: int = 1, at: str = ""
) -> ListPart[str]:
    """Codes of a rack's locations, in walking order: of this part, or of the one with the location `at`."""
    codes = settings.codes.of_rack(connection, rack, settings.rack)
    sizes, choices, free = dict.fromkeys(codes, 0), set[tuple[str, ...]](), FRAME_BYTES
    for code, states in _states(connection, codes):
        named = {(one["agent"], one["camera"]) for one in states} | {(_family(one, settings),) for one in states}
        above = sum(CHOICE_BYTES + 2 * _length(*each) for each in named - choices)
        choices |= named
        free -= above
        tile = max(_tile_bytes(one, settings) for one in states) + CONFLICT_BYTES * (len(states) > 1)
        sizes[code] = tile + min(above, max(0, -free))
    least = RACK_BYTES // (MAX_TILES + 1) + 1  # so that there are never more
    return part_of(codes, number, lambda code: max(least, sizes[code]), RACK_BYTES, lambda code: code == at)


def _tile_bytes(state: ShownRow, settings: PageSettings) -> int:
    """About how long a tile is as HTML, at most."""
    code, expected = state["location"], (state["expected"] or {}).get("sku")
    seen = {} if state["verdict"] == Verdict.MATCH else state["seen"] or {}
    address = _length(state["agent"], state["camera"], code) + NOW_BYTES
    photo = PHOTO_BYTES if settings.products.address(expected) else 0
    names = sum(
        len(html.escape(text).encode(errors="replace"))
        for text in (*(code, expected or "", seen.get("sku") or seen.get("category") or ""), _family(state, settings))
    )
    return TILE_BYTES + _length(code) + max(0, address) + photo + names


def _family(state: ShownRow, settings: PageSettings) -> str:
    known = settings.products.family((state["expected"] or {}).get("sku"))
    return known or (state["seen"] or {}).get("category") or ""


def _length(*names: str) -> int:
    """Of names in an address."""
    return sum(len(quote(name, safe="", errors="replace")) for name in names)


def _states(connection: Connection, codes: Sequence[str]) -> Iterable[tuple[str, list[dict[str, Any]]]]:
    """What each agent says of each location, with its name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for start in range(0, len(codes), PORTION):
        chosen = select(latest.c.agent, latest.c.subject, latest.c.payload).where(
            latest.c.kind == "state", latest.c.subject.in_(codes[start : start + PORTION])
        )
        for row in connection.execute(chosen):
            found.setdefault(row.subject, []).append({**said(row), "agent": row.agent})
    return found.items()
