"""Databases that a former version wrote are read and continued by today's classes: nothing is lost or counted anew."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.control.expected import ExpectedStore
from edge_agent.records import Message
from edge_agent.reporting.outbox.check import check_outbox
from edge_agent.reporting.outbox.outbox import Outbox
from kardus.contract.messages import Alert, Expected
from kardus.contract.verdicts import Verdict
from tests.in_process import call
from tests.publishers import SITE, Publisher
from tests.warehouse.receiving.making import writer_of
from warehouse.__main__ import main
from warehouse.receiving.parsing import parse_message
from warehouse.receiving.webhooks import WebhookDelivery, WebhookEndpoint
from warehouse.store.database import Database
from warehouse.store.opening import open_database
from warehouse.store.reader import StoreReader

FILES = Path(__file__).with_name("files_0_1")
EPOCH = "00000000-0000-4000-8000-000000000001"
LOCATIONS = frozenset({"A-01-1", "A-01-2", "A-01-3"})


def copied(name: str, folder: Path) -> Path:
    """A copy that may be written."""
    return Path(shutil.copy(FILES / name, folder))


@pytest.fixture
def received(tmp_path: Path) -> Iterator[Database]:
    """The receiver's database."""
    database = open_database(copied("events.sqlite", tmp_path), make=True)
    yield database
    database.close()


def test_everything_in_a_former_receiver_database_is_read(received: Database) -> None:
    reader = StoreReader(received)
    events = reader.events()
    assert reader.site() == SITE
    assert [(event.number, event.event.sequence) for event in events] == list(enumerate((1, 2, 3, 4, 5, 7, 8), start=1))
    assert {event.event.epoch for event in events} == {EPOCH}
    verdicts = [Verdict.MATCH, Verdict.MISMATCH, Verdict.EMPTY, Verdict.UNKNOWN, Verdict.STALE, Verdict.MATCH]
    assert [event.event.verdict for event in events[:6]] == verdicts
    assert [bool(reader.picture(event.envelope.id)) for event in events] == [False, True, True, *[False] * 4]
    assert reader.picture_of_alert("alert-1")
    state = reader.site_state()
    assert [location for _, location in sorted(state.states)] == ["A-01-1", "A-01-2", "A-01-3", "A-01-4"]
    assert state.agents["box"].status == "online"
    assert (reader.dead_letter_count(), reader.pending_webhooks()) == (1, 2)
    (outbox,) = reader.missing_events()
    assert (outbox.agent, outbox.epoch, outbox.missing, outbox.lost) == ("box", EPOCH, ((6, 6),), 1)


def test_a_former_receiver_database_is_continued(received: Database) -> None:
    reader, writer = StoreReader(received), writer_of(received, 10)
    box = Publisher("box", epoch=EPOCH)
    box.sequence = 5
    alert = Alert(id="alert-3", status="open", opened=reader.events()[0].event.captured)
    missing = parse_message(SITE, *box.event("A-01-6", Verdict.UNEXPECTED, alert))
    known = reader.events()[0].envelope
    repeated = parse_message(SITE, box.topics.events(known.data.location), known.model_dump_json().encode())
    result = writer.write([missing, repeated])
    assert (result.events, result.duplicates) == (1, 1)
    assert reader.events()[-1].number == 8
    assert reader.missing_events()[0].missing == ()
    assert writer.acks()["box", EPOCH].contiguous_to == 8, "9 was lost: no ack goes beyond the last event stored"
    delivery = WebhookDelivery(received, WebhookEndpoint("http://127.0.0.1:9/", b"k" * 24))
    delivery._take_up()
    assert reader.pending_webhooks() == 3


def test_the_report_is_made_from_a_former_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = copied("events.sqlite", tmp_path)
    report = json.loads(call(capsys, main, "report", "--sqlite", path, "--json").stdout)
    assert [(line["location"], line["swap"]) for line in report["discrepancies"]] == [
        ("A-01-2", "A-01-4"),
        ("A-01-3", ""),
        ("A-01-4", "A-01-2"),
    ]
    assert report["total"]["total"] == 4


def test_a_former_outbox_is_read_and_continued(tmp_path: Path) -> None:
    path = copied("outbox.sqlite", tmp_path)
    assert check_outbox(path) == ""
    outbox = Outbox(path, delivery="confirmed")
    waiting = [stored.message for stored in outbox.pending(100)]
    assert outbox.last_sequence == 6
    assert [message.sequence for message in waiting if message.kind == "event"] == [3, 4, 5, 6]
    assert sum(message.kind == "state" for message in waiting) == len(outbox.retained()) == len(outbox.states()) == 6
    assert [message.location for message in waiting if message.kind == "evidence"] == ["B-00-1"]
    assert (outbox.depth().unconfirmed, outbox.lost()) == (1, {outbox.epoch: [(1, 1)]})
    epochs = {json.loads(message.payload)["data"]["epoch"] for message in waiting if message.kind == "event"}
    assert epochs == {outbox.epoch}
    outbox.append([Message("event", "t", b"{}", location="B-09-1", sequence=7)], {}, 7)
    assert outbox.send_again(outbox.epoch, 2, 2) == [(2, 2)]
    events = [stored.message.sequence for stored in outbox.pending(100) if stored.message.kind == "event"]
    assert sorted(number for number in events if number) == [2, 3, 4, 5, 6, 7]
    outbox.close()


def test_former_expected_stock_is_read_and_replaced_by_a_higher_revision_only(tmp_path: Path) -> None:
    store = ExpectedStore(copied("expected.sqlite", tmp_path), LOCATIONS)
    assert {location: (e.revision, e.sku, e.quantity, e.managed) for location, e in store.everything.items()} == {
        "A-01-1": (9, "Milk", 4, True),
        "A-01-2": (3, None, None, True),
        "A-01-3": (5, None, None, False),
    }
    for revision in (9, 10):
        store.apply("A-01-1", Expected(revision=revision, sku=f"Rice {revision}").model_dump_json().encode())
        assert store.everything["A-01-1"].sku == ("Milk" if revision == 9 else "Rice 10")
    store.close()
