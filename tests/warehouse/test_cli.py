"""`kardus-wms watch` against a real broker."""

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kardus.contract.messages import Alert, Seen
from kardus.contract.verdicts import Verdict
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import UsageError
from simulator.demo.broker import free_port
from tests.brokers import Mosquitto
from tests.conftest import BIN
from tests.dripping import DrippingServer, drips_headers
from tests.in_process import assert_one_line, call
from tests.patience import PATIENCE_S, within
from tests.publishers import SITE, Publisher
from tests.warehouse.receiving.test_site_monitor import NOW, WRITER, _state
from warehouse.__main__ import main
from warehouse.cli.health_option import listen_address
from warehouse.cli.topic_options import topic_level

Capture = pytest.CaptureFixture[str]


def _publish(port: int) -> None:
    with MqttClient(BrokerSettings("127.0.0.1", port)) as connection:
        connection.publish([WRITER.state_message(_state(Verdict.EMPTY)), WRITER.online(1, "0.1.0", NOW)], retain=True)


def test_watch_shows_what_is_retained(mosquitto: Mosquitto, capsys: Capture) -> None:
    _publish(mosquitto.port)
    words = ("watch", "--site", "s", "--host", "127.0.0.1", "--port", mosquitto.port, "--seconds", 4)
    text = call(capsys, main, *words, columns=200).stdout
    assert "A-1" in text
    assert "empty" in text
    assert "box: online" in text
    states = json.loads(call(capsys, main, *words, "--json").stdout)
    assert [(s["location"], s["verdict"]) for s in states] == [("A-1", "empty")]


def test_a_password_file_that_is_missing_is_named(tmp_path: Path, capsys: Capture) -> None:
    words = ("--host", "127.0.0.1", "--port", free_port(), "--password-file", tmp_path / "no.txt")
    assert_one_line(call(capsys, main, "watch", "--site", "s", *words), 2, "no.txt: cannot be read")


def test_a_state_becomes_void_while_nothing_is_said(mosquitto: Mosquitto, capsys: Capture) -> None:
    words = ("--site", "s", "--host", "127.0.0.1", "--port", mosquitto.port, "--seconds", 2)
    state = _state(Verdict.EMPTY).model_copy(update={"valid_until": datetime.now(UTC) + timedelta(seconds=1.5)})
    with MqttClient(BrokerSettings("127.0.0.1", mosquitto.port)) as connection:
        connection.publish([WRITER.state_message(state)], retain=True)
    shown = call(capsys, main, "watch", *words, columns=200).stdout
    assert "0 alerts" in shown
    assert "stale" in shown
    assert "empty" not in shown
    printed = json.loads(call(capsys, main, "watch", *words, "--json").stdout)
    assert [(s["verdict"], s["reason"]) for s in printed] == [("stale", "no word from the agent since")]


def test_brackets_in_names_are_shown_as_they_are(mosquitto: Mosquitto, capsys: Capture) -> None:
    seen = Seen(sku="Tea [/x]", confidence=0.5)
    with MqttClient(BrokerSettings("127.0.0.1", mosquitto.port)) as connection:
        state = _state(Verdict.MISMATCH, seen).model_copy(update={"location": "A[b]"})
        connection.publish([WRITER.state_message(state)], retain=True)
    words = ("--site", "s", "--host", "127.0.0.1", "--port", mosquitto.port, "--seconds", 4)
    text = call(capsys, main, "watch", *words, columns=200).stdout
    assert "Tea [/x]" in text
    assert "A[b]" in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_json_is_printed_when_watching_is_ended(mosquitto: Mosquitto, number: signal.Signals) -> None:
    _publish(mosquitto.port)
    words = ("watch", "--site", "s", "--host", "127.0.0.1", "--port", str(mosquitto.port), "--json")
    command = [str(BIN / "kardus-wms"), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        mosquitto.wait_for_log("as kardus-", lines=2)  # the first one published
        watching.send_signal(number)
        text, complaint = watching.communicate(timeout=PATIENCE_S)
    assert [state["location"] for state in json.loads(text)] in ([], ["A-1"]), "the signal may be faster"
    assert watching.returncode == ("incomplete" in complaint), complaint


def test_a_broker_that_goes_while_it_is_watched_is_missed(mosquitto: Mosquitto) -> None:
    _publish(mosquitto.port)
    words = ("watch", "--site", "s", "--host", "127.0.0.1", "--port", str(mosquitto.port), "--json", "--seconds", "9")
    command = [str(BIN / "kardus-wms"), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        mosquitto.wait_for_log("kardus/v1/s/agents/+/status")
        mosquitto.kill()
        _, complaint = watching.communicate(timeout=PATIENCE_S)
    assert watching.returncode == 1
    assert f"127.0.0.1:{mosquitto.port}" in complaint


def test_a_receiver_is_stopped_in_time_while_its_webhook_drips(mosquitto: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("k" * 32)
    files = ("--sqlite", tmp_path / "k.sqlite", "--webhook-secret-file", tmp_path / "secret")
    alert = Alert(id="a-1", status="open", opened=NOW)
    with DrippingServer(drips_headers) as server:
        words = ("receive", "--site", SITE, "--host", "127.0.0.1", "--port", mosquitto.port, "--webhook", server.url())
        command = [str(word) for word in (BIN / "kardus-wms", *words, *files)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as receiving:
            try:
                mosquitto.wait_for_subscription(f"kardus-receive-{SITE}-receiver")
                with MqttClient(BrokerSettings("127.0.0.1", mosquitto.port)) as connection:
                    connection.publish([Publisher().event("A-1", Verdict.MISMATCH, alert)], retain=False)
                assert server.asked.acquire(timeout=PATIENCE_S)
                receiving.send_signal(signal.SIGTERM)
                with within(5):
                    _, said = receiving.communicate(timeout=PATIENCE_S)
            finally:
                receiving.kill()
    assert receiving.returncode == 0
    (deprecated,) = [line for line in said.splitlines() if " INFO " not in line]
    assert "--webhook goes with the next version: give `kardus-wms deliver` a target of kind 'webhook'" in deprecated


@pytest.mark.parametrize("site", ["", "a/b", "a#", "+", "a\x85", "\udcff"])
def test_a_site_that_cannot_stand_in_a_topic_is_refused(capsys: Capture, site: str) -> None:
    assert_one_line(
        call(capsys, main, "watch", "--site", site), 2, f"--site '{site}'".encode("unicode_escape").decode()
    )


@pytest.mark.parametrize("name", ["a\x9b", "\udcff", "\ufdd0"])
def test_a_user_name_that_no_broker_reads_is_refused(capsys: Capture, name: str) -> None:
    assert_one_line(
        call(capsys, main, "watch", "--site", "s", "--username", name), 2, "--username", "control character"
    )


@pytest.mark.parametrize("host", ["", "a..b", "no such host"])
def test_a_host_that_is_none_is_named(capsys: Capture, host: str) -> None:
    assert_one_line(call(capsys, main, "watch", "--site", "s", "--host", host), 1, f"{host}:1883: no broker there")


def test_a_password_file_that_is_no_text_is_named(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "p").write_bytes(b"\xff\xfe")
    (tmp_path / "p").chmod(0o600)
    result = call(capsys, main, "watch", "--site", "s", "--username", "u", "--password-file", tmp_path / "p")
    assert_one_line(result, 2, "--password-file", "not UTF-8")


def test_a_broker_that_refuses_what_is_expected_is_not_a_success(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kardus.mqtt.retained.ECHO_TIMEOUT_S", 1.0)  # waited out: nothing comes back
    (tmp_path / "acl").write_text("topic read kardus/#\n")
    broker = Mosquitto(tmp_path / "m", extra=f"acl_file {tmp_path}/acl\n")
    broker.start()
    stock = tmp_path / "stock.csv"
    stock.write_text("location,sku\nA-1,Tea\n")
    words = ("expect", stock, "--site", "s", "--host", "127.0.0.1", "--port", broker.port)
    result = call(capsys, main, *words)
    broker.kill()
    assert result.returncode == 1
    assert "check the user's rights to publish and to read there" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--certificate-file", "a.crt"), ("--certificate-file and --key-file belong together",)),
        (("--ca-file", "no.crt"), ("--ca-file = no.crt", "cannot be used")),
        (("--crl-file", "no.pem"), ("--crl-file = no.pem", "cannot be used")),
        (("--ca-file", "$CREDENTIALS_DIRECTORY/ca.crt"), ("--ca-file", "LoadCredential=")),
        (("--certificate-file", "a.crt", "--key-file", "no.key"), ("--key-file = no.key", "cannot be read")),
    ],
)
def test_a_certificate_that_cannot_be_used_is_named(
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    parts: tuple[str, ...],
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert_one_line(call(capsys, main, "watch", "--site", "s", *words), 2, *parts)


def test_a_broker_without_tls_is_told_nothing_by_the_wms_side(mosquitto: Mosquitto, capsys: Capture) -> None:
    words = ("watch", "--site", "s", "--host", "127.0.0.1", "--port", mosquitto.port, "--tls", "--seconds", 2)
    assert_one_line(call(capsys, main, *words), 1, f":{mosquitto.port}: no ")


def test_what_one_command_alone_needs_is_not_loaded_by_the_others() -> None:
    heavy = "{'sqlalchemy', 'openpyxl', 'cryptography', 'httpx2', 'fastapi'}"
    script = f"import sys, warehouse.cli.main; print(*{heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()


@pytest.mark.parametrize("port", ["9" * 5000, "70000", "", "²"])
def test_a_port_that_is_none_is_named(port: str) -> None:
    with pytest.raises(UsageError, match="--health '127"):
        listen_address(f"127.0.0.1:{port}")


def test_a_level_of_a_topic_is_composed_as_agents_do_it() -> None:
    check, nfd = topic_level("--agent"), "Bu\u0308ro"
    assert check(nfd) == "B\u00fcro"
    assert check([nfd, "box"]) == ["B\u00fcro", "box"]
    assert check(None) == []
    assert len(check("u\u0308" * 100)) == 100
    for wrong in ("a/b", "", "u\u0308" * 101):
        with pytest.raises(UsageError, match="--agent"):
            check([wrong])
