"""Whether the broker is there, and was all the time: one that was started again may have forgotten what it retained."""

from collections.abc import Callable

from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import BrokerError

Presence = tuple[int, int]
"""Which connection it is; another one after each loss."""


class BrokerWatch:
    """A connection that is only there to be lost. Used by one thread, but for `on_loss`, which is called from another.

    It connects again by itself; one that is found broken is replaced, so that whoever asks isn't kept waiting for it.
    """

    def __init__(self, broker: BrokerSettings, on_loss: Callable[[], None]) -> None:
        """Prepare; connects when it is asked. `on_loss` must return quickly."""
        self._broker, self._on_loss = broker, on_loss
        self._client: MqttClient | None = None
        self._clients = 0

    def presence(self) -> Presence:
        """Which connection to the broker is the present one.

        Raises:
            BrokerError: there is none, and none can be had.
        """
        client = self._client
        if client is None or client.connection is None:
            self.close()
            client = self._client = MqttClient(self._broker, on_lost=self._on_loss)
            self._clients += 1
        number = client.connection
        if number is None:
            raise BrokerError(client.problem)
        return self._clients, number

    def close(self) -> None:
        """Disconnect."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
