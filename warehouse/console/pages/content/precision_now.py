"""Keeps how often the cameras are right: computed anew when somebody has said something, not for each who looks."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from warehouse.console.pages.words.languages import N_
from warehouse.store.tables import labels
from warehouse.teaching.precision import By, ClaimPrecision, precisions

CLAIMS = {
    "alert": N_("Alerts: something was wrong indeed"),
    "match": N_("Matches, of locations that chance drew: all was well indeed"),
    "product": N_("Products named: that one stood there"),
}
"""What was claimed, in words."""


class PrecisionNow:
    """Of one site. For any thread: what is known is replaced as a whole. Labels are only ever added."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._known: tuple[int, list[ClaimPrecision]] = (-1, [])

    def all(self, connection: Connection) -> list[ClaimPrecision]:
        """Every claim's, of all, by camera and by product."""
        newest = connection.execute(select(func.coalesce(func.max(labels.c.number), 0))).scalar_one()
        number, found = self._known
        if number != newest:
            found = precisions(connection)
            self._known = (newest, found)
        return found

    def of(self, connection: Connection, kinds: Sequence[tuple[By, str]]) -> list[ClaimPrecision]:
        """Of these alone, in this order: `all` and an empty key, a camera (`AGENT/CAMERA`), a product."""
        found = self.all(connection)
        return [one for kind in kinds for one in found if (one.by, one.key) == kind]
