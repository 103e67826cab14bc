"""For how long a server wants to be left alone (RFC 9110, section 10.2.3): seconds, or a date."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_S = 3600.0
"""Nobody is left alone for longer: the other side's clock, or its mind, may be wrong."""


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float:
    """Seconds, 0 to MAX_RETRY_AFTER_S; 0 where nothing readable is said. A date is compared with the server's own."""
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return min(MAX_RETRY_AFTER_S, float(said[:9]))
    until, since = _moment(said), _moment(headers.get("date", "")) or now
    return min(MAX_RETRY_AFTER_S, max(0.0, (until - since).total_seconds())) if until else 0.0


def _moment(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
