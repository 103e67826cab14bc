"""What the page needs beside the console."""

from dataclasses import dataclass, field

from kardus.support.time_zone import UTC_ZONE, TimeZone
from warehouse.console.sessions import OneTimeLinks


@dataclass(frozen=True)
class PageSettings:
    """How the page is served."""

    encrypted: bool = False
    """Whether clients reach it by TLS alone."""
    zone: TimeZone = UTC_ZONE
    """By whose clock moments are shown."""
    links: OneTimeLinks = field(default_factory=OneTimeLinks)
