"""The slots commands, as an installer runs them on a drawn rack."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_agent.__main__ import main
from edge_agent.config import load_config
from edge_agent.config.cameras import CameraSection
from kardus.inference.preprocess import read_photo, read_picture
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from simulator.rack_labels import RackLabels
from simulator.scene import Rack
from tests.agents import write_config
from tests.edge_agent.making import members_in, sealed
from tests.edge_agent.racks import LOCATIONS, RACK, still, write_still
from tests.in_process import assert_one_line, call
from tests.pictures import seen_through

KEY = DEMO_KEY.read_text().strip()
Slots = Callable[..., tuple[str, str]]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose camera shows the drawn rack."""
    write_still(tmp_path / "now.png")
    return write_config(tmp_path, 1, DEMO_BUNDLE, KEY, 'type = "file", path = "now.png"')


@pytest.fixture
def slots(capsys: pytest.CaptureFixture[str]) -> Slots:
    """Runs one of the commands and checks its exit code: what it printed, and what it said."""

    def run(*words: object, check: int = 0) -> tuple[str, str]:
        result = call(capsys, main, "slots", *words, columns=200)
        assert result.returncode == check, result.stderr
        return result.stdout, result.stderr

    return run


def test_a_snapshot_is_written_and_its_key_is_named(slots: Slots, config: Path, tmp_path: Path) -> None:
    for option, key in (((), "reference"), (("--empty",), "empty_picture")):
        said, _ = slots("snapshot", config, "--out", tmp_path / "taken.png", *option)
        assert "1920 x 1080 pixels written" in said
        assert f'in [[cameras]] "rack" write: {key} = "{tmp_path}/taken.png"' in said
        assert np.array_equal(read_photo(tmp_path / "taken.png"), still())


def test_a_grid_is_what_a_configuration_takes(slots: Slots, config: Path) -> None:
    outline = "[[0.03, 0.03], [0.975, 0.05], [0.965, 0.96], [0.035, 0.975]]"
    said, _ = slots(
        "grid", "--outline", outline, "--levels", 3, "--positions", 5, "--code", "A-01-{level}-{position:02}"
    )
    text = config.read_text()
    camera = text[: text.index("[[cameras.locations]]")]
    config.write_text(camera.replace("[[cameras]]", '[[cameras]]\nunits = "share"') + said)
    (section,) = load_config(config).cameras
    assert [location.id for location in section.locations] == LOCATIONS
    for location, slot in zip(section.locations, RACK.slots(), strict=True):
        found = np.array(location.quadrilaterals[0]) * [1920, 1080]
        assert np.abs(found - slot.corners).max() < 20


def test_the_slots_are_drawn_over_the_picture(slots: Slots, config: Path, tmp_path: Path) -> None:
    said, _ = slots("draw", config, "--out", tmp_path / "drawn.png")
    assert "15 slots drawn" in said
    drawn = read_photo(tmp_path / "drawn.png")
    assert drawn.shape == still().shape
    x, y = RACK.slots()[0].corners[1].astype(int)
    assert drawn[y + 40, x].tolist() == [46, 160, 67]


def test_each_location_s_prospect_is_told(slots: Slots, config: Path, tmp_path: Path) -> None:
    rows = json.loads(slots("check", config, "--json")[0])
    assert [row["location"] for row in rows] == LOCATIONS
    assert all(250 < row["side_px"] < 300 for row in rows)
    assert all(row["accuracy"] >= 0.99 and row["advice"] == "" for row in rows)
    (tmp_path / "bare.bundle").write_bytes(sealed(members_in(DEMO_BUNDLE), pixels=[]))
    config.write_text(config.read_text().replace(str(DEMO_BUNDLE), "bare.bundle"))
    rows = json.loads(slots("check", config, "--json")[0])
    assert {(row["accuracy"], row["advice"]) for row in rows} == {(None, "")}, "a bundle without a curve"
    curve = [(32, 0.3), (64, 0.8), (224, 0.99)]
    points = [
        {"side_px": px, "accuracy": {"name": "class", "value": value, "n": 99, "low": 0.0, "high": 1.0}}
        for px, value in curve
    ]
    (tmp_path / "curve.bundle").write_bytes(sealed(members_in(DEMO_BUNDLE), pixels=points))
    config.write_text(config.read_text().replace("bare.bundle", "curve.bundle"))
    rows = json.loads(slots("check", config, "--json")[0])
    assert all(row["accuracy"] == 0.99 and row["advice"] == "" for row in rows)
    Image.fromarray(still()[::8, ::8]).save(tmp_path / "far.png")
    text = config.read_text().replace("[[cameras]]", '[[cameras]]\nunits = "share"', 1)
    for slot in RACK.slots():
        for x, y in slot.corners:
            text = text.replace(f"[{x:.1f}, {y:.1f}]", f"[{x / 1920:.5f}, {y / 1080:.5f}]")
    config.write_text(text)
    table, _ = slots("check", config, "--picture", tmp_path / "far.png")
    assert "move the camera" in " ".join(table.split())


def test_the_check_says_whose_curve_it_is_and_that_what_was_enrolled_is_not_in_it(
    slots: Slots, config: Path, tmp_path: Path
) -> None:
    _, note = slots("check", config, "--json")
    manifest = json.loads(members_in(DEMO_BUNDLE)["manifest.json"])
    assert f"of {manifest['pixels'][-1]['accuracy']['n']} held-out photos of its data set" in note
    assert manifest["training"]["data_sha256"][:12] in note
    assert "enrolled" not in note
    names = [info["name"] for info in manifest["classes"]]
    changes = {"graph_classes": [*names[:-1], "Old-Tea"], "distance_per_logit": 1.0, "enrolled": {names[-1]: 4}}
    (tmp_path / "enrolled.bundle").write_bytes(sealed(members_in(DEMO_BUNDLE), changes=changes))
    config.write_text(config.read_text().replace(str(DEMO_BUNDLE), "enrolled.bundle"))
    _, note = slots("check", config)
    assert f"enrolled since, and not in it: {names[-1]} (from 4 photos)" in " ".join(note.split())
    assert "retired since, and still in it: Old-Tea" in " ".join(note.split())


def test_masked_areas_are_drawn_too(slots: Slots, config: Path, tmp_path: Path) -> None:
    mask = "mask = [[[10, 10], [110, 10], [110, 60], [10, 60]]]"
    config.write_text(config.read_text().replace("[[cameras]]", f"[[cameras]]\n{mask}", 1))
    said, _ = slots("draw", config, "--out", tmp_path / "drawn.png")
    assert "15 slots and 1 masked areas drawn" in said
    assert read_photo(tmp_path / "drawn.png")[30, 50].tolist() == [110, 60, 160]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("snapshot", "CONFIG", "--out", "no/such/folder.png"), "no folder"),
        (("snapshot", "CONFIG", "--out", "x.png", "--camera", "left"), "no such camera: one of rack"),
        (("grid", "--outline", "[[0,0]]", "--levels", "1", "--positions", "1"), "give four corners"),
        (("grid", "--outline", "nothing", "--levels", "1", "--positions", "1"), "give four corners"),
        (
            ("grid", "--outline", "[[0,0],[1,0],[1,1],[0,1]]", "--levels", "1", "--positions", "1", "--code", "A"),
            "use {level} and {position}",
        ),
        (
            ("grid", "--outline", "[[0,0],[0,1],[1,1],[1,0]]", "--levels", "1", "--positions", "1"),
            "don't go round clockwise",
        ),
    ],
)
def test_wrong_use_is_one_line(slots: Slots, config: Path, words: tuple[str, ...], said: str) -> None:
    _, error = slots(*(config if word == "CONFIG" else word for word in words), check=2)
    assert error.startswith("error: ")
    assert said in error
    assert len(error.strip().splitlines()) == 1


def test_a_slot_outside_the_picture_is_named(slots: Slots, config: Path, tmp_path: Path) -> None:
    Image.fromarray(still()[:500, :900]).save(tmp_path / "small.png")
    _, error = slots("draw", config, "--out", tmp_path / "x.png", "--picture", tmp_path / "small.png", check=1)
    assert "lies outside the 900 x 500 picture" in error
    assert not (tmp_path / "x.png").exists()


def test_a_camera_without_a_picture_is_named(slots: Slots, config: Path, tmp_path: Path) -> None:
    (tmp_path / "now.png").unlink()
    _, error = slots("snapshot", config, "--out", tmp_path / "x.png", check=1)
    assert error.startswith("error: camera 'rack': ")
    assert "now.png: no such picture" in error


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of a rack of which one label is torn."""
    labels = RackLabels("qr", 2.5, damaged=frozenset({"A-01-1-02"}))
    rng = np.random.default_rng(5)
    path = tmp_path_factory.mktemp("labelled") / "rack.png"
    seen_through(Rack(2, 3, 960, 540, labels=labels).background(rng), rng, 0.6).save(path)
    return path


def test_a_rack_is_laid_out_from_its_labels_with_no_number_typed(slots: Slots, labelled: Path, tmp_path: Path) -> None:
    said, _ = slots("find", labelled, "--out", tmp_path / "found.png")
    tables = tomllib.loads(said)
    camera = {"name": "c", "source": {"type": "file", "path": "rack.png"}, **tables["cameras"]}
    camera["picture_size"] = tables["picture_size"]
    section = CameraSection.model_validate(camera)
    assert {location.id for location in section.locations} == {
        f"A-01-{level}-0{position}" for level in (1, 2) for position in (1, 2, 3)
    } - {"A-01-1-02"}
    assert read_picture(tmp_path / "found.png").size == (960, 540)


def test_what_is_unread_is_said_with_its_place(slots: Slots, labelled: Path) -> None:
    said, noted = slots("find", labelled, "--json")
    found = json.loads(said)
    assert found["picture_size"] == [960, 540]
    assert len(found["locations"]) == 5
    assert len(found["unread"]) == 1
    assert "unread labels: 1" in noted


def test_a_picture_without_labels_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Image.new("RGB", (320, 200), (90, 90, 90)).save(tmp_path / "blank.png")
    found = call(capsys, main, "slots", "find", tmp_path / "blank.png", columns=200)
    assert found.returncode == 1
    assert "no label of a location is read" in found.stderr
    assert_one_line(call(capsys, main, "slots", "find", tmp_path / "blank.png", "--codes", "["), 2, "--codes [")
