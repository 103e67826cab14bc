"""Tells by the HTTP status of an answer whether the event that was sent is refused."""

import httpx2

from warehouse.connectors.errors import ConnectorError

_THE_EVENTS_FAULT = frozenset(
    {
        httpx2.codes.BAD_REQUEST,
        httpx2.codes.CONFLICT,
        httpx2.codes.CONTENT_TOO_LARGE,
        httpx2.codes.UNPROCESSABLE_CONTENT,
    }
)
"""What is said of a body. All else is of password, rights, address, form or haste, or a proxy's own (460, 499): another
event would fare no better."""


def is_refusal(error: ConnectorError) -> bool:
    """Whether the server refuses this event and no other, so that it says nothing of the next one."""
    return is_refused_with(error.status)


def is_refused_with(status: int) -> bool:
    """Whether a status says so, of an answer or in problem details (RFC 9457)."""
    return status in _THE_EVENTS_FAULT
