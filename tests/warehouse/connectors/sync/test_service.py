"""`kardus-wms sync` with a real broker: the expectations follow, and whatever fails changes nothing."""

import json
import sqlite3
import subprocess
import threading
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

from kardus.mqtt.settings import BrokerSettings
from simulator.demo.broker import free_port
from tests.brokers import Mosquitto
from tests.clocks import clock_of
from tests.conftest import BIN, run_command
from tests.faults.load import wait_until
from tests.patience import PATIENCE_S, within
from tests.publishers import SITE
from tests.warehouse.connectors.sync.wms import HTTP, SQL, Stock, write_database
from warehouse.connectors.sync.answer_clock import AnswerClock
from warehouse.connectors.sync.health import report
from warehouse.connectors.sync.memory import SyncMemory
from warehouse.connectors.sync.service import Sync
from warehouse.connectors.sync.settings import SyncSettings, make_source, read_settings
from warehouse.connectors.sync.source import SourceError
from warehouse.stock.read_back import ReadBack, RetainedStock, read_by_name, read_expected, read_listed

STOCK: Stock = {f"A-{n}": ("Tea", 1) for n in range(8)}


def _config(folder: Path, poll_s: float = 0.2) -> Path:
    path = folder / "sync.toml"
    url = f"sqlite:///{folder / 'wms.sqlite'}?timeout={PATIENCE_S:.0f}"
    path.write_text(f'poll_s = {poll_s}\n[source]\nkind = "sql"\nurl = "{url}"\n{SQL}', encoding="utf-8")
    return path


def _expected(mosquitto: Mosquitto) -> dict[str, str | None]:
    retained = read_expected(BrokerSettings("127.0.0.1", mosquitto.port), SITE)
    return {code: one.sku for code, one in retained.found.items() if one.managed}


def _skus(stock: Stock) -> dict[str, str | None]:
    return {code: held[0] if held else None for code, held in stock.items()}


def _sync(folder: Path, mosquitto: Mosquitto, memory: SyncMemory | None = None) -> Sync:
    settings: SyncSettings = read_settings(_config(folder))
    broker = BrokerSettings("127.0.0.1", mosquitto.port)
    return Sync(broker, SITE, settings, make_source(settings), memory=memory)


def test_the_running_command_follows_the_wms_and_stops_on_a_signal(tmp_path: Path, mosquitto: Mosquitto) -> None:
    write_database(tmp_path / "wms.sqlite", STOCK)
    words = [BIN / "kardus-wms", "sync", _config(tmp_path), "--site", SITE, "--host", "127.0.0.1", "--json"]
    words += ["--port", str(mosquitto.port)]
    with subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, text=True) as process:
        wait_until(lambda: _expected(mosquitto) == _skus(STOCK))
        changed: Stock = {**STOCK, "A-0": None, "A-1": ("Milk", 2), "B-1": ("Tea", 1)}
        write_database(tmp_path / "wms.sqlite", changed)
        wait_until(lambda: _expected(mosquitto) == _skus(changed))
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        assert process.stdout
        last = json.loads(process.stdout.read().splitlines()[-1])
    assert (last["managed"], last["published"], last["problem"]) == (9, 11, "")


def test_a_wms_that_is_away_or_says_nothing_changes_nothing_and_is_followed_again(
    tmp_path: Path, mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    write_database(tmp_path / "wms.sqlite", STOCK)
    sync = _sync(tmp_path, mosquitto)
    assert sync.round() is not None
    write_database(tmp_path / "wms.sqlite", {})
    sync.round()
    assert "8 of 8 are gone" in sync.status.problem
    with closing(sqlite3.connect(tmp_path / "wms.sqlite")) as database, database:
        database.execute("DROP TABLE places")
    for _ in range(3):
        sync.round()
    assert "no such table" in sync.status.problem
    assert len([line for line in caplog.messages if "no such table" in line]) == 1, "told once"
    assert _expected(mosquitto) == _skus(STOCK)
    write_database(tmp_path / "wms.sqlite", {**STOCK, "A-0": None})
    sync.round()
    assert (sync.status.problem, sync.status.failures) == ("", 0)
    assert _expected(mosquitto)["A-0"] is None


def test_a_broker_that_is_away_is_waited_for_and_what_it_forgot_is_published_again(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    write_database(tmp_path / "wms.sqlite", STOCK)
    sync = _sync(tmp_path, mosquitto)
    sync.round()
    mosquitto.kill()
    write_database(tmp_path / "wms.sqlite", {**STOCK, "A-3": ("Milk", 1)})
    sync.round()
    assert "127.0.0.1" in sync.status.problem
    for stored in tmp_path.rglob("mosquitto.db"):
        stored.unlink()
    mosquitto.start()
    sync.round()
    assert sync.status.problem == ""
    assert _expected(mosquitto)["A-3"] == "Milk"


def test_what_cannot_be_followed_is_the_commands_error(tmp_path: Path, mosquitto: Mosquitto) -> None:
    words = ("sync", _config(tmp_path), "--site", SITE, "--host", "127.0.0.1", "--port", mosquitto.port, "--seconds", 1)
    done = run_command("kardus-wms", *words, check=1)
    assert "no such table" in done.stderr.splitlines()[-1]


def test_a_stop_does_not_wait_for_a_wms_that_drips_its_answer(tmp_path: Path, mosquitto: Mosquitto) -> None:
    asked, over = threading.Event(), threading.Event()

    class Dripping(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            asked.set()
            with suppress(OSError):
                while not over.wait(0.1):
                    self.wfile.write(b" ")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    path = tmp_path / "sync.toml"
    keys = HTTP.format(url=f"http://127.0.0.1:{server.server_port}")
    path.write_text(f'[source]\nkind = "http"\n{keys}', encoding="utf-8")
    words = [BIN / "kardus-wms", "sync", path, "--site", SITE, "--host", "127.0.0.1", "--port", mosquitto.port]
    with subprocess.Popen(list(map(str, words))) as process:
        assert asked.wait(PATIENCE_S)
        with within(15):  # the question itself may take a minute
            process.terminate()
            assert process.wait(PATIENCE_S) == 0
    over.set()
    server.shutdown()
    server.server_close()


def _asked(port: int, path: str = "/") -> httpx2.Response:
    return httpx2.get(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S)


def test_the_health_page_says_how_it_goes_and_when_the_wms_is_not_followed(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    write_database(tmp_path / "wms.sqlite", STOCK)
    port = free_port()
    words = [BIN / "kardus-wms", "sync", _config(tmp_path), "--site", SITE, "--host", "127.0.0.1"]
    words += ["--port", mosquitto.port, "--health", f"127.0.0.1:{port}"]
    with subprocess.Popen(list(map(str, words))) as process:
        wait_until(lambda: _expected(mosquitto) == _skus(STOCK))
        wait_until(lambda: _asked(port).json()["equal_unix_s"] > 0)
        assert _asked(port).status_code == 200
        told = _asked(port, "/metrics").text
        assert "# TYPE kardus_sync_published_total counter\nkardus_sync_published_total 8\n" in told
        assert "# TYPE kardus_sync_managed gauge\nkardus_sync_managed 8\n" in told
        assert "kardus_sync_problem 0\n" in told
        assert _asked(port, "/other").status_code == 404
        write_database(tmp_path / "wms.sqlite", {})
        wait_until(lambda: _asked(port).status_code == 503)
        assert "8 of 8 are gone" in _asked(port).json()["problem"]
        assert "kardus_sync_problem 1\n" in _asked(port, "/metrics").text
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


def test_an_answer_that_is_late_is_a_problem_while_it_is_waited_for(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real database whose tables somebody holds: it fails after limit_s alone, which may be an hour."""
    monkeypatch.setattr("warehouse.connectors.sync.answer_clock.LATE_S", 0.3)
    write_database(tmp_path / "wms.sqlite", STOCK)
    sync = _sync(tmp_path, mosquitto)
    sync.round()
    with closing(sqlite3.connect(tmp_path / "wms.sqlite", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        asking = threading.Thread(target=sync.round)
        asking.start()
        wait_until(lambda: any("no answer for" in problem for problem in report(sync.current_status()).problems))
        assert sync.status.problem == "", "it hasn't failed"
        holder.execute("ROLLBACK")
        asking.join()
    assert report(sync.current_status()).problems == ()
    sync.close()


def test_an_answer_is_late_by_what_the_longest_one_took(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr("warehouse.connectors.sync.answer_clock.time", clock_of(monotonic=lambda: now_s))
    clock = AnswerClock()
    for took_s, late_s in ((0, 60), (240, 60), (10, 720)):
        with suppress(SourceError), clock.running():
            now_s += late_s
            assert clock.problem() == ""
            now_s += 1
            assert clock.problem().startswith(f"no answer for {late_s + 1} s")
            raise SourceError("it failed")
        with clock.running():
            now_s += took_s
        assert clock.problem() == ""


@pytest.mark.parametrize("address", ["9471", "127.0.0.1:", "127.0.0.1:99999", ":9471"])
def test_an_address_of_the_health_page_that_is_none_is_wrong_use(tmp_path: Path, address: str) -> None:
    words = ("sync", _config(tmp_path), "--site", SITE, "--host", "127.0.0.1", "--health", address)
    assert f"--health '{address}': write ADDRESS:PORT" in run_command("kardus-wms", *words, check=2).stderr


def test_each_row_that_cannot_be_told_is_named_once_whatever_its_place(
    tmp_path: Path, mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    sync = _sync(tmp_path, mosquitto)
    odd = {"A-1": ("Tea\x07", 1), "A-2": ("Milk\x07", 1), "A-0": ("Milk", 1)}
    for names in (["A-1"], ["A-0", "A-1"], ["A-2"]):
        write_database(tmp_path / "wms.sqlite", {**STOCK, **{name: odd[name] for name in names}})
        assert sync.round() is not None
    told = [line.partition("location ")[2][:5] for line in caplog.messages if "that location stays as it is" in line]
    assert told == ["'A-1'", "'A-2'"]


def test_a_broker_that_comes_back_empty_is_filled_at_once_and_is_a_problem_while_it_is_away(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "broker", "max_queued_messages 0\n")
    broker.start()
    write_database(tmp_path / "wms.sqlite", STOCK)
    port = free_port()
    words = [BIN / "kardus-wms", "sync", _config(tmp_path, poll_s=3600), "--site", SITE, "--host", "127.0.0.1"]
    words += ["--port", broker.port, "--health", f"127.0.0.1:{port}"]
    with subprocess.Popen(list(map(str, words))) as process:
        wait_until(lambda: _expected(broker) == _skus(STOCK))
        wait_until(lambda: _asked(port).json()["equal_unix_s"] > 0)
        equal_unix_s = _asked(port).json()["equal_unix_s"]
        broker.kill()
        wait_until(lambda: _asked(port).status_code == 503)
        assert f"127.0.0.1:{broker.port}" in _asked(port).json()["problem"]
        assert _asked(port).json()["equal_unix_s"] == equal_unix_s
        (tmp_path / "broker" / "mosquitto.db").unlink(missing_ok=True)
        broker.start()
        wait_until(lambda: _asked(port).status_code == 200)
        assert _expected(broker) == _skus(STOCK)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    broker.kill()


def test_a_connection_that_was_lost_between_two_rounds_is_reason_to_look_again(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    write_database(tmp_path / "wms.sqlite", STOCK)
    sync = _sync(tmp_path, mosquitto)
    sync.round()
    mosquitto.kill()
    for stored in tmp_path.rglob("mosquitto.db"):
        stored.unlink()
    mosquitto.start()
    assert sync.woken.wait(PATIENCE_S)
    sync.round()
    assert (sync.status.problem, sync.status.published) == ("", 2 * len(STOCK))
    assert _expected(mosquitto) == _skus(STOCK)
    sync.close()


def test_what_a_broker_hides_from_a_wildcard_is_found_by_name_as_far_as_it_is_known_and_else_said(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("warehouse.connectors.sync.service.read_expected", lambda *_: RetainedStock())
    write_database(tmp_path / "wms.sqlite", STOCK)
    first = _sync(tmp_path, mosquitto)
    first.round()
    assert first.status.hidden == 0
    write_database(tmp_path / "wms.sqlite", {code: held for code, held in STOCK.items() if code != "A-7"})
    monkeypatch.setattr("warehouse.connectors.sync.service.RECHECK_S", -1.0)
    first.round()
    assert "A-7" not in _expected(mosquitto), "it was known, although nobody lists it any more"
    first.close()
    caplog.clear()
    again = _sync(tmp_path, mosquitto)
    for _ in range(2):
        assert again.round() is not None
    assert again.status.hidden == 7
    told = [line for line in caplog.messages if "stay managed: clear their topics under hall/expected/" in line]
    assert len(told) == 1
    again.close()


def test_what_the_wms_gave_up_while_sync_was_down_is_given_up_where_the_broker_shows_no_list(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As RabbitMQ: only by name does it say what it retains."""
    monkeypatch.setattr("warehouse.connectors.sync.service.read_expected", lambda *_: RetainedStock())
    path = tmp_path / "memory.sqlite"
    write_database(tmp_path / "wms.sqlite", STOCK)
    first = _sync(tmp_path, mosquitto, SyncMemory(path, SITE))
    first.round()
    first.close()
    left = {code: held for code, held in STOCK.items() if code != "A-7"}
    write_database(tmp_path / "wms.sqlite", left)
    again = _sync(tmp_path, mosquitto, SyncMemory(path, SITE))
    assert again.round() is not None
    assert _expected(mosquitto) == _skus(left)
    assert not [line for line in caplog.messages if "stay managed" in line], "none does"
    again.close()
    assert SyncMemory(path, SITE).locations == left.keys()


def test_what_a_broker_did_not_say_in_time_is_remembered_on(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.connectors.sync.service.read_expected", lambda *_: RetainedStock())
    path = tmp_path / "memory.sqlite"
    left = {code: held for code, held in STOCK.items() if code != "A-7"}
    for stock, is_slow in ((STOCK, False), (left, True), (left, False)):
        write_database(tmp_path / "wms.sqlite", stock)
        with monkeypatch.context() as patch:
            if is_slow:
                patch.setattr("warehouse.connectors.sync.service.read_by_name", lambda *_: ReadBack())
            sync = _sync(tmp_path, mosquitto, SyncMemory(path, SITE))
            sync.round()
            sync.close()
        assert ("A-7" in _expected(mosquitto)) is (is_slow or stock is STOCK)


def test_names_that_the_broker_no_longer_holds_hide_none_that_it_holds_and_are_forgotten(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a move to a new broker: the old codes come first, and nobody else remembers those given up since."""
    monkeypatch.setattr("warehouse.connectors.sync.service.read_expected", lambda *_: RetainedStock())
    monkeypatch.setattr("warehouse.stock.read_back.SAMPLE", 4)
    memory = SyncMemory(tmp_path / "memory.sqlite", SITE)
    memory.keep({f"0-{n}" for n in range(6)}, ())
    left = {code: held for code, held in STOCK.items() if code != "A-7"}
    for stock in (STOCK, left):
        write_database(tmp_path / "wms.sqlite", stock)
        assert _sync(tmp_path, mosquitto, memory).round() is not None
        assert _expected(mosquitto) == _skus(stock)
        assert memory.locations == stock.keys()
    memory.close()


def test_a_list_whose_beginning_the_broker_lacks_is_found_and_what_it_lacks_is_known(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_database(tmp_path / "wms.sqlite", STOCK)
    _sync(tmp_path, mosquitto).round()
    broker, new = BrokerSettings("127.0.0.1", mosquitto.port), [f"0-{n}" for n in range(8)]
    monkeypatch.setattr("warehouse.stock.read_back.SAMPLE", 4)
    assert read_listed(broker, SITE, [*new, *STOCK]).keys() == STOCK.keys()
    assert (read_listed(broker, SITE, new), read_listed(broker, SITE, [])) == ({}, {})
    assert read_by_name(broker, SITE, [*new, *STOCK]).lacking == set(new)


def test_what_is_published_is_remembered_before(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = SyncMemory(tmp_path / "memory.sqlite", SITE)
    write_database(tmp_path / "wms.sqlite", STOCK)
    seen: list[object] = []
    monkeypatch.setattr(
        "warehouse.connectors.sync.service.publish_changes", lambda *_: seen.append(set(memory.locations))
    )
    _sync(tmp_path, mosquitto, memory).round()
    assert seen == [set(STOCK)]


def test_a_restart_is_no_way_around_the_guard_against_a_slow_drain(tmp_path: Path, mosquitto: Mosquitto) -> None:
    path, full = tmp_path / "memory.sqlite", {f"A-{n:03}": ("Tea", 1) for n in range(100)}
    problems: list[str] = []
    for lost in range(0, 55, 9):
        stock: Stock = {code: None if int(code[2:]) < lost else one for code, one in full.items()}
        write_database(tmp_path / "wms.sqlite", stock)
        sync = _sync(tmp_path, mosquitto, SyncMemory(path, SITE))
        sync.round()
        problems.append(sync.status.problem)
        sync.close()
    assert problems[:-1] == [""] * 6
    assert problems[-1].startswith("of 100 occupied locations 46 would be left: more than most_drained = 0.5 lets go")
    sync = _sync(tmp_path, mosquitto, SyncMemory(path, SITE))
    sync.round(confirmed=True)
    assert sync.status.problem == ""
    assert _expected(mosquitto) == _skus(stock)
    sync.close()
