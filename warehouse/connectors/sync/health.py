"""The condition of `kardus-wms sync`, and its health page."""

from dataclasses import dataclass, replace
from pathlib import Path

from kardus.mqtt.certificates import certificate_end
from kardus.support.health_page import HealthReport, health_report

COUNTERS = frozenset({"rounds", "published"})
"""What only grows while the command runs."""


@dataclass
class SyncStatus:
    """How it goes; printed as a line of JSON with `--json`."""

    rounds: int = 0
    """Times that the WMS was asked."""
    managed: int = 0
    """Locations that are managed, by its last answer."""
    published: int = 0
    """Expectations published since the start."""
    unclear: int = 0
    """Rows of the last answer that couldn't be told for sure: their locations stay as they are."""
    elsewhere: int = 0
    """Rows of stock at locations that aren't managed."""
    hidden: int = 0
    """Locations that the broker retains and that a wildcard subscription doesn't show: of such ones, those that the WMS
    gave up while this command was down stay managed, unless it remembers them."""
    failures: int = 0
    """Questions in a row that failed, or whose answer wasn't taken."""
    problem: str = ""
    """Why; empty: the expectations equal the last answer."""
    equal_unix_s: float = 0.0
    """When they did so last; 0: never."""


def report(status: SyncStatus, certificate: Path | None = None) -> HealthReport:
    """It is well where nothing is wrong with the last answer, and there was one."""
    if not status.equal_unix_s and not status.problem:
        status = replace(status, problem="the WMS hasn't answered yet")
    return health_report("kardus_sync_", COUNTERS, {"": status}, expiry=certificate_end(certificate))
