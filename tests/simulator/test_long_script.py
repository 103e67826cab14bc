"""A long script does what it says, and never asks for what could not be seen."""

from collections import Counter

import pytest

from kardus.support.errors import DataError
from simulator.long_script import IN_SIGHT, long_script
from simulator.pictures import DrawnPictures
from simulator.scene import Rack
from simulator.script import SPOILS_VIEW, Change, ChangeKind, Script

LOCATIONS = [slot.location for slot in Rack(levels=3, positions=4).slots()]
STOCK = DrawnPictures().stock()
SKUS = {stock.name: stock.sku for stock in STOCK}
FAULTS = (ChangeKind.WRONG_VARIANT, ChangeKind.SWAP, ChangeKind.REMOVE, ChangeKind.UNEXPECTED, ChangeKind.UNKNOWN)
SEEDS = range(20)


def _script(seed: int, faults: int = 50) -> Script:
    return long_script(LOCATIONS, STOCK, seed, faults)


def _concern(script: Script, location: str) -> list[Change]:
    return [change for change in script.changes if location in (change.location, change.other)]


def test_every_fault_makes_its_locations_wrong_and_is_put_right() -> None:
    for seed in SEEDS:
        script = _script(seed)
        wrong = Counter[bool]()
        for location in LOCATIONS:
            for number, change in enumerate(_concern(script, location)):
                verdict = script.truth(change.frame, SKUS)[location]
                assert (verdict == "match") is bool(number % 2), "a fault, and then it is put right"
                wrong[verdict != "match"] += 1
        assert set(script.truth(0, SKUS).values()) == set(script.truth(script.frames, SKUS).values()) == {"match"}
        assert wrong[True] == wrong[False] >= 50


def test_every_kind_happens_and_every_trouble_of_a_camera() -> None:
    for seed in SEEDS:
        kinds = Counter(change.kind for change in _script(seed).changes)
        assert set(kinds) == set(ChangeKind)
        assert all(change.lasts > 0 for change in _script(seed).changes if change.kind in SPOILS_VIEW)


def test_what_happens_to_a_location_stays_in_sight_for_long_enough() -> None:
    for seed in SEEDS:
        script = _script(seed)
        for location in LOCATIONS:
            frames = [change.frame for change in _concern(script, location)]
            for begin, end in zip(frames, [*frames[1:], script.frames], strict=True):
                assert sum(script.spoiled(frame) is None for frame in range(begin, end)) >= IN_SIGHT - 1


def test_faults_happen_while_the_view_is_spoiled_too() -> None:
    changes = [(script, change) for script in map(_script, SEEDS) for change in script.changes if change.kind in FAULTS]
    assert any(script.spoiled(change.frame) for script, change in changes)


def test_light_and_nudges_stay_within_what_a_warehouse_has() -> None:
    for seed in SEEDS:
        script = _script(seed, 200)
        gain = shift = 1.0
        for change in sorted(script.changes, key=lambda change: change.frame):
            gain *= change.amount if change.kind is ChangeKind.LIGHT else 1.0
            shift += change.amount if change.kind is ChangeKind.BUMP else 0.0
            assert 0.7 < gain < 1.3
            assert abs(shift) < 25


def test_a_seed_gives_one_script_and_another_another() -> None:
    assert _script(4) == _script(4)
    assert _script(4) != _script(5)


def test_a_shelf_that_is_too_small_is_refused() -> None:
    with pytest.raises(DataError, match="needs 12 or more"):
        long_script(LOCATIONS[:11], STOCK, 0, 5)
