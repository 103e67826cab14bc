"""Databases with the messages of a small warehouse, and the report that is made of them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kardus.contract.verdicts import Verdict
from tests.publishers import SITE, Message, Publisher
from tests.warehouse.receiving.making import filled
from warehouse.report.report import Report, make_report
from warehouse.store.reader import StoreReader

NOW = datetime.now(UTC)
TODAY = NOW - timedelta(hours=8)
EMU_OF_A_PIXEL = 9525
"""ECMA-376: a picture's size in a workbook is given in these."""
EARLIER = NOW - timedelta(hours=30)
LATER = NOW + timedelta(hours=1)


def report_of(path: Path, messages: list[Message]) -> Report:
    with StoreReader.open(filled(path / "k.sqlite", messages)) as reader:
        return make_report(SITE, reader.site_state(), reader.missing_events(), NOW, since=TODAY)


def rack() -> list[Message]:
    """A swap, a carton that is elsewhere, an empty location, one that nobody has seen today, and one in order."""
    box = Publisher()
    return [
        box.state("A-2", Verdict.MISMATCH, "Tea", "Milk", since=EARLIER),
        box.state("A-10", Verdict.MISMATCH, "Milk", "Tea"),
        box.state("B-1", Verdict.EMPTY, "Rice", None),
        box.state("B-2", Verdict.UNEXPECTED, None, "Rice"),
        box.state("C-1", Verdict.MATCH, verified=EARLIER),
        box.state("C-2"),
    ]


def changed(message: Message, **fields: object) -> Message:
    """A state's message with other fields."""
    envelope = json.loads(message[1])
    envelope["data"].update(json.loads(json.dumps(fields, default=str)))
    return message[0], json.dumps(envelope).encode()
