"""A script says what stands where and what is right, and reads back from its file."""

import json
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kardus.support.errors import DataError
from simulator.pictures import DrawnPictures, Stock
from simulator.scene import Rack
from simulator.script import Change, ChangeKind, Content, Script, demo_script, read_script, write_script

LOCATIONS = [slot.location for slot in Rack().slots()]
STOCK = DrawnPictures().stock()
SKUS = {stock.name: stock.sku for stock in STOCK}
CATEGORIES = {stock.sku: stock.category for stock in STOCK}
FAULTS = {
    ChangeKind.WRONG_VARIANT: 2,
    ChangeKind.SWAP: 1,
    ChangeKind.REMOVE: 1,
    ChangeKind.UNEXPECTED: 1,
    ChangeKind.UNKNOWN: 1,
}


def _demo(seed: int, frames: int = 60) -> Script:
    return demo_script(LOCATIONS, STOCK, seed, frames)


def _touched(script: Script) -> list[str]:
    return [place for change in script.changes for place in (change.location, change.other) if place]


def test_every_kind_of_fault_happens_in_a_location_of_its_own() -> None:
    for seed in range(200):
        script = _demo(seed)
        kinds = Counter(change.kind for change in script.changes)
        assert kinds == {**FAULTS, ChangeKind.LIGHT: 1, ChangeKind.WALK_PAST: 1, ChangeKind.BUMP: 1}
        touched = _touched(script)
        assert len(touched) == len(set(touched)) == 7
        assert set(touched) < set(LOCATIONS)


def test_at_first_everything_is_right_and_at_last_the_faults_alone_are_wrong() -> None:
    for seed in range(200):
        script = _demo(seed)
        assert set(script.truth(0, SKUS).values()) == {"match"}
        wanted = dict.fromkeys(_touched(script), "mismatch")
        for change in script.changes:
            if change.kind in (ChangeKind.REMOVE, ChangeKind.UNEXPECTED, ChangeKind.UNKNOWN):
                wanted[change.location] = {"remove": "empty"}.get(change.kind, str(change.kind))
        last = script.truth(script.frames - 1, SKUS)
        assert {place: verdict for place, verdict in last.items() if verdict != "match"} == wanted


def test_a_wrong_variant_is_a_sibling() -> None:
    for seed in range(200):
        script = _demo(seed)
        for change in script.changes:
            if change.kind is ChangeKind.WRONG_VARIANT:
                expected = script.expected[change.location]
                assert expected
                assert SKUS[change.name] != expected
                assert CATEGORIES[SKUS[change.name]] == CATEGORIES[expected]


@pytest.mark.parametrize("frames", [20, 60, 200])
def test_faults_come_one_after_another_and_before_the_end(frames: int) -> None:
    for seed in range(20):
        faults = sorted(c.frame for c in _demo(seed, frames).changes if c.kind in FAULTS)
        assert len(set(faults)) == len(faults) == 6
        assert faults[0] > 0
        assert faults[-1] < 0.75 * frames


def test_a_seed_gives_one_script_and_another_another() -> None:
    assert _demo(4) == _demo(4)
    assert _demo(4) != _demo(5)


def test_the_locations_keep_their_order() -> None:
    script = _demo(1)
    assert list(script.stock) == list(script.expected) == LOCATIONS


def test_photos_of_single_products_give_a_script_too() -> None:
    stock = [Stock(name, name, name) for name in ("Tea", "Milk")]
    script = demo_script(LOCATIONS, stock, seed=1)
    wrong = next(change for change in script.changes if change.kind is ChangeKind.WRONG_VARIANT)
    assert {wrong.name, script.expected[wrong.location]} == {"Tea", "Milk"}


SMALL = Script(
    seed=0,
    frames=10,
    stock={"L": "Tea-Lemon", "M": "Milk-Low-Fat", "N": None},
    expected={"L": "Tea-Lemon", "M": "Milk-Low-Fat", "N": None},
    changes=(),
)


def _after(*changes: Change) -> tuple[dict[str, Content], dict[str, str]]:
    script = Script(SMALL.seed, SMALL.frames, SMALL.stock, SMALL.expected, changes)
    return script.contents(9), script.truth(9, SKUS)


@pytest.mark.parametrize(
    ("change", "verdicts"),
    [
        (Change(3, ChangeKind.REMOVE, "L"), {"L": "empty"}),
        (Change(3, ChangeKind.REMOVE, "N"), {}),
        (Change(3, ChangeKind.SWAP, "L", other="M"), {"L": "mismatch", "M": "mismatch"}),
        (Change(3, ChangeKind.SWAP, "L", other="N"), {"L": "empty", "N": "unexpected"}),
        (Change(3, ChangeKind.UNKNOWN, "L"), {"L": "unknown"}),
        (Change(3, ChangeKind.UNKNOWN, "N"), {"N": "unknown"}),
        (Change(3, ChangeKind.UNEXPECTED, "N", name="Tea-Peach"), {"N": "unexpected"}),
        (Change(3, ChangeKind.WRONG_VARIANT, "L", name="Tea-Peach"), {"L": "mismatch"}),
        (Change(3, ChangeKind.PLACE, "L", name="Tea-Lemon"), {}),
        (Change(10, ChangeKind.REMOVE, "L"), {}),
        (Change(3, ChangeKind.LIGHT, amount=0.5), {}),
        (Change(3, ChangeKind.BUMP, amount=5), {}),
        (Change(3, ChangeKind.WALK_PAST, amount=5), {}),
    ],
)
def test_the_truth_follows_from_what_stands_there(change: Change, verdicts: dict[str, str]) -> None:
    assert _after(change)[1] == {"L": "match", "M": "match", "N": "match"} | verdicts


def test_the_side_of_a_product_is_the_product() -> None:
    script = Script(0, 5, {"L": "Milk-Full-Cream-Side"}, {"L": "Milk-Full-Cream"}, ())
    assert script.truth(0, SKUS) == {"L": "match"}


def test_changes_apply_in_the_order_of_their_frames() -> None:
    contents, truth = _after(Change(5, ChangeKind.REMOVE, "L"), Change(2, ChangeKind.PLACE, "L", name="Tea-Peach"))
    assert contents["L"] == Content(None, since=5)
    assert truth["L"] == "empty"


def test_a_swapped_unknown_carton_stays_unknown() -> None:
    contents, truth = _after(Change(2, ChangeKind.UNKNOWN, "L"), Change(4, ChangeKind.SWAP, "L", other="M"))
    assert contents["M"] == Content(None, unknown=True, since=4)
    assert (truth["L"], truth["M"]) == ("mismatch", "unknown")


def test_a_change_is_active_from_its_frame_on() -> None:
    script = Script(0, 10, {}, {}, (Change(3, ChangeKind.BUMP, amount=2.0),))
    assert [len(script.active(ChangeKind.BUMP, frame)) for frame in (2, 3, 9)] == [0, 1, 1]
    assert script.active(ChangeKind.LIGHT, 9) == []


def test_a_spoiled_view_lasts_as_long_as_it_says_and_the_latest_trouble_counts() -> None:
    dark, moved = Change(3, ChangeKind.DARK, lasts=4), Change(5, ChangeKind.MOVED, amount=80.0, lasts=1)
    script = Script(0, 10, {}, {}, (moved, dark))
    assert [script.spoiled(frame) for frame in range(2, 8)] == [None, dark, dark, moved, dark, None]


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCRIPTS = st.builds(
    lambda places, seed, frames, kind, frame, name, amount: Script(
        seed,
        frames,
        dict.fromkeys(places, "Tea-Lemon"),
        dict.fromkeys(places),
        tuple(Change(frame, kind, place, places[0], name, amount) for place in places),
    ),
    st.lists(NAMES, unique=True, min_size=1, max_size=4),
    st.integers(0, 2**31),
    st.integers(1, 500),
    st.sampled_from([ChangeKind.SWAP, ChangeKind.REMOVE, ChangeKind.LIGHT, ChangeKind.BUMP]),
    st.integers(0, 500),
    st.sampled_from(["", "Tea-Peach"]),
    st.floats(0.5, 9),
)


@settings(deadline=None)
@given(SCRIPTS)
def test_a_script_reads_back_from_its_file(script: Script) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_script(Path(folder) / "s.json", script)
        assert read_script(Path(folder) / "s.json") == script


def test_demo_scripts_read_back(tmp_path: Path) -> None:
    for seed in range(50):
        write_script(tmp_path / "s.json", _demo(seed))
        assert read_script(tmp_path / "s.json") == _demo(seed)


def _content(**changes: Any) -> str:
    return json.dumps(asdict(SMALL) | changes)


REMOVE = {"frame": 1, "kind": "remove", "location": "L"}
BAD = {
    "no json": "{",
    "no object": "[1]",
    "empty": "",
    "nested": "[" * 100_000,
    "no frames": json.dumps({k: v for k, v in asdict(SMALL).items() if k != "frames"}),
    "unheard-of kind": _content(changes=[REMOVE | {"kind": "explode"}]),
    "unheard-of key": _content(changes=[REMOVE | {"place": "L"}]),
    "change without kind": _content(changes=[{"frame": 1}]),
    "changes no list": _content(changes=3),
    "change no object": _content(changes=["remove"]),
    "stock no object": _content(stock=["L"]),
    "expected no object": _content(expected=None),
    "frames no number": _content(frames="ten"),
    "seed no number": _content(seed="one"),
    "negative seed": _content(seed=-1),
    "frame no number": _content(changes=[REMOVE | {"frame": "soon"}]),
    "change elsewhere": _content(changes=[REMOVE | {"location": "Z"}]),
    "swap with elsewhere": _content(changes=[REMOVE | {"kind": "swap", "other": "Z"}]),
    "expected elsewhere": _content(expected={"Z": None}),
    "darkness of no frames": _content(changes=[{"frame": 1, "kind": "dark"}]),
    "walk of no frames": _content(changes=[{"frame": 1, "kind": "walk_past", "amount": 0}]),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_script_is_refused_with_the_file_s_name(tmp_path: Path, case: str) -> None:
    path = tmp_path / "s.json"
    path.write_text(BAD[case])
    with pytest.raises(DataError, match=r"s\.json: ") as refusal:
        read_script(path)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_missing_script_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.json", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            read_script(path)


def test_a_script_that_is_no_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_bytes(b'{"seed": "\xff"}')
    with pytest.raises(DataError, match=r"s\.json: not a shelf script"):
        read_script(tmp_path / "s.json")
