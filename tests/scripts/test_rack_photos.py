"""Every photo stands in one location of one scene, and its crop has its class."""

from pathlib import Path

import numpy as np
from PIL import Image

from kardus.contract.manifest import EMPTY_CLASS
from simulator.scene import Rack
from tests.scripts.rack_photos import write_rack_photos

RACK = Rack(2, 3)
COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}


def _photos(folder: Path) -> list[tuple[Path, str]]:
    photos = []
    for name, colour in COLOURS.items():
        for number in range(3):
            path = folder / f"{name}-{number}.png"
            Image.new("RGB", (60, 80), colour).save(path)
            photos.append((path, name))
    return photos


def test_each_photo_is_seen_once_and_the_rest_of_the_rack_is_empty(tmp_path: Path) -> None:
    photos = _photos(tmp_path)
    crops = write_rack_photos(tmp_path / "seen", photos, RACK)
    names = [crop.name for crop in crops]
    assert len(crops) == 12  # two racks of six
    assert {name: names.count(name) for name in names} == {"red": 3, "green": 3, "blue": 3, EMPTY_CLASS: 3}
    assert len({crop.path for crop in crops}) == len(crops)


def test_a_crop_shows_its_class(tmp_path: Path) -> None:
    for crop in write_rack_photos(tmp_path / "seen", _photos(tmp_path), RACK):
        middle = np.median(np.asarray(Image.open(crop.path)), axis=(0, 1))
        strongest = list(COLOURS)[int(middle.argmax())]
        is_coloured = middle.max() > 1.7 * np.median(middle)
        assert is_coloured == (crop.name != EMPTY_CLASS)
        assert crop.name in (strongest, EMPTY_CLASS)


def test_the_same_photos_give_the_same_crops(tmp_path: Path) -> None:
    photos = _photos(tmp_path)
    one, other = (write_rack_photos(tmp_path / name, photos, RACK) for name in ("one", "other"))
    assert [(c.path.name, c.path.read_bytes()) for c in one] == [(c.path.name, c.path.read_bytes()) for c in other]


def test_further_showings_are_elsewhere_and_look_otherwise(tmp_path: Path) -> None:
    photos = _photos(tmp_path)
    crops = write_rack_photos(tmp_path / "seen", photos, RACK, showings=2)
    for photo, name in photos:
        own = [crop for crop in crops if crop.photo == photo]
        assert [crop.name for crop in own] == [name, name]
        assert own[0].path.read_bytes() != own[1].path.read_bytes()
    places = [[crop.path.name.partition("-")[2] for crop in crops if crop.photo == photo] for photo, _ in photos]
    assert any(one != other for one, other in places)
