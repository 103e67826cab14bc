"""Cursors, which say as an opaque text where a page of a list ends: the key of its last row, behind which it goes on.

Never a count of rows: what is added or deleted in between moves nothing, and the millionth row costs as much as the
first. A cursor is of no use to another list, or with another order.
"""

import base64
import json
from collections.abc import Sequence

from warehouse.console.problems import ProblemError

MAX_LENGTH = 600
SortKey = Sequence[str | int]


def cursor_of(kind: str, key: SortKey) -> str:
    """The text of a key of a list."""
    return base64.urlsafe_b64encode(json.dumps([kind, *key], separators=(",", ":")).encode()).decode().rstrip("=")


def key_from_cursor(kind: str, cursor: str | None, types: Sequence[type[str] | type[int]]) -> list[str | int] | None:
    """The key; None: there is no cursor, and the list begins.

    Raises:
        ProblemError: 400: it isn't one of this list's.
    """
    if cursor is None:
        return None
    try:
        found = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        found = None
    wanted = (str, *types)
    if isinstance(found, list) and len(found) == len(wanted) and found[0] == kind:
        key = found[1:]
        if all(type(part) is kind_ for part, kind_ in zip(key, types, strict=True)) and all(map(_is_storable, key)):
            return key
    raise ProblemError(400, "cursor: not one that this list gave: leave it out to begin anew")


def _is_storable(part: str | int) -> bool:
    if isinstance(part, int):
        return abs(part) < 2**63
    return "\x00" not in part and part.isascii() | (part.encode("utf-8", "replace").decode() == part)
