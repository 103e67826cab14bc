"""Which locations each rack has: read for every page, sorted only when they have changed."""

from sqlalchemy import Connection, select

from warehouse.console.pages.content.places import CodePatterns, place_of
from warehouse.report.aisles import walking_order
from warehouse.store.tables import latest

_CODES = select(latest.c.subject).distinct().where(latest.c.kind == "state").order_by(latest.c.subject)


class RackCodes:
    """The codes of one site's racks. For any thread: what is known is replaced as a whole."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._known: tuple[list[str], dict[str, list[str]]] = ([], {})

    def of_rack(self, connection: Connection, rack: str, patterns: CodePatterns) -> list[str]:
        """The codes of a rack's locations, in walking order; empty: no agent watches it."""
        codes = [code for (code,) in connection.execute(_CODES).all()]
        known, racks = self._known
        if codes != known:
            racks = _by_rack(codes, patterns)
            self._known = (codes, racks)
        return racks.get(rack, [])


def _by_rack(codes: list[str], patterns: CodePatterns) -> dict[str, list[str]]:
    racks: dict[str, list[str]] = {}
    for code in codes:
        racks.setdefault(place_of(code, patterns).rack, []).append(code)
    return {rack: sorted(found, key=walking_order) for rack, found in racks.items()}
