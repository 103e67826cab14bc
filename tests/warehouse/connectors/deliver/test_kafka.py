"""What only Kafka's library does: a producer that has met a fatal error takes nothing more, for good."""

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from tests.publishers import Publisher
from tests.warehouse.connectors.deliver.making import queue_of, settings_of
from tests.warehouse.connectors.deliver.rigs import KafkaRig
from tests.warehouse.receiving.making import write
from warehouse.connectors.deliver.kafka import KafkaTarget
from warehouse.connectors.deliver.settings import make_targets
from warehouse.connectors.deliver.target import TargetError
from warehouse.store.database import Database


class EndingProducer(Producer):
    """The library's, as a fatal error ends it: no public call of it, nor a mock broker, brings one about."""

    def produce(self, *_: Any, **__: Any) -> None:
        """Taken, and never told."""

    def poll(self, *_: Any) -> int:
        """Raises what nobody has asked to be called for."""
        raise _fatal_error()

    def flush(self, *_: Any) -> int:
        """Polls."""
        return self.poll()


class EndedProducer(EndingProducer):
    """The same, when it has ended."""

    def produce(self, *_: Any, **__: Any) -> None:
        """Refused."""
        raise _fatal_error()


def _fatal_error() -> KafkaException:
    return KafkaException(KafkaError(KafkaError._FATAL, "tested", fatal=True))


@pytest.mark.parametrize("broken", [EndingProducer, EndedProducer])
def test_after_a_fatal_error_it_is_told_by_a_new_producer(
    tmp_path: Path, database: Database, broken: type[Producer]
) -> None:
    rig = KafkaRig()
    (target,) = make_targets(settings_of(tmp_path, rig.text)).values()
    assert isinstance(target, KafkaTarget)
    queue = queue_of(database)
    write(database, *Publisher().events(2))
    first, second = queue.fresh(2)
    assert target.send([first]) == {}
    target._producer = broken(target._words)
    with pytest.raises(TargetError, match=r": tested$"):
        target.send([second])
    assert target.send([second]) == {}
    assert len(rig.told()) == 2
    target._producer = broken(target._words)
    target.close()
