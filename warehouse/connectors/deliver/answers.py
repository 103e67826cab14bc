"""What an HTTP status says of the event that was sent."""

import httpx2

from warehouse.connectors.errors import ConnectorError

_NOT_THE_EVENTS_FAULT = frozenset(
    {
        httpx2.codes.UNAUTHORIZED,
        httpx2.codes.FORBIDDEN,
        httpx2.codes.NOT_FOUND,
        httpx2.codes.METHOD_NOT_ALLOWED,
        httpx2.codes.PROXY_AUTHENTICATION_REQUIRED,
        httpx2.codes.REQUEST_TIMEOUT,
        httpx2.codes.TOO_EARLY,
        httpx2.codes.TOO_MANY_REQUESTS,
    }
)
"""Password, rights, address or haste: another event would fare no better."""


def is_refusal(error: ConnectorError) -> bool:
    """Whether the server refuses this event and no other, so that it says nothing of the next one."""
    return 400 <= error.status < 500 and error.status not in _NOT_THE_EVENTS_FAULT  # noqa: PLR2004
