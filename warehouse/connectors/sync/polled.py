"""What every source that is asked over HTTP has in common: nothing tells it of a change, and its requests can end."""

import threading
from typing import Protocol


class StoppableClient(Protocol):
    """A client that a source asks by, and that can be stopped."""

    def stop(self) -> None:
        """Let a request under way end soon; from any thread."""

    def close(self) -> None:
        """Let go of its connections."""


class PolledSource:
    """A source that is asked again after the whole interval."""

    def __init__(self, *clients: StoppableClient) -> None:
        """Say what it asks by, in the order in which they are stopped and closed."""
        self._clients = clients

    def wait(self, stopping: threading.Event, seconds: float) -> None:
        """The whole interval: nothing tells."""
        stopping.wait(seconds)

    def stop(self) -> None:
        """Let a request under way end."""
        for client in self._clients:
            client.stop()

    def close(self) -> None:
        """Close the clients."""
        for client in self._clients:
            client.close()
