"""A Kafka topic: each event as the agent wrote it (CloudEvents, structured mode), the location as its key."""

import contextlib
import time
from collections.abc import Sequence
from typing import Any

from kardus.support.errors import DataError, UsageError
from warehouse.connectors.deliver.kafka_settings import KafkaSettings
from warehouse.connectors.deliver.target import Outgoing, Refusals, TargetError
from warehouse.connectors.secret import secret

try:
    from confluent_kafka import KafkaError, KafkaException, Message, Producer
except ImportError as error:
    raise DataError('kind = "kafka": needs confluent-kafka: install Kardus with the extra `kafka`') from error

TIMEOUT_S = 30.0
"""For a batch, from the first event to the last acknowledgement."""
STOP_S = 2.0
_REFUSED = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
        KafkaError.POLICY_VIOLATION,
    }
)
"""What a broker says of one record; everything else is of the topic, the rights or the cluster."""
CONTENT_TYPE = "application/cloudevents+json; charset=UTF-8"


class KafkaTarget:
    """An idempotent producer: what is sent again by itself is kept once by the brokers, in order for each location."""

    def __init__(self, key: str, settings: KafkaSettings) -> None:
        """Prepare; nothing is asked yet.

        Raises:
            ConfigError: the password can't be read.
            UsageError: an option isn't librdkafka's.
        """
        self.name = f"{settings.bootstrap}/{settings.topic}"
        self.batch = settings.batch
        self._settings = settings
        self._is_stopping = False
        self._fatal = ""
        """Why the producer does nothing more, whatever the brokers say by now; empty: it does."""
        self._words = _configuration(key, settings)
        try:
            self._producer = Producer(self._words)
        except (KafkaException, ValueError) as error:
            raise UsageError(f"{key}.options: {_reason(error)}: see librdkafka's CONFIGURATION.md") from error

    def wants(self, outgoing: Outgoing) -> bool:
        """Whether the file's `what` chooses this event."""
        return outgoing.is_wanted(self._settings.what)

    def send(self, events: Sequence[Outgoing]) -> Refusals:
        """Produce them, and wait until the brokers have acknowledged each."""
        self._replace_if_over()
        refused: dict[int, str] = {}
        failed: list[str] = []
        taken: set[int] = set()

        def settle(number: int, error: KafkaError | None) -> None:
            if error is None:
                taken.add(number)
            elif error.code() in _REFUSED:
                refused[number] = error.str()
            else:
                failed.append(error.str())

        try:
            for one in events:
                self._produce(one, settle)
            self._wait(lambda: len(taken) + len(refused) + len(failed) == len(events))
        except KafkaException as error:  # what `poll` raises is of the producer, for good
            self._fatal = _reason(error)
        if self._fatal or failed or len(taken) + len(refused) < len(events):
            self._give_up()
            reason = self._fatal or (failed[0] if failed else f"no answer within {TIMEOUT_S:g} s")
            raise TargetError(f"{self.name}: {reason}")
        return refused

    def stop(self) -> None:
        """Wait no longer for acknowledgements."""
        self._is_stopping = True

    def close(self) -> None:
        """Give up what is on its way: it is sent again."""
        self._give_up()
        with contextlib.suppress(KafkaException):
            self._producer.flush(STOP_S)

    def _give_up(self) -> None:
        """What is on its way is sent again."""
        try:
            self._producer.purge(in_queue=True, in_flight=True)
            self._producer.poll(0)
        except KafkaException as error:
            self._fatal = _reason(error)

    def _replace_if_over(self) -> None:
        """An idempotent producer that has met a fatal error (a right that it lacks, lost numbers) takes no more."""
        if self._fatal:
            self._producer, self._fatal = Producer(self._words), ""

    def _produce(self, one: Outgoing, settle: Any) -> None:
        def answered(error: KafkaError | None, _message: Message) -> None:
            settle(one.number, error)

        headers = [("content-type", CONTENT_TYPE), ("ce_id", one.envelope.id)]
        words: dict[str, Any] = {"key": one.location.encode(), "value": one.payload.encode(), "headers": headers}
        try:
            self._producer.produce(self._settings.topic, **words, on_delivery=answered)
        except KafkaException as error:
            settle(one.number, error.args[0])
        except BufferError as error:
            raise TargetError(f"{self.name}: {error}") from error

    def _wait(self, is_over: Any) -> None:
        deadline_s = time.monotonic() + TIMEOUT_S  # poll comes back with each acknowledgement
        while not is_over() and time.monotonic() < deadline_s and not self._is_stopping:
            self._producer.poll(0.1)


def _configuration(key: str, settings: KafkaSettings) -> dict[str, Any]:
    found: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap,
        "client.id": "kardus",
        "enable.idempotence": True,
        "linger.ms": 5,
        "message.timeout.ms": round(1000 * TIMEOUT_S),
        "log_level": 0,
        **settings.options,
    }
    if settings.ca_file is not None:
        found["ssl.ca.location"] = str(settings.ca_file)
    if settings.password_file is not None:
        found["sasl.password"] = secret(f"{key}.password_file", settings.password_file)
    return found


def _reason(error: Exception) -> str:
    told = error.args[0] if error.args else error
    return told.str() if isinstance(told, KafkaError) else str(told)
