"""The health page of `kardus-wms deliver`: the condition of each target."""

from collections.abc import Mapping

from kardus.support.health_page import HealthReport, health_report
from warehouse.connectors.deliver.worker import TargetStatus

COUNTERS = frozenset({"delivered", "passed_over", "refused"})
"""What only grows while the command runs."""


def report(statuses: Mapping[str, TargetStatus]) -> HealthReport:
    """Of targets by their names; it is well where none has a problem."""
    return health_report("kardus_deliver_", COUNTERS, statuses, "target")
