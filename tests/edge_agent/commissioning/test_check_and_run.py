"""`check` opens what `run` opens, through the same code: what ends the one is found by the other, in the same line."""

import re
import socket
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from edge_agent.agent import Agent
from edge_agent.cli.check import check
from edge_agent.config import Config, load_config
from edge_agent.config.data_folder import DataFolder
from kardus.codes.labels import RackLabel, find_labels
from kardus.support.errors import KardusError
from simulator.demo.broker import free_port
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from tests.agents import grey_frame, write_config
from tests.faults.disks import memory_disk

Spoil = Callable[[Path], str]
"""Makes something unusable in the folder of a configuration; the table to add to it."""


@pytest.fixture(autouse=True)
def _labels_sought_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one and the same grey picture: to look for labels costs more than all else that `check` does."""
    monkeypatch.setattr("edge_agent.commissioning.checks.find_labels", _labels_of)


def _labels_of(picture: Image.Image) -> list[RackLabel]:
    return _labels_in(picture.size, picture.tobytes())


@cache
def _labels_in(size: tuple[int, int], pixels: bytes) -> list[RackLabel]:
    return find_labels(Image.frombytes("RGB", size, pixels))


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _configured(folder: Path, spoil: Spoil, port: int = 0) -> Config:
    grey_frame(folder / "rack.png")
    source = 'type = "file", path = "rack.png"'
    config = write_config(folder, free_port(), DEMO_BUNDLE, DEMO_KEY.read_text().strip(), source)
    where, _, addition = spoil(folder).partition(" ")
    text = config.read_text()
    if where == "cameras":
        text = text.replace("interval_s = 0.0", f"interval_s = 0.0\n{addition}", 1)
    elif f"[{where}]\n" in text:
        text = text.replace(f"[{where}]\n", f"[{where}]\n{addition}\n", 1)
    else:
        text = text.replace("[mqtt]\n", f"[{where}]\n{addition}\n[mqtt]\n", 1)
    config.write_text(text.replace("PORT", str(port)))
    return load_config(config)


def _file(name: str, addition: str) -> Spoil:
    """A file of nonsense."""

    def spoil(folder: Path) -> str:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"nonsense")
        return addition

    return spoil


def _without_its_bundle(folder: Path) -> str:
    config = folder / "agent.toml"
    config.write_text(config.read_text().replace(str(DEMO_BUNDLE), "gone.bundle"))
    return "agent "


def _kept(name: str, addition: str = "agent ") -> Spoil:
    """A file lies where a folder of the agent's should be."""
    return _file(f"data/{name}", addition)


def _folder_for_a_file(name: str) -> Spoil:
    def spoil(folder: Path) -> str:
        (folder / "data" / name).mkdir(parents=True)
        return "agent "

    return spoil


def _other_agent(folder: Path) -> str:
    other = folder / "other"
    config = write_config(other, 1, DEMO_BUNDLE, DEMO_KEY.read_text().strip(), 'type = "file", path = "x"')
    config.write_text(config.read_text().replace('name = "box"', 'name = "other"').replace('"data"', '"../data"'))
    OCCUPIED.append(DataFolder(load_config(config)))
    return "agent "


SIZED = "cameras picture_size = [1920, 1080]"


def _picture(name: str, size: tuple[int, int], addition: str) -> Spoil:
    def spoil(folder: Path) -> str:
        Image.new("RGB", size, "grey").save(folder / name)
        return addition

    return spoil


def _with_camera_s_password(folder: Path) -> str:
    config = folder / "agent.toml"
    address = 'type = "rtsp", url = "rtsp://127.0.0.1:9/x", username = "u", password_file = "gone"'
    config.write_text(config.read_text().replace('type = "file", path = "rack.png"', address))
    return "agent "


OCCUPIED: list[DataFolder] = []
FAULTS: dict[str, tuple[str, Spoil, str]] = {
    "reference missing": ("camera rack", lambda _: 'cameras reference = "gone.png"', "cameras 'rack': reference = "),
    "reference is no picture": (
        "camera rack",
        _file("x.png", 'cameras reference = "x.png"'),
        "readable",
    ),
    "empty picture missing": ("camera rack", lambda _: 'cameras empty_picture = "gone.png"', "empty_picture = "),
    "empty picture is a folder": ("camera rack", lambda _: 'cameras empty_picture = "."', "snapshot --empty"),
    "empty picture of another shape": (
        "camera rack",
        _picture("x.png", (640, 640), f'{SIZED}\nempty_picture = "x.png"'),
        "empty_picture is 640 x 640, and its locations were laid out at 1920 x 1080",
    ),
    "reference of another shape": (
        "camera rack",
        _picture("x.png", (640, 640), f'{SIZED}\nreference = "x.png"'),
        "reference is 640 x 640, and its locations were laid out at 1920 x 1080",
    ),
    "camera's password": ("camera rack", _with_camera_s_password, "cameras 'rack': password_file = "),
    "health port taken": ("health page", lambda _: "health port = PORT", "health.port = "),
    "no such host": ("health page", lambda _: 'health host = "192.0.2.1"\nport = PORT', "name an address of this"),
    "no such name": ("health page", lambda _: 'health host = "a.invalid"\nport = PORT', "name an address of this"),
    "data folder is a file": ("data folder", _file("data", "agent "), "agent.data_dir"),
    "outbox is a folder": ("data folder", _folder_for_a_file("outbox.sqlite"), "outbox.sqlite is no file"),
    "expected stock is a folder": ("data folder", _folder_for_a_file("expected.sqlite"), "expected.sqlite is no file"),
    "evidence is a file": ("data folder", _kept("evidence"), "evidence is no folder"),
    "harvest is a file": ("data folder", _kept("harvest"), "harvest is no folder"),
    "models is a file": ("data folder", _kept("models"), "models is no folder"),
    "recording is a file": ("data folder", _kept("recording", "recording max_mb = 9"), "recording is no folder"),
    "another agent": ("data folder", _other_agent, "agent tests/other (process "),
    "model is missing": ("model", _without_its_bundle, "gone.bundle: cannot be"),
    "authority of bundles": ("model", lambda _: 'model ca_file = "gone.pem"', "model.ca_file = "),
    "watched folder": ("model", lambda _: 'model watch_folder = "rack.png"', "model.watch_folder = "),
    "password": ("broker", lambda _: 'mqtt password_file = "gone"', "mqtt.password_file = "),
    "authority": ("broker", lambda _: 'mqtt tls = true\nca_file = "gone.pem"', "mqtt.ca_file = "),
    "revoked": ("broker", lambda _: 'mqtt tls = true\ncrl_file = "gone.pem"', "mqtt.crl_file = "),
    "own certificate": (
        "broker",
        lambda _: 'mqtt tls = true\ncertificate_file = "gone.crt"\nkey_file = "gone.key"',
        "mqtt.key_file = ",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_ends_run_is_found_by_check_in_the_same_line(tmp_path: Path, taken_port: int, case: str) -> None:
    what, spoil, named = FAULTS[case]
    config = _configured(tmp_path, spoil, taken_port)
    found = {result.what: result for result in check(config)}[what]
    assert not found.ok
    assert named in found.found
    with pytest.raises(KardusError) as ended:
        Agent(config)
    if case != "data folder is a file":  # then `run` fails to make it, with the same key
        assert str(ended.value) == found.found
    assert "agent.data_dir" in str(ended.value) or named in str(ended.value)


@pytest.mark.root
def test_a_disk_without_space_is_found(tmp_path: Path) -> None:
    with memory_disk(tmp_path / "data", "6m") as disk:
        config = _configured(tmp_path, lambda _: "agent ")
        assert next(result for result in check(config) if result.what == "data folder").ok
        (disk / "recordings of others").write_bytes(b"x" * 3_000_000)
        found = next(result for result in check(config) if result.what == "data folder")
        said = r"agent\.data_dir: .*data is on a disk with 3\.\d MB free, 5 are needed: make room"
        assert re.fullmatch(said, found.found)


def test_check_leaves_the_folder_of_an_agent_that_runs_as_it_is_and_names_it(tmp_path: Path, taken_port: int) -> None:
    config = _configured(tmp_path, lambda _: "health port = PORT", taken_port)
    folder = DataFolder(config)  # as its agent does, whose page it is that has the port
    found = {result.what: result for result in check(config)}
    assert (found["data folder"].ok, found["health page"].ok) == (True, True)
    assert "where this agent is running (process " in found["data folder"].found
    folder.leave()
    found = {result.what: result for result in check(config)}
    assert (found["data folder"].ok, found["health page"].ok) == (True, False)


def test_an_agent_s_folder_is_free_as_soon_as_it_is_left(tmp_path: Path) -> None:
    config = _configured(tmp_path, lambda _: "agent ")
    first = DataFolder(config)
    with pytest.raises(KardusError, match=r"agent tests/box \(process \d+\) is at work in it: stop it"):
        DataFolder(config)
    first.leave()
    DataFolder(config).leave()
