"""Looks after the agent from the side: the page for probes and the service manager's watchdog."""

from prometheus_client import CollectorRegistry

from edge_agent.config.sections import HealthSection
from edge_agent.health.server import HealthServer
from kardus.support.systemd import Watchdog, notify, watchdog_s
from kardus.support.vitals import Vitals


class HealthMonitor:
    """Starts and stops what looks after the agent."""

    def __init__(self, settings: HealthSection, vitals: Vitals, registry: CollectorRegistry) -> None:
        """Listen, where a port is configured.

        Raises:
            ConfigError: the port can't be listened on.
        """
        self.is_ready = vitals.is_ready
        """To be set once the agent has begun to look."""
        wanted_s = watchdog_s()
        self._watchdog = Watchdog(vitals, wanted_s) if wanted_s else None
        self._server = HealthServer(settings.host, settings.port, vitals, registry) if settings.port else None

    def start(self) -> None:
        """Begin to answer, and to give signs of life. A camera that isn't there is no reason not to have started."""
        if self._server:
            self._server.start()
        if self._watchdog:
            self._watchdog.start()
        notify("READY=1")

    def stop(self) -> None:
        """The agent stops."""
        notify("STOPPING=1")
        if self._watchdog:
            self._watchdog.stop()
        if self._server:
            self._server.stop()
