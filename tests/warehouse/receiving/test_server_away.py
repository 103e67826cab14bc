"""A database server that is away for a minute under a real receiver: said in a line, nothing lost, nothing twice."""

import logging
import time
from pathlib import Path

import pytest

from tests.brokers import Mosquitto
from tests.clusters import running_cluster
from tests.publishers import Publisher
from tests.warehouse.receiving.test_receiver import publish, receiving, wait_for
from warehouse.store.address import address_of
from warehouse.store.checking import check_database

BEFORE, AFTER = 200, 600
"""Fewer than the 1,000 that Mosquitto queues by default."""
AWAY_S = 60.0


@pytest.mark.slow
def test_a_server_that_is_away_for_a_minute(
    mosquitto: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = Publisher()
    with running_cluster(durable=True) as server:
        where = server.url(server.make_database("kardus_template"))
        with receiving(mosquitto, where, pictures=str(tmp_path / "pictures")) as receiver:  # type: ignore[arg-type] # an address is as good as a path
            publish(mosquitto, box.events(BEFORE))
            wait_for(lambda: receiver.status().events == BEFORE)
            server.kill()
            publish(mosquitto, box.events(AFTER))
            wait_for(lambda: "nothing can be stored" in receiver.status().problem)
            time.sleep(AWAY_S)  # the time itself is what is tried
            server.start()
            wait_for(lambda: receiver.status().events >= BEFORE + AFTER)
            stored = [event.envelope.id for event in receiver.reader.events(limit=10_000)]
            assert sorted(stored) == sorted(box.ids)  # each once
            assert receiver.reader.missing_events() == []
            wait_for(lambda: not receiver.status().problem)
        assert check_database(address_of(where)).problems == []
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert [("nothing can be stored" in line, "\n" in line) for line in said] == [(True, False)]
