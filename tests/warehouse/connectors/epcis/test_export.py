"""`kardus-wms export --epcis` on a receiver's database."""

import json
from pathlib import Path

import pytest

from kardus.contract.verdicts import Verdict
from tests.in_process import assert_one_line, call
from tests.publishers import Publisher
from tests.warehouse.connectors.epcis.making import parsed
from tests.warehouse.connectors.epcis.test_events import require_valid
from tests.warehouse.receiving.making import write
from warehouse.__main__ import main
from warehouse.store.database import Database


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    """Tea has a GTIN."""
    (tmp_path / "products.csv").write_text("sku,gtin\nTea,4006381333931\n", encoding="utf-8")
    path = tmp_path / "epcis.toml"
    path.write_text('gln = "4012345000009"\nproducts = "products.csv"\ntimezone = "UTC"\n', encoding="utf-8")
    return path


def test_every_event_with_words_is_written_in_order_and_the_others_are_counted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database: Database, mapping: Path
) -> None:
    agent = Publisher()
    verdicts = [Verdict.MATCH, Verdict.EMPTY, Verdict.UNCERTAIN, Verdict.MISMATCH] * 300  # more than one reading
    messages = [agent.event("A-01-1", verdict) for verdict in verdicts]
    write(database, *messages)
    target = tmp_path / "e.json"
    done = call(capsys, main, "export", "--database", database.address, "--epcis", target, "--mapping", mapping)
    assert done.returncode == 0
    assert f"900 events written to {target}" in done.stdout
    assert "300 left out: 'uncertain' is a doubt" in done.stderr
    whole = json.loads(target.read_text(encoding="utf-8"))
    told = [parsed(payload) for _, payload in messages if b'"uncertain"' not in payload]
    assert [event["kardus:event"] for event in whole["epcisBody"]["eventList"]] == [event.id for event in told]
    whole["epcisBody"]["eventList"] = whole["epcisBody"]["eventList"][:20]
    require_valid(whole)


def test_a_span_of_time_and_an_empty_document(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database: Database, mapping: Path
) -> None:
    write(database, Publisher().event())
    words = ("export", "--database", database.address, "--mapping", mapping, "--epcis", tmp_path / "e.json")
    assert "1 events" in call(capsys, main, *words, "--since", "2020-01-01", "--until", "2099-01-01").stdout
    assert "0 events" in call(capsys, main, *words, "--until", "2020-01-01").stdout
    require_valid(json.loads((tmp_path / "e.json").read_text(encoding="utf-8")))


def test_what_was_there_stays_where_the_work_fails(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database: Database, mapping: Path
) -> None:
    write(database, Publisher().event())
    target = tmp_path / "e.json"
    target.write_text("before", encoding="utf-8")
    (tmp_path / "products.csv").write_text("sku,gtin\nTea,1\n", encoding="utf-8")
    done = call(capsys, main, "export", "--database", database.address, "--epcis", target, "--mapping", mapping)
    assert_one_line(done, 1, "products.csv: line 2: a GTIN has 8, 12, 13 or 14 digits")
    assert target.read_text(encoding="utf-8") == "before"
    assert not list(tmp_path.glob("*.part"))
