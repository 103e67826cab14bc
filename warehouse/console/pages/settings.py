"""The settings and shared state of the page's routes."""

from dataclasses import dataclass, field
from pathlib import Path

from kardus.support.time_zone import UTC_ZONE, TimeZone
from warehouse.console.agents.bundles import Bundles
from warehouse.console.identity.sessions import OneTimeLinks
from warehouse.console.pages.content.label_searches import LabelSearches
from warehouse.console.pages.content.places import CodePatterns
from warehouse.console.pages.content.precision_now import PrecisionNow
from warehouse.console.pages.content.products import Products
from warehouse.console.pages.content.rack_codes import RackCodes
from warehouse.console.pages.content.rack_sizes import RackSizes
from warehouse.console.pages.content.snapshots import Snapshots
from warehouse.console.pages.content.unannounced_changes import UnannouncedChanges
from warehouse.oidc.provider import IdentityProvider


@dataclass(frozen=True)
class PageSettings:
    """What the page's routes need beside the console."""

    encrypted: bool = False
    """Whether clients reach it by TLS alone."""
    zone: TimeZone = UTC_ZONE
    """By whose clock moments are shown."""
    links: OneTimeLinks = field(default_factory=OneTimeLinks)
    products: Products = field(default_factory=Products)
    """With their photos, to be shown beside what is seen."""
    patterns: CodePatterns = field(default_factory=CodePatterns)
    """Find aisle and rack in a location's code."""
    codes: RackCodes = field(default_factory=RackCodes)
    sizes: RackSizes = field(default_factory=RackSizes)
    precision: PrecisionNow = field(default_factory=PrecisionNow)
    snapshots: Snapshots = field(default_factory=Snapshots)
    bundles: Bundles = field(default_factory=Bundles)
    """What may be offered to agents."""
    requests: Path | None = None
    """Where requests for new products are made, and answered; None: they aren't."""
    provider: IdentityProvider | None = None
    """By which people may sign in too."""
    unannounced: UnannouncedChanges = field(default_factory=UnannouncedChanges)
    searches: LabelSearches = field(default_factory=LabelSearches)
