"""The configuration is read whole, and every mistake in it is one line that names key and value."""

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_agent.config import Config, load_config, parse_config
from edge_agent.config.sources import FolderSource, SimulatedSource, StillSource, VideoSource
from kardus.support.errors import ConfigError, KardusError

KEY = "ed25519:" + "A" * 43 + "="
CORNERS = "[[0.1, 0.1], [0.3, 0.1], [0.3, 0.4], [0.1, 0.4]]"
FULL = f"""
[agent]
site = "hall 3"
name = "box-7"
data_dir = "data"

[model]
bundle = "models/carton.bundle"
trust = ["{KEY}"]
allow_unsigned = true
threads = 2

[mqtt]
host = "broker.example"
port = 8883
version = "3.1.1"
username = "box-7"
password_file = "password"
keepalive_s = 60

[verdict]
votes = 4
window = 7
match_likelihood = 0.7
mismatch_likelihood = 0.05
min_confidence = 0.8
valid_for_s = 120

[[cameras]]
name = "left"
source = {{ type = "video", path = "left.mp4", every = 5 }}
interval_s = 0.5
units = "share"

[[cameras.locations]]
id = "A-01-1-01"
corners = {CORNERS}

[[cameras.locations]]
id = "A-01-1-02"
corners = {CORNERS}

[[cameras]]
name = "right"

[cameras.source]
type = "simulated"
seed = 3
levels = 4
positions = 6
script = "s.json"
photos = "p"
pattern = "val_*"
unknown = "u"

[[cameras.locations]]
id = "A-02-1-01"
corners = [[10, 10], [200, 12], [190, 180], [8, 170]]
"""
LEAST = f"""
[agent]
site = "s"
name = "a"
data_dir = "/var/lib/kardus"
[model]
bundle = "/srv/m.bundle"
[[cameras]]
name = "c"
source = {{ type = "file", path = "now.jpg" }}
[[cameras.locations]]
id = "L"
corners = {CORNERS}
"""


def _load(folder: Path, text: str) -> Config:
    path = folder / "agent.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def _refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as refusal:
        _load(folder, text)
    line = str(refusal.value)
    assert len(line.splitlines()) == 1
    assert line.startswith(f"{folder / 'agent.toml'}: ")
    return line


def _changed(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


def test_the_full_example_is_read_to_the_last_key(tmp_path: Path) -> None:
    config = _load(tmp_path, FULL)
    assert (config.agent.site, config.agent.name) == ("hall 3", "box-7")
    assert config.model
    assert (config.model.trust, config.model.allow_unsigned, config.model.threads) == ((KEY,), True, 2)
    assert (config.mqtt.host, config.mqtt.port, config.mqtt.version) == ("broker.example", 8883, "3.1.1")
    assert (config.mqtt.username, config.mqtt.keepalive_s) == ("box-7", 60)
    assert (config.verdict.votes, config.verdict.window, config.verdict.valid_for_s) == (4, 7, 120)
    rules = config.verdict
    assert (rules.match_likelihood, rules.mismatch_likelihood, rules.min_confidence) == (0.7, 0.05, 0.8)
    left, right = config.cameras
    assert isinstance(left.source, VideoSource)
    assert (left.source.every, left.interval_s, left.units) == (5, 0.5, "share")
    assert [location.id for location in left.locations] == ["A-01-1-01", "A-01-1-02"]
    assert isinstance(right.source, SimulatedSource)
    assert (right.source.seed, right.source.levels, right.source.positions) == (3, 4, 6)
    assert right.source.pattern == "val_*"
    assert right.locations[0].corners == ((10, 10), (200, 12), (190, 180), (8, 170))


def test_names_are_in_nfc_however_the_file_was_typed(tmp_path: Path) -> None:
    text = LEAST.replace('site = "s"', 'site = "Ha\u0308lle"').replace('id = "L"', 'id = "Ku\u0308hl-1"')
    config = _load(tmp_path, text.replace('name = "c"', 'name = "Tu\u0308r"'))
    names = (config.agent.site, config.cameras[0].name, config.cameras[0].locations[0].id)
    assert names == ("H\u00e4lle", "T\u00fcr", "K\u00fchl-1")


def test_relative_paths_begin_at_the_configuration_s_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "agent.toml").write_text(FULL, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    config = load_config(Path("etc/agent.toml"))
    assert config.agent.data_dir == folder / "data"
    assert config.model
    assert config.model.bundle == folder / "models" / "carton.bundle"
    assert config.mqtt.password_file == folder / "password"
    left, right = (camera.source for camera in config.cameras)
    assert isinstance(left, VideoSource)
    assert left.path == folder / "left.mp4"
    assert isinstance(right, SimulatedSource)
    assert (right.script, right.photos, right.unknown) == (folder / "s.json", folder / "p", folder / "u")


def test_absolute_paths_stay(tmp_path: Path) -> None:
    config = _load(tmp_path, LEAST)
    assert config.agent.data_dir == Path("/var/lib/kardus")
    assert config.model
    assert config.model.bundle == Path("/srv/m.bundle")


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    config = _load(tmp_path, LEAST)
    assert (config.mqtt.host, config.mqtt.port, config.mqtt.version, config.mqtt.password_file) == (
        "localhost",
        1883,
        "auto",
        None,
    )
    assert (config.verdict.votes, config.verdict.window) == (3, 5)
    assert config.model
    assert (config.model.trust, config.model.allow_unsigned) == ((), False)
    assert (config.cameras[0].interval_s, config.cameras[0].units) == (1.0, "pixels")


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ('{ type = "file", path = "x" }', StillSource),
        ('{ type = "folder", path = "x" }', FolderSource),
        ('{ type = "video", path = "x" }', VideoSource),
        ('{ type = "simulated" }', SimulatedSource),
    ],
)
def test_every_kind_of_source_is_told_by_its_type(tmp_path: Path, source: str, kind: type) -> None:
    config = _load(tmp_path, _changed(LEAST, '{ type = "file", path = "now.jpg" }', source))
    assert isinstance(config.cameras[0].source, kind)


WRONG = {
    "missing key": ('site = "hall 3"\n', "", ("agent.site", "missing", "add it")),
    "samples that are never kept": (
        "[agent]",
        "[harvest]\nsample = true\nmax_mb = 0\n[agent]",
        ("harvest", "max_mb = 0"),
    ),
    "missing section": ('[agent]\nsite = "hall 3"\nname = "box-7"\ndata_dir = "data"\n', "", ("agent", "missing")),
    "misspelt key": ("data_dir", "datadir", ("agent.datadir", "no such key")),
    "misspelt section": ("[verdict]", "[verdicts]", ("verdicts", "no such key")),
    "misspelt key of a source": ("every = 5", "evry = 5", ("cameras.0.source.evry", "no such key")),
    "misspelt key of a location": ('id = "A-02-1-01"', 'ident = "A-02-1-01"', ("cameras.1.locations.0.ident",)),
    "bad site": ('"hall 3"', '"hall/3"', ("agent.site = 'hall/3'",)),
    "bad location": ('"A-02-1-01"', '" A-1"', ("cameras.1.locations.0.id = ' A-1'",)),
    "location with a control character": ('"A-02-1-01"', '"A\\u0085"', ("cameras.1.locations.0.id = 'A\\x85'", "MQTT")),
    "location that is no text": ('"A-02-1-01"', '"A\\uFDD0"', ("cameras.1.locations.0.id = 'A\\ufdd0'", "MQTT")),
    "user with a control character": ('username = "box-7"', 'username = "u\\u009b"', ("mqtt.username", "MQTT")),
    "prefix with a control character": (
        "[verdict]",
        '[homeassistant]\nprefix = "home\\u0080"\n[verdict]',
        ("homeassistant.prefix", "MQTT"),
    ),
    "location twice in a camera": ('"A-01-1-02"', '"A-01-1-01"', ("locations", "'A-01-1-01'", "twice")),
    "location in two cameras": ('"A-02-1-01"', '"A-01-1-02"', ("locations", "'A-01-1-02'", "twice")),
    "camera twice": ('name = "right"', 'name = "left"', ("cameras", "'left'", "twice")),
    "counter-clockwise": (
        "[[10, 10], [200, 12], [190, 180], [8, 170]]",
        "[[8, 170], [190, 180], [200, 12], [10, 10]]",
        ("cameras.1.locations.0.corners", "clockwise"),
    ),
    "crossed": (
        "[[10, 10], [200, 12], [190, 180], [8, 170]]",
        "[[10, 10], [190, 180], [200, 12], [8, 170]]",
        ("corn",),
    ),
    "dented": ("[190, 180]", "[40, 40]", ("cameras.1.locations.0.corners", "clockwise")),
    "three corners": (", [8, 170]]", "]", ("cameras.1.locations.0.corners",)),
    "corner at nan": ("[190, 180]", "[nan, 180]", ("cameras.1.locations.0.corners.2.0 = nan",)),
    "votes over window": ("votes = 4", "votes = 8", ("verdict", "votes = 8", "window of 7")),
    "likelihoods in disorder": ("= 0.05", "= 0.7", ("verdict", "mismatch_likelihood must be below match_likelihood")),
    "likelihood over 1": ("= 0.8", "= 1.8", ("verdict.min_confidence = 1.8",)),
    "recording of a strange camera": (
        "[verdict]",
        '[recording]\ncameras = ["middle"]\n[verdict]',
        ("recording.cameras: 'middle' is none of the cameras",),
    ),
    "port too high": ("port = 8883", "port = 88830", ("mqtt.port = 88830", "65535")),
    "port as text": ("port = 8883", 'port = "mqtt"', ("mqtt.port = 'mqtt'",)),
    "unheard-of version": ('"3.1.1"', '"4"', ("mqtt.version = '4'", "'auto'")),
    "trusted key of another kind": (KEY, "rsa:AAAA", ("model.trust", "rsa:AAAA", "ed25519:")),
    "trusted key too short": (KEY, "ed25519:AAAA", ("model.trust", "ed25519:AAAA")),
    "trusted key no base64": (KEY, "ed25519:A", ("model.trust", "ed25519:A")),
    "unheard-of source": ('type = "video"', 'type = "webcam"', ("cameras.0.source", "'webcam'", "'video'")),
    "source of no type": ('type = "video", ', "", ("cameras.0.source", "type")),
    "source without path": ('path = "left.mp4", ', "", ("cameras.0.source.path", "missing")),
    "too many levels": ("levels = 4", "levels = 11", ("cameras.1.source.levels = 11",)),
    "negative interval": ("interval_s = 0.5", "interval_s = -1", ("cameras.0.interval_s = -1",)),
    "interval no number": ("interval_s = 0.5", "interval_s = nan", ("cameras.0.interval_s = nan",)),
    "units": ('units = "share"', 'units = "percent"', ("cameras.0.units = 'percent'", "'pixels'")),
    "no toml": ("[agent]", "[agent", ("not valid TOML", "line 2")),
    "key twice": ("threads = 2", "threads = 2\nthreads = 3", ("not valid TOML",)),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_one_line_that_names_key_and_value(tmp_path: Path, case: str) -> None:
    old, new, named = WRONG[case]
    line = _refusal(tmp_path, _changed(FULL, old, new))
    for part in named:
        assert part in line


def test_a_camera_without_locations_is_refused(tmp_path: Path) -> None:
    line = _refusal(tmp_path, LEAST.split("[[cameras.locations]]", maxsplit=1)[0])
    assert "cameras.0: locations: missing" in line


def test_no_camera_is_refused(tmp_path: Path) -> None:
    assert "cameras" in _refusal(tmp_path, "cameras = []\n" + LEAST.split("[[cameras]]", maxsplit=1)[0])


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.toml", tmp_path):
        with pytest.raises(ConfigError, match=re.escape(f"{path}: cannot be read (")):
            load_config(path)


def test_a_file_that_is_no_utf_8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_bytes(b'[agent]\nsite = "\xff"\n')
    with pytest.raises(ConfigError, match=r"agent\.toml: not valid TOML"):
        load_config(path)


def test_a_mistake_is_wrong_use() -> None:
    assert ConfigError.exit_code == 2
    assert issubclass(ConfigError, KardusError)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["agent", "model", "mqtt", "verdict", "cameras", "more"]), VALUES)
@example("agent", {"a\nb": 1})
def test_any_content_is_a_configuration_or_one_line(section: str, value: object) -> None:
    try:
        parse_config(tomllib.loads(FULL) | {section: value}, Path("/etc/agent.toml"))
    except ConfigError as error:
        line = str(error)
    else:
        return
    assert line.startswith("/etc/agent.toml: ")
    assert len(line.splitlines()) == 1


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    example = Path(__file__).parents[3] / "deploy" / "examples" / "agent.toml"
    content = load_config(example).model_dump(mode="json", exclude_none=True)
    content["cameras"][0]["source"]["url"] = "rtsp://kardus:s3cret@camera.example/1"
    with pytest.raises(ConfigError, match=r"use username and password_file") as refused:
        parse_config(content, example)
    assert "s3cret" not in str(refused.value)
    assert "rtsp://...@camera.example/1" in str(refused.value)


def test_a_path_may_be_a_credential_of_systemds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = FULL.replace('"password"', '"$CREDENTIALS_DIRECTORY/mqtt"')
    path = tmp_path / "credentials.toml"
    path.write_text(text)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/kardus-agent.service")
    assert load_config(path).mqtt.password_file == Path("/run/credentials/kardus-agent.service/mqtt")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(ConfigError, match=r"mqtt\.password_file = .*LoadCredential="):
        load_config(path)


def test_the_model_may_be_left_out_only_where_photos_are_collected_for_one(tmp_path: Path) -> None:
    without = _changed(LEAST, '[model]\nbundle = "/srv/m.bundle"\n', "[harvest]\nsample = false\n")
    line = _refusal(tmp_path, without)
    assert "model: missing: add it, or collect photos for a first one with [harvest] sample = true" in line
    config = _load(tmp_path, _changed(without, "sample = false", "sample = true"))
    assert config.model is None
