"""What only Kafka's library does: a producer that has met a fatal error takes nothing more, for good."""

import ctypes
from pathlib import Path

import confluent_kafka
import pytest

from tests.publishers import Publisher
from tests.warehouse.connectors.deliver.making import queue_of, settings_of
from tests.warehouse.connectors.deliver.rigs import KafkaRig
from tests.warehouse.receiving.making import write
from warehouse.connectors.deliver.kafka import KafkaTarget
from warehouse.connectors.deliver.settings import make_targets
from warehouse.connectors.deliver.target import TargetError
from warehouse.store.database import Database

_INVALID_PRODUCER_EPOCH = 47
_HANDLE_AT = 16
"""Where librdkafka's handle is in the Python object: after its head."""


def _break_for_good(target: KafkaTarget) -> None:
    """By librdkafka's own function for tests: its mock brokers can't be told to."""
    (path,) = Path(confluent_kafka.__file__).parents[1].glob("confluent_kafka.libs/librdkafka*")
    handle = ctypes.c_void_p.from_address(id(target._producer) + _HANDLE_AT)
    assert ctypes.CDLL(str(path)).rd_kafka_test_fatal_error(handle, _INVALID_PRODUCER_EPOCH, b"tested") == 0


def test_after_a_fatal_error_it_is_told_by_a_new_producer(tmp_path: Path, database: Database) -> None:
    rig = KafkaRig()
    (target,) = make_targets(settings_of(tmp_path, rig.text)).values()
    assert isinstance(target, KafkaTarget)
    queue = queue_of(database)
    write(database, *Publisher().events(2))
    first, second = queue.fresh(2)
    assert target.send([first]) == {}
    _break_for_good(target)
    with pytest.raises(TargetError, match="test_fatal_error: tested"):
        target.send([second])
    assert target.send([second]) == {}
    assert len(rig.told()) == 2
    _break_for_good(target)
    target.close()
