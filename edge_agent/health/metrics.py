"""What the agent counts, for Prometheus. Names and labels are listed in docs/operation.md."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edge_agent.contract.verdicts import Verdict

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Bounds of the histograms of durations."""


class Metrics:
    """One agent's counters. To count is to add to a number in memory."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.registry = CollectorRegistry()
        self.frames = self._counter("kardus_frames", "Pictures taken.", "camera")
        self.refused = self._counter("kardus_frames_refused", "Pictures that couldn't be trusted.", "camera", "problem")
        self.lost = self._counter("kardus_signal_lost", "Times that a camera gave no picture.", "camera")
        self.at_rest = self._counter("kardus_slots_skipped", "Slots that weren't classified, nothing having changed.")
        self.classified = self._counter("kardus_classifications", "Crops that were classified.")
        self.events = self._counter("kardus_events", "Changes of verdict.", "verdict")
        self.connections = self._counter("kardus_mqtt_connections", "Connections that the broker accepted.")
        self.commands = self._counter("kardus_commands", "Commands answered.", "command", "outcome")
        self.expected_refused = self._counter("kardus_expected_refused", "Expected stock that was refused.")
        self.harvested = self._counter("kardus_harvested", "Crops kept for training.", "reason")
        self.classify_s = self._histogram("kardus_classify_seconds", "One batch through the model.")
        self.cycle_s = self._histogram("kardus_cycle_seconds", "From pictures taken to events stored.")
        self.camera_ok = Gauge(
            "kardus_camera_ok", "1 while a camera gives pictures to be trusted.", ["camera"], registry=self.registry
        )
        self.model = Gauge("kardus_model_info", "The model in use.", ["name", "version"], registry=self.registry)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(name, what, labels, registry=self.registry)

    def _histogram(self, name: str, what: str) -> Histogram:
        return Histogram(name, what, registry=self.registry, buckets=SECONDS)


class HasVerdict(Protocol):
    """A location's state."""

    @property
    def verdict(self) -> Verdict:
        """What is found there."""


class Present(Collector):
    """What is asked for only when somebody looks: locations by verdict, the outbox, the connection."""

    def __init__(
        self, states: Mapping[str, HasVerdict], depth: Callable[[], int], connected: Callable[[], bool]
    ) -> None:
        """Keep whom to ask."""
        self._states = states
        self._depth = depth
        self._connected = connected

    def collect(self) -> Iterable[Metric]:
        """Ask."""
        tally = Tally(state.verdict for state in list(self._states.values()))
        locations = GaugeMetricFamily("kardus_locations", "Locations by their verdict.", labels=["verdict"])
        for verdict in Verdict:
            locations.add_metric([verdict], tally.get(verdict, 0))
        yield locations
        yield GaugeMetricFamily("kardus_outbox_messages", "Messages that wait for the broker.", value=self._depth())
        yield GaugeMetricFamily(
            "kardus_mqtt_connected", "1 while the broker has accepted the connection.", value=int(self._connected())
        )
