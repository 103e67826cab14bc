"""What was laid out is kept whole, with its earlier revisions, whatever becomes of the file."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config import load_config
from edge_agent.config.layout_files import KEPT_REVISIONS, LayoutFile, LayoutRevision, as_keys, changes
from kardus.contract.layouts import Layout, PlacedLocation
from kardus.support.errors import ConfigError

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
HEAD = '[agent]\nsite = "hall"\nname = "box"\ndata_dir = "data"\n[harvest]\nsample = true\n'
CAMERA = '[[cameras]]\nname = "{0}"\nlayout = "{0}.json"\nsource = {{ type = "file", path = "rack.png" }}\n'
places = st.floats(0, 4000, allow_nan=False)
quadrilaterals = st.tuples(*[st.tuples(places, places)] * 4)
codes = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=8)
layouts = st.builds(
    Layout,
    picture_size=st.tuples(st.integers(16, 16_384), st.integers(16, 16_384)),
    locations=st.lists(
        st.builds(PlacedLocation, id=codes, facings=st.lists(quadrilaterals, min_size=1, max_size=3).map(tuple)),
        min_size=1,
        max_size=4,
        unique_by=lambda one: one.id,
    ).map(tuple),
    mask=st.lists(st.lists(st.tuples(places, places), min_size=3, max_size=5).map(tuple), max_size=2).map(tuple),
)


def laid_out(left: float = 10.0, *codes: str) -> Layout:
    """A row of locations."""
    boxes = {code: (left + 100.0 * n, 50.0) for n, code in enumerate(codes or ("A-1",))}
    return Layout(
        picture_size=(960, 540),
        locations=tuple(
            PlacedLocation(id=code, facings=(((x, y), (x + 80, y), (x + 80, y + 90), (x, y + 90)),))
            for code, (x, y) in boxes.items()
        ),
    )


def revision(number: int, layout: Layout | None = None, **more: object) -> LayoutRevision:
    """One of Wati's."""
    return LayoutRevision.model_validate(
        {"revision": number, "by": "Wati", "at": NOW, "layout": layout or laid_out(), **more}
    )


@given(layouts)
def test_what_was_written_is_read_again(layout: Layout) -> None:
    with TemporaryDirectory() as folder:
        file = LayoutFile(Path(folder), "left.json")
        assert file.read() == ()
        file.add(revision(1, layout))
        assert [one.layout for one in file.read()] == [layout]


@given(junk=st.binary(max_size=300), at=st.integers(0, 400), cuts=st.booleans())
def test_a_torn_or_damaged_file_gives_the_last_good_copy_and_one_line(*, junk: bytes, at: int, cuts: bool) -> None:
    with TemporaryDirectory() as folder:
        file = LayoutFile(Path(folder), "left.json")
        file.add(revision(1))
        whole = file.path.read_bytes()
        file.path.write_bytes(whole[:at] if cuts else whole[:at] + junk)
        if cuts or junk:
            assert file.read() == (revision(1),)


def test_without_a_copy_a_damaged_file_is_an_error_that_names_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = LayoutFile(tmp_path, "left.json")
    file.add(revision(1))
    file.path.write_text('{"revisions": []}')
    with caplog.at_level(logging.ERROR):
        assert file.read() == (revision(1),)
    (line,) = caplog.messages
    assert "left.json: no layout: revisions" in line
    (tmp_path / "layouts" / "left.json.copy").write_text("[" * 5000)
    with pytest.raises(ConfigError, match=r"left\.json: no layout.*remove it, and lay the camera out anew"):
        file.read()


def test_so_many_revisions_are_kept_and_the_pictures_that_they_name(tmp_path: Path) -> None:
    file = LayoutFile(tmp_path, "left.json")
    for number in range(1, KEPT_REVISIONS + 3):
        view = file.write_view(number, b"jpeg") if number in (1, KEPT_REVISIONS) else ""
        file.add(revision(number, view=view))
    assert [one.revision for one in file.read()] == list(range(3, KEPT_REVISIONS + 3))
    assert sorted(path.name for path in file.path.parent.iterdir()) == ["left.20.jpg", "left.json", "left.json.copy"]


@pytest.mark.parametrize("name", ["../left.json", "/etc/left.json", "left.toml", ".json", "a/b.json", "left.json\n"])
def test_a_layout_lies_in_its_folder(tmp_path: Path, name: str) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(HEAD + CAMERA.format("left").replace('"left.json"', json.dumps(name)))
    with pytest.raises(ConfigError, match="layout"):
        load_config(path)


def test_a_layout_holds_in_place_of_what_the_configuration_says(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(HEAD + CAMERA.format("left") + 'units = "share"\n' + CAMERA.format("right"))
    assert [camera.locations for camera in load_config(path).cameras] == [(), ()]
    (tmp_path / "data").mkdir()
    file = LayoutFile(tmp_path / "data", "left.json")
    view = file.write_view(1, b"jpeg")
    file.add(revision(1, view=view))
    left, right = load_config(path).cameras
    assert (left.units, left.picture_size, left.reference) == ("pixels", (960, 540), file.path.parent / "left.1.jpg")
    assert [location.id for location in left.locations] == ["A-1"]
    assert right.locations == ()
    draft = load_config(path, {"right": revision(1, laid_out(0, "A-2", "A-3"))})
    assert [location.id for location in draft.cameras[1].locations] == ["A-2", "A-3"]
    with pytest.raises(ConfigError, match="locations: 'A-1' stands there twice"):
        load_config(path, {"right": revision(1)})


def test_a_camera_without_locations_needs_a_layout_and_each_its_own(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(HEAD + CAMERA.format("left").replace('layout = "left.json"\n', ""))
    with pytest.raises(ConfigError, match=r"locations: missing: add \[\[cameras.locations\]\]"):
        load_config(path)
    path.write_text(HEAD + CAMERA.format("left") + CAMERA.format("right").replace("right.json", "left.json"))
    with pytest.raises(ConfigError, match=r"cameras.layout: 'left.json' stands there twice"):
        load_config(path)


def test_what_a_revision_has_changed_is_told_by_code() -> None:
    before = laid_out(10, "A-1", "A-2", "A-3")
    after = laid_out(10, "A-1", "A-4").model_copy(update={"mask": (((0, 0), (9, 0), (9, 9)),)})
    moved = after.model_copy(update={"locations": (laid_out(99).locations[0], after.locations[1])})
    assert changes(None, before) == {"added": ["A-1", "A-2", "A-3"], "removed": [], "moved": [], "mask": False}
    assert changes(before, moved) == {"added": ["A-4"], "removed": ["A-2", "A-3"], "moved": ["A-1"], "mask": True}


def test_a_location_of_several_cartons_is_one_of_facings(tmp_path: Path) -> None:
    one = laid_out().locations[0]
    both = PlacedLocation(id="A-1", facings=one.facings * 2)
    keys = as_keys(revision(1, Layout(picture_size=(960, 540), locations=(both,))), tmp_path)
    assert keys["locations"] == [{"id": "A-1", "facings": both.facings}]
    assert "reference" not in keys
