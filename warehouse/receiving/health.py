"""The health page of `kardus-wms receive`."""

from dataclasses import replace
from pathlib import Path

from kardus.mqtt.certificates import certificate_end
from kardus.support.health_page import HealthReport, health_report
from warehouse.receiving.receiver import ReceiverStatus

COUNTERS = frozenset({"events", "duplicates", "pictures", "dead_letters", "transactions", "acks", "resends", "deleted"})
"""What only grows while the command runs."""


def report(status: ReceiverStatus, certificate: Path | None = None) -> HealthReport:
    """It is well where it is connected and can store."""
    if not status.connected and not status.problem:
        status = replace(status, problem="it isn't connected yet")
    return health_report("kardus_receive_", COUNTERS, {"": status}, expiry=certificate_end(certificate))
