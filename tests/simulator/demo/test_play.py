"""The demo, as `make demo` runs it."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from edge_agent.__main__ import main
from simulator.demo.broker import run_broker
from simulator.demo.page import PHONE, WIDE
from simulator.demo.play import DEMO_BUNDLE
from tests.conftest import run_command
from tests.in_process import assert_one_line, call
from tests.patience import PATIENCE_S
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

Capture = pytest.CaptureFixture[str]
FRESH_SEEDS = range(90_001, 90_021)


def test_the_bundle_that_ships_is_at_most_6_mb() -> None:
    assert DEMO_BUNDLE.stat().st_size <= 6_000_000


def test_the_demo_passes_and_leaves_pictures_messages_and_a_report(tmp_path: Path) -> None:
    result = run_command("kardus-agent", "demo", "--out", tmp_path / "out")
    assert result.stdout.count("reported") == 7
    folder = tmp_path / "out"
    page = (folder / "report.html").read_text()
    pictures = re.findall(r'<img src="([^"]+)"', page)
    assert len(pictures) == 11
    sizes = {"page-rack.png": WIDE, "page-work.png": PHONE}
    for name in pictures:
        with Image.open(folder / name) as picture:
            assert picture.size == sizes.get(name, (1280, 720))
    messages = [json.loads(line) for line in (folder / "messages.jsonl").read_text().splitlines()]
    pictures = [message for message in messages if "/evidence/" in message["topic"]]
    assert len(pictures) >= 7, "one of each fault"
    assert all(message["jpeg_bytes"] > 1000 for message in pictures)
    kinds = {message["topic"].rsplit("/", 1)[1] for message in messages if message not in pictures}
    assert kinds - {"snapshot"} == {"status", "health", "state", "events", "model", "ack"}  # for the page's pictures


def test_an_agent_that_is_not_done_in_time_is_named_beside_what_was_not_reported(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.demo.play.TIME_LIMIT_S", 0.1)
    result = call(capsys, main, "demo", "--no-page", "--out", tmp_path / "out")
    assert result.returncode == 1
    assert result.stdout.count("NOT REPORTED") == 7
    assert "The agent hasn't seen every frame within 0 s: it hangs, or this machine is too busy.\n" in result.stdout


def test_without_the_page_the_demo_plays_and_reports_all_the_same(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.demo.play.INTERVAL_S", 0.0)  # as fast as the agent looks; the pace is tried above
    result = call(capsys, main, "demo", "--no-page", "--out", tmp_path / "out")
    assert result.returncode == 0
    assert result.stdout.count("reported") == 7
    assert "Page:" not in result.stdout
    assert "http" not in result.stdout
    folder = tmp_path / "out"
    assert not list(folder.rglob("page-*")), "no pictures of a page"
    assert not list(folder.rglob("*.sqlite")), "and no store of one"
    pictures = re.findall(r'<img src="([^"]+)"', (folder / "report.html").read_text())
    assert len(pictures) == 9
    assert all((folder / name).exists() for name in pictures)
    messages = [json.loads(line)["topic"] for line in (folder / "messages.jsonl").read_text().splitlines()]
    assert any(topic.endswith("/events") for topic in messages)
    assert not any(topic.endswith("/ack") for topic in messages), "no receiver has stored anything"


def test_the_embedded_broker_is_not_asked_for_a_version_that_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """It doesn't answer: that would take 5 s at each of the demo's connections, 25 s before the shelf is seen.

    Here whoever asks for it waits until he has no time left, and a slow machine has all the time that it needs.
    """
    for room in ("session", "subscriber"):
        monkeypatch.setattr(f"kardus.mqtt.{room}.CONNECT_TIMEOUT_S", 2 * PATIENCE_S)
    monkeypatch.setattr("kardus.mqtt.client.READY_TIMEOUT_S", PATIENCE_S)
    with run_broker("embedded") as broker:
        publish_stock(broker.settings, "demo", [StockLine("A-1", "tea")], replace=False)


def test_a_broker_that_is_not_known_is_refused(capsys: Capture) -> None:
    assert_one_line(call(capsys, main, "demo", "--broker", "nats"), 2, "--broker nats: use one of auto")


def test_a_demo_without_its_broker_leaves_nothing(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.demo.broker.find_mosquitto", lambda: None)
    assert call(capsys, main, "demo", "--broker", "mosquitto", "--out", tmp_path / "out").returncode != 0
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [(("--out", "{}/file"), "--out"), (("--seed", "-1"), "--seed")],
    ids=["a file", "seed -1"],
)
def test_wrong_use_is_said_before_anything_is_played(
    tmp_path: Path, capsys: Capture, words: tuple[str, ...], named: str
) -> None:
    (tmp_path / "file").touch()
    result = call(capsys, main, "demo", *(word.format(tmp_path) for word in words))
    assert result.returncode == 2
    assert named in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("seed", FRESH_SEEDS)
def test_fresh_shelves_pass(tmp_path: Path, seed: int) -> None:
    run_command("kardus-agent", "demo", "--seed", seed, "--out", tmp_path / "out")
