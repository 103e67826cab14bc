"""How much of the warehouse is verified now: by aisle and by product family."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic_core import from_json
from sqlalchemy import Connection, select

from kardus.contract.messages import is_void
from kardus.contract.verdicts import Verdict, is_verified
from warehouse.report.aisles import aisle_of, walking_order
from warehouse.store.tables import latest

WITHIN = timedelta(days=1)
"""A picture of that time counts."""


@dataclass(frozen=True)
class CoverageCount:
    """Of an aisle or a family."""

    name: str
    total: int
    """Locations that the WMS manages."""
    verified: int
    """Of which it is known what stands there, by a picture of the last 24 hours."""

    @property
    def share(self) -> float:
        """The share that is verified, from 0 to 1."""
        return self.verified / self.total if self.total else 0.0


def coverage_now(
    connection: Connection, now: datetime, family_of: Callable[[str | None, str], str], aisle: re.Pattern[str]
) -> tuple[list[CoverageCount], list[CoverageCount]]:
    """By aisle in walking order, and by family; a location is verified where any of its agents knows.

    Args:
        connection: to read by.
        now: the moment.
        family_of: of the expected product and the seen family; empty: not known.
        aisle: finds the aisle in a location's code.
    """
    verified: dict[str, bool] = {}
    families: dict[str, str] = {}
    for code, payload in connection.execute(select(latest.c.subject, latest.c.payload).where(latest.c.kind == "state")):
        said = from_json(payload, cache_strings="keys")["data"]
        if said["verdict"] == Verdict.UNMANAGED.value:
            continue
        verified[code] = verified.get(code, False) or _is_known(said, now)
        expected, seen = said.get("expected") or {}, said.get("seen") or {}
        families[code] = families.get(code) or family_of(expected.get("sku"), seen.get("category") or "")
    aisles = _counted((aisle_of(code, aisle), known) for code, known in verified.items())
    by_family = _counted((families[code], known) for code, known in verified.items() if families[code])
    return sorted(aisles, key=lambda one: walking_order(one.name)), sorted(by_family, key=lambda one: one.name)


def _is_known(said: dict[str, object], now: datetime) -> bool:
    last, until = said.get("last_verified"), datetime.fromisoformat(str(said["valid_until"]))
    moment = datetime.fromisoformat(str(last)) if last else None
    return not is_void(until, now) and is_verified(Verdict(str(said["verdict"])), moment, now - WITHIN)


def _counted(pairs: Iterable[tuple[str, bool]]) -> list[CoverageCount]:
    total, verified = Counter[str](), Counter[str]()
    for name, known in pairs:
        total[name] += 1
        verified[name] += known
    return [CoverageCount(name, number, verified[name]) for name, number in total.items()]
