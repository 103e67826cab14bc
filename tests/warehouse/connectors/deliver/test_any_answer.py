"""Whatever JSON stands anywhere in a target's answer: the event is taken, refused or sent again, in a line."""

from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.publishers import Publisher
from tests.warehouse.connectors.deliver.making import NAME, settings_of, told_of
from tests.warehouse.connectors.deliver.rigs import rig_of
from tests.warehouse.connectors.deliver.served import Answer, Asked, Service
from tests.warehouse.connectors.spoiling import Spoiling, is_line, spoilings
from tests.warehouse.receiving.making import write
from warehouse.connectors.deliver.queue import DeliveryQueue
from warehouse.connectors.deliver.settings import make_targets
from warehouse.connectors.deliver.target import DeliveryTarget, Outgoing, TargetError
from warehouse.store.database import Database


class _Spoilt:
    """A stand-in one of whose answers is spoilt."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.spoiling = Spoiling(-1, 0, None)

    def answer(self, asked: Asked) -> Answer:
        """Its answer, or another."""
        found = self._service.answer(asked)
        return Answer(found.status, self.spoiling(found.body), found.headers)


@pytest.mark.parametrize("kind", ["tryton", "odoo16", "odoo19", "epcis"])
def test_any_json_anywhere_is_a_refusal_or_a_failure_in_a_line(
    kind: str, file_database: Database, tmp_path: Path
) -> None:
    box = Publisher()
    with rig_of(kind, tmp_path) as rig:
        assert rig.server
        rig.server.service = spoilt = _Spoilt(rig.server.service)
        rig.server.up()
        wanted = settings_of(tmp_path, rig.text)
        queue = DeliveryQueue(file_database, NAME, refusals=3, from_beginning=True)
        write(file_database, told_of(box, "A-1", "Milk"), told_of(box, "A-1", None), told_of(box, "A-1", "Tea"))
        events = queue.fresh(10)

        @settings(max_examples=settings().max_examples // 2)
        @given(spoilings)
        def play(spoiling: Spoiling) -> None:
            spoilt.spoiling = spoiling
            target = make_targets(wanted)[NAME]
            for one in events:
                assert is_line(_said(target, one))
            target.close()

        play()


def _said(target: DeliveryTarget, one: Outgoing) -> str:
    """Why it isn't taken; empty: it is."""
    try:
        return target.send([one]).get(one.number, "")
    except TargetError as error:
        return str(error)
