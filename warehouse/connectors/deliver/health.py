"""What the health page of `kardus-wms deliver` says: how it goes with each target."""

from collections.abc import Mapping
from dataclasses import asdict

from warehouse.connectors.deliver.worker import TargetStatus
from warehouse.connectors.health_page import HealthReport, metrics

COUNTERS = frozenset({"delivered", "passed_over", "refused"})
"""What only grows while the command runs."""


def report(statuses: Mapping[str, TargetStatus]) -> HealthReport:
    """Of targets by their names; it is well where none has a problem."""
    told = {name: asdict(status) for name, status in statuses.items()}
    labelled = {f'target="{name}"': status for name, status in statuses.items()}
    is_well = not any(status.problem for status in statuses.values())
    return HealthReport(is_well, told, metrics("kardus_deliver_", labelled, COUNTERS))
