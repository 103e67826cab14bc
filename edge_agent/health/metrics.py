"""What the agent counts, for Prometheus. Names and labels are listed in docs/operation.md."""

import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kardus.contract.verdicts import Verdict
from kardus.mqtt.certificates import certificate_end
from kardus.support.health_page import EXPIRY_METRIC

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
        self.doubts = self._counter(
            "kardus_view_doubts", "Times that a view was doubted for its many alerts.", "camera"
        )
        self.corrected = self._counter(
            "kardus_frames_corrected", "Pictures whose crops' colours were corrected.", "camera"
        )
        self.rack_checks = self._counter("kardus_rack_checks", "Readings of a rack's labels.", "camera", "outcome")
        self.cartons_read = self._counter("kardus_cartons_read", "Cartons whose codes were looked for.", "outcome")
        self.at_rest = self._counter("kardus_slots_skipped", "Slots that weren't classified, nothing having changed.")
        self.classified = self._counter("kardus_classifications", "Crops that were classified.")
        self.events = self._counter("kardus_events", "Changes of verdict.", "verdict")
        self.unrecorded = self._counter("kardus_recording_dropped", "Pictures that weren't recorded in time.")
        self.connections = self._counter("kardus_mqtt_connections", "Connections that the broker accepted.")
        self.connections_lost = self._counter("kardus_mqtt_connections_lost", "Connections that were lost.", "reason")
        self.commands = self._counter("kardus_commands", "Commands answered.", "command", "outcome")
        self.expected_refused = self._counter("kardus_expected_refused", "Expected stock that was refused.")
        self.acks_refused = self._counter("kardus_acks_refused", "Acknowledgements by the WMS side that were refused.")
        self.harvested = self._counter("kardus_harvested", "Crops kept for training.", "reason")
        self.classify_s = self._histogram("kardus_classify_seconds", "One batch through the model.")
        self.cycle_s = self._histogram("kardus_cycle_seconds", "From pictures taken to events stored.")
        self.camera_ok = Gauge(
            "kardus_camera_ok", "1 while a camera gives pictures to be trusted.", ["camera"], registry=self.registry
        )
        self.storage_ok = Gauge("kardus_storage_ok", "1 while what is decided can be stored.", registry=self.registry)
        self.storage_ok.set(1)
        self.model_phases = self._counter("kardus_model_phases", "Steps of changes of the model.", "phase")
        self.model = Gauge("kardus_model_info", "The model in use.", ["name", "version"], registry=self.registry)
        self.provider = Gauge(
            "kardus_model_provider_share",
            "Each execution provider's share of a run of the model.",
            ["provider", "arithmetic"],
            registry=self.registry,
        )

    def show_model(self, name: str, version: str, shares: Mapping[str, float], arithmetic: str) -> None:
        """Name the model in use, and what it was seen to run on (each provider's share of a run, 0..1)."""
        self.model.clear()
        self.model.labels(name, version).set(1)
        self.provider.clear()
        for provider, share in shares.items():
            self.provider.labels(provider, arithmetic).set(share)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(name, what, labels, registry=self.registry)

    def _histogram(self, name: str, what: str) -> Histogram:
        return Histogram(name, what, registry=self.registry, buckets=SECONDS)


class CertificateCollector(Collector):
    """When the agent's certificate for the broker ends; nothing where it has none."""

    def __init__(self, certificate: Path | None) -> None:
        """Its file, which is read whenever somebody looks: a renewed one takes its place."""
        self._certificate = certificate

    def collect(self) -> Iterable[Metric]:
        """The metric as it is now."""
        end = certificate_end(self._certificate)
        if end:
            what = "When the certificate for the broker ends, in Unix seconds."
            yield GaugeMetricFamily(f"kardus_{EXPIRY_METRIC}", what, value=end.timestamp())


class HasVerdict(Protocol):
    """A location's state."""

    @property
    def verdict(self) -> Verdict:
        """What is found there."""


class HasDepth(Protocol):
    """What waits in the outbox."""

    @property
    def messages(self) -> Mapping[Any, int]:
        """How many of each kind."""

    @property
    def unconfirmed(self) -> int:
        """How many events the WMS side hasn't confirmed."""

    @property
    def oldest_unix_s(self) -> float | None:
        """Since when the oldest waits."""


class HasLosses(Protocol):
    """What the outbox gave up."""

    @property
    def dropped(self) -> Mapping[Any, int]:
        """How many of each kind."""

    @property
    def hung_up_on(self) -> int:
        """How many messages the broker hung up on."""

    @property
    def damaged(self) -> int:
        """How often it was damaged."""


class HasOutbox(Protocol):
    """The outbox."""

    @property
    def losses(self) -> HasLosses:
        """What it gave up."""

    def depth(self) -> HasDepth:
        """What waits."""


class StateCollector(Collector):
    """What is asked for only when somebody looks: locations by verdict, streams, the outbox, the connection."""

    def __init__(
        self,
        states: Mapping[str, HasVerdict],
        outbox: HasOutbox,
        connected: Callable[[], bool],
        resting: Callable[[], Mapping[str, bool]],
    ) -> None:
        """Keep the parts that it uses; all may be asked from any thread."""
        self._states = states
        self._outbox = outbox
        self._connected = connected
        self._resting = resting

    def collect(self) -> Iterable[Metric]:
        """The metrics as they are now."""
        tally = Tally(state.verdict for state in list(self._states.values()))
        locations = GaugeMetricFamily("kardus_locations", "Locations by their verdict.", labels=["verdict"])
        for verdict in Verdict:
            locations.add_metric([verdict], tally.get(verdict, 0))
        yield locations
        what = "1 while no frame of the camera's stream is decoded but those that are looked at."
        streams = GaugeMetricFamily("kardus_camera_stream_rests", what, labels=["camera"])
        for camera, rests in self._resting().items():
            streams.add_metric([camera], int(rests))
        yield streams
        yield from self._messages()
        yield GaugeMetricFamily(
            "kardus_mqtt_connected", "1 while the broker has accepted the connection.", value=int(self._connected())
        )

    def _messages(self) -> Iterable[Metric]:
        depth, losses = self._outbox.depth(), self._outbox.losses
        waiting = GaugeMetricFamily("kardus_outbox_messages", "Messages that wait for the broker.", labels=["kind"])
        for kind, number in depth.messages.items():
            waiting.add_metric([kind], number)
        yield waiting
        age_s = max(0.0, time.time() - depth.oldest_unix_s) if depth.oldest_unix_s else 0.0
        yield GaugeMetricFamily("kardus_outbox_oldest_seconds", "How long the oldest of them has waited.", value=age_s)
        yield GaugeMetricFamily(
            "kardus_outbox_unconfirmed", "Events that the WMS side hasn't confirmed.", value=depth.unconfirmed
        )
        dropped = CounterMetricFamily("kardus_outbox_dropped", "Messages dropped under pressure.", labels=["kind"])
        for kind, number in losses.dropped.items():
            dropped.add_metric([kind], number)
        yield dropped
        yield CounterMetricFamily(
            "kardus_outbox_set_aside", "Messages that the broker hung up on.", value=losses.hung_up_on
        )
        yield CounterMetricFamily("kardus_outbox_damaged", "Times that it was damaged.", value=losses.damaged)
