"""`kardus-agent check`: everything that can be wrong, before it runs."""

import json
from pathlib import Path

import pytest

from edge_agent.__main__ import main
from edge_agent.cli.check import check
from edge_agent.config import load_config
from simulator.demo.broker import free_port
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from tests.agents import grey_frame, write_config
from tests.brokers import Mosquitto
from tests.https_server import HttpsServer, send
from tests.in_process import assert_one_line, call

KEY = DEMO_KEY.read_text().strip()
Capture = pytest.CaptureFixture[str]


def _found(capsys: Capture, config: Path, check: int) -> dict[str, str]:
    result = call(capsys, main, "check", config, "--json")
    assert result.returncode == check, result.stderr
    return {r["what"]: ("ok: " if r["ok"] else "wrong: ") + r["found"] for r in json.loads(result.stdout)}


def test_all_is_well(tmp_path: Path, mosquitto: Mosquitto, capsys: Capture) -> None:
    grey_frame(tmp_path / "rack.png")
    config = write_config(tmp_path, mosquitto.port, DEMO_BUNDLE, KEY, 'type = "file", path = "rack.png"')
    found = _found(capsys, config, check=0)
    camera = found["camera rack"]
    assert camera.startswith(
        "ok: 1920 x 1080, 15 locations inside the picture; which size of picture its corners belong "
    )
    assert "add picture_size = [1920, 1080]" in camera
    assert found["broker"].endswith("MQTT 5")
    assert all(text.startswith("ok: ") for text in found.values())
    assert not (tmp_path / "data").exists()


def test_what_the_model_really_runs_on_is_named_and_another_provider_is_an_error(
    tmp_path: Path, mosquitto: Mosquitto, capsys: Capture
) -> None:
    grey_frame(tmp_path / "rack.png")
    config = write_config(tmp_path, mosquitto.port, DEMO_BUNDLE, KEY, 'type = "file", path = "rack.png"')
    text = config.read_text(encoding="utf-8")
    asked = 'providers = ["AzureExecutionProvider"'
    config.write_text(text.replace("trust =", f'{asked}, "CPUExecutionProvider"]\ntrust ='), encoding="utf-8")
    assert "runs on CPUExecutionProvider (f32); not on AzureExecutionProvider" in _found(capsys, config, 0)["model"]
    config.write_text(text.replace("trust =", f"{asked}]\ntrust ="), encoding="utf-8")
    assert _found(capsys, config, 1)["model"].startswith("wrong: model.providers: AzureExecutionProvider")
    config.write_text(text.replace("trust =", 'providers = ["CUDA"]\ntrust ='), encoding="utf-8")
    assert _found(capsys, config, 1)["model"].startswith(
        "wrong: model.providers: 'CUDA': no such provider in this onnx"
    )


def test_every_fault_is_named_in_one_run(tmp_path: Path, bundle_file: Path, capsys: Capture) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    config = write_config(tmp_path, free_port(), bundle_file, KEY, 'type = "file", path = "no.png"')
    found = _found(capsys, config, check=1)
    assert "not trusted" in found["model"]
    assert "agent.data_dir" in found["data folder"]
    assert "no.png: no such picture: check the path" in found["camera rack"]
    assert "start it, or correct mqtt.host" in found["broker"]
    assert all(text.startswith("wrong: ") for text in found.values())


def test_a_camera_whose_certificate_nobody_checks_is_named(
    tmp_path: Path, mosquitto: Mosquitto, capsys: Capture
) -> None:
    grey_frame(tmp_path / "rack.jpg")
    picture = (tmp_path / "rack.jpg").read_bytes()
    with HttpsServer(tmp_path / "tls", lambda handler: send(handler, picture)) as camera:
        source = f'type = "snapshot", url = "{camera.url}"'
        refused = write_config(tmp_path / "refused", mosquitto.port, DEMO_BUNDLE, KEY, source)
        assert "name its authority in ca_file" in _found(capsys, refused, check=1)["camera rack"]
        taken = write_config(tmp_path / "taken", mosquitto.port, DEMO_BUNDLE, KEY, source + ", insecure = true")
        found = _found(capsys, taken, check=0)["camera rack"]
    assert found.startswith("ok: 1920 x 1080, 15 locations inside the picture")
    assert found.endswith("; its certificate isn't checked (insecure = true)")


@pytest.mark.parametrize(
    ("size", "found"),
    [
        ("[3840, 2160]", "ok: 1920 x 1080, 15 locations inside the picture (corners scaled from 3840 x 2160)"),
        ("[1600, 1200]", "wrong: its picture is 1920 x 1080, and its locations were laid out at 1600 x 1200"),
    ],
)
def test_the_size_at_which_a_rack_was_laid_out_is_compared_with_the_camera_s(
    tmp_path: Path, size: str, found: str
) -> None:
    grey_frame(tmp_path / "rack.png")
    config = write_config(tmp_path, free_port(), DEMO_BUNDLE, KEY, 'type = "file", path = "rack.png"')
    config.write_text(config.read_text().replace("interval_s = 0.0", f"picture_size = {size}", 1))
    result = {result.what: result for result in check(load_config(config))}["camera rack"]
    assert f"{'ok' if result.ok else 'wrong'}: {result.found}".startswith(found)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('id = "A-01-1-02"', 'id = "A-01-1-01"', "'A-01-1-01' stands there twice"),
        ("[agent]", "[agnet]", "agnet: no such key"),
        ("keepalive_s = 20", 'keepalive_s = "often"', "mqtt.keepalive_s = 'often'"),
    ],
)
def test_a_wrong_key_ends_with_exit_code_2_and_one_line(
    tmp_path: Path, capsys: Capture, old: str, new: str, named: str
) -> None:
    config = write_config(tmp_path, 1, DEMO_BUNDLE, KEY, 'type = "file", path = "x.png"')
    config.write_text(config.read_text().replace(old, new, 1))
    assert_one_line(call(capsys, main, "check", config), 2, f"error: {config}: ", named)
