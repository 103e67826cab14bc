"""About how long the tiles of a rack are as HTML, so that a part of it fits a page however long its names are.

Read of every state of the rack, and so kept for a while: nor do parts shift under whoever goes from one to the next.
"""

import html
import time
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, select

from kardus.contract.verdicts import Verdict
from warehouse.console.pages.content.products import Products
from warehouse.console.shown import ShownRow, message_data
from warehouse.store.portions import portions
from warehouse.store.tables import latest

FRAME_BYTES = 5_000
"""Of what there is to choose from above the tiles; what is more of it is counted with them."""
TILE_BYTES, PHOTO_BYTES, CONFLICT_BYTES, NOW_BYTES, CHOICE_BYTES = 531, 85, 60, -7, 146
"""Of a tile without names; of its product's photo; of the word that cameras disagree; of the address of a picture of
now, less that of a kept one; and of a camera's button, or a family's entry, above the tiles."""
KEPT_S = 60.0
TileSizes = dict[str, int]
"""Bytes by location."""


class RackSizes:
    """Of one site's racks. For any thread: what is known of a rack is replaced as a whole."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._known: dict[str, tuple[float, Sequence[str], TileSizes]] = {}

    def of(self, connection: Connection, rack: str, codes: Sequence[str], products: Products) -> TileSizes:
        """Of a rack with these locations, as they were a minute ago at most."""
        if not codes:
            return {}  # whatever is asked for: names that there are none of are kept nowhere
        made_s, known, sizes = self._known.get(rack, (0.0, (), {}))
        if known != codes or time.monotonic() - made_s > KEPT_S:
            sizes = _sizes(connection, codes, products)
            self._known[rack] = (time.monotonic(), codes, sizes)
        return sizes


def _sizes(connection: Connection, codes: Sequence[str], products: Products) -> TileSizes:
    sizes, choices, free = dict.fromkeys(codes, 0), set[tuple[str, ...]](), FRAME_BYTES
    for code, states in _states(connection, codes):
        named = {(one["agent"], one["camera"]) for one in states} | {(_family(one, products),) for one in states}
        above = sum(CHOICE_BYTES + 2 * _length(*each) for each in named - choices)
        choices |= named
        free -= above
        tile = max(_tile_bytes(one, products) for one in states) + CONFLICT_BYTES * (len(states) > 1)
        sizes[code] = tile + min(above, max(0, -free))
    return sizes


def _tile_bytes(state: ShownRow, products: Products) -> int:
    """About how long a tile is as HTML, at most."""
    code, expected = state["location"], (state["expected"] or {}).get("sku")
    seen = {} if state["verdict"] == Verdict.MATCH else state["seen"] or {}
    address = _length(state["agent"], state["camera"], code) + NOW_BYTES
    photo = PHOTO_BYTES if products.address(expected) else 0
    shown = (code, expected or "", seen.get("sku") or seen.get("category") or "", _family(state, products))
    names = sum(len(html.escape(text).encode(errors="replace")) for text in shown)
    return TILE_BYTES + _length(code) + max(0, address) + photo + names


def _family(state: ShownRow, products: Products) -> str:
    known = products.family((state["expected"] or {}).get("sku"))
    return known or (state["seen"] or {}).get("category") or ""


def _length(*names: str) -> int:
    """Of names in an address."""
    return sum(len(quote(name, safe="", errors="replace")) for name in names)


def _states(connection: Connection, codes: Sequence[str]) -> Iterable[tuple[str, list[dict[str, Any]]]]:
    """What each agent says of each location, with its name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for portion in portions(codes):
        chosen = select(latest.c.agent, latest.c.subject, latest.c.payload).where(
            latest.c.kind == "state", latest.c.subject.in_(portion)
        )
        for row in connection.execute(chosen):
            found.setdefault(row.subject, []).append({**message_data(row), "agent": row.agent})
    return found.items()
