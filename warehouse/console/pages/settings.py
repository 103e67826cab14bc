"""What the page needs beside the console."""

import re
from dataclasses import dataclass, field

from kardus.support.time_zone import UTC_ZONE, TimeZone
from warehouse.console.pages.places import RACK_PATTERN
from warehouse.console.pages.products import Products
from warehouse.console.pages.snapshots import Snapshots
from warehouse.console.sessions import OneTimeLinks


@dataclass(frozen=True)
class PageSettings:
    """How the page is served."""

    encrypted: bool = False
    """Whether clients reach it by TLS alone."""
    zone: TimeZone = UTC_ZONE
    """By whose clock moments are shown."""
    links: OneTimeLinks = field(default_factory=OneTimeLinks)
    products: Products = field(default_factory=Products)
    """With their photos, to be shown beside what is seen."""
    rack: re.Pattern[str] = RACK_PATTERN
    """Finds the rack in a location's code."""
    snapshots: Snapshots = field(default_factory=Snapshots)
