"""A new product that is held against photos of the known ones."""

from pathlib import Path

import numpy as np
import pytest

from export.enroll import Release, enroll, retire
from export.known_photos import KnownPhotos, read_known_photos
from export.verify import verify
from kardus.contract.manifest import ClassInfo
from kardus.inference.bundle import Bundle, read_bundle
from kardus.inference.classifier import Classifier
from kardus.inference.preprocess import read_photo, rectify_whole
from kardus.support.errors import BundleError, UsageError
from tests.export.colours import COLOURS, SIDE, colour_bundle, photo

Colour = tuple[int, int, int]
REDDISH: Colour = (220, 30, 52)
"""So near to red that distances alone can't tell them apart."""


@pytest.fixture
def colours(tmp_path: Path) -> Bundle:
    """Knows red, green and blue."""
    return read_bundle(colour_bundle(tmp_path / "colours.bundle"))


def _photos(folder: Path, colour: Colour, count: int, first: int = 0) -> list[Path]:
    return [photo(folder / f"{n}.png", colour, n) for n in range(first, first + count)]


def _data(folder: Path, **colours: Colour) -> Path:
    """A folder with 30 photos of each."""
    for name, colour in colours.items():
        _photos(folder / name, colour, 30)
    return folder


def _enroll(bundle: Bundle, folder: Path, known: KnownPhotos | None, name: str = "reddish") -> Bundle:
    photos, out = _photos(folder / "new", REDDISH, 6, first=500), folder / f"{name}-{known is None}.bundle"
    info = ClassInfo(name=name, category="", sku=f"sku-{name}")
    enroll(bundle, info, photos, Release(out, "1.3.0"), known)
    return read_bundle(out)


def _named(bundle: Bundle, paths: list[Path], name: str) -> int:
    """How many of the photos are classified as it."""
    crops = np.stack([rectify_whole(read_photo(path), SIDE) for path in paths])
    names = [info.name for info in bundle.manifest.classes]
    return sum(names[place] == name for place in Classifier(bundle).run(crops).logits.argmax(axis=1))


def test_held_against_photos_of_its_sibling_it_leaves_them_to_it_where_distances_do_not(
    colours: Bundle, tmp_path: Path
) -> None:
    rows = np.array(colours.manifest.prototypes)
    rows[0] += 15  # the mean of the photos that it was trained on: not what the warehouse's cartons look like
    moved = read_bundle(colour_bundle(tmp_path / "moved.bundle", prototypes=tuple(map(tuple, rows.tolist()))))
    known = read_known_photos(_data(tmp_path / "known", **COLOURS), moved.manifest)
    held, plain = _enroll(moved, tmp_path, known), _enroll(moved, tmp_path, None)
    own = _photos(tmp_path / "own", REDDISH, 50, first=1000)
    siblings = _photos(tmp_path / "red", COLOURS["red"], 50, first=1000)
    assert _named(plain, siblings, "red") < 25
    assert _named(held, siblings, "red") >= 43
    assert _named(held, own, "reddish") >= 43
    for name in ("green", "blue"):
        assert _named(held, _photos(tmp_path / name, COLOURS[name], 30), name) == 30


def test_the_row_is_in_the_bundle_is_verified_and_leaves_with_its_class(colours: Bundle, tmp_path: Path) -> None:
    known = read_known_photos(_data(tmp_path / "known", **COLOURS), colours.manifest)
    held = _enroll(colours, tmp_path, known)
    assert held.manifest.changes
    assert len(held.manifest.changes.rows["reddish"].weights) == len(held.manifest.prototypes[0])
    verify(Path(held.source), ())
    retire(held, ["reddish"], Release(tmp_path / "back.bundle", "1.4.0"))
    changes = read_bundle(tmp_path / "back.bundle").manifest.changes
    assert changes
    assert changes.rows == {}


def test_rows_and_distances_stand_side_by_side(colours: Bundle, tmp_path: Path) -> None:
    yellow = ClassInfo(name="yellow", category="", sku="sku-yellow")
    photos = _photos(tmp_path / "yellow", (225, 205, 40), 5)
    enroll(colours, yellow, photos, Release(tmp_path / "y.bundle", "1.3.0"))
    first = read_bundle(tmp_path / "y.bundle")
    known = read_known_photos(_data(tmp_path / "known", **COLOURS, yellow=(225, 205, 40)), first.manifest)
    info = ClassInfo(name="reddish", category="", sku="sku-reddish")
    enroll(first, info, _photos(tmp_path / "new", REDDISH, 6, 500), Release(tmp_path / "r.bundle", "1.4.0"), known)
    both = read_bundle(tmp_path / "r.bundle")
    assert _named(both, _photos(tmp_path / "y2", (225, 205, 40), 20, 700), "yellow") == 20
    assert _named(both, _photos(tmp_path / "r2", REDDISH, 50, 700), "reddish") >= 45


def test_photos_of_other_classes_are_passed_over_and_classes_without_photos_are_named(
    colours: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = _data(tmp_path / "known", red=COLOURS["red"], green=COLOURS["green"], white=(250, 250, 250))
    assert set(read_known_photos(data, colours.manifest).names) == {"red", "green"}
    told = capsys.readouterr().err
    assert "30 photos of other classes are passed over" in told
    assert "no photo of blue: the new product isn't held against them" in told
    with pytest.raises(UsageError, match=r"--against .*: no photo of a class of the bundle"):
        read_known_photos(_data(tmp_path / "others", white=(250, 250, 250), grey=(99, 99, 99)), colours.manifest)


def test_another_face_of_the_same_product_is_no_rival(colours: Bundle, tmp_path: Path) -> None:
    known = read_known_photos(_data(tmp_path / "known", **COLOURS), colours.manifest)
    photos = _photos(tmp_path / "face", COLOURS["red"], 4, first=400)
    info = ClassInfo(name="red-top", category="", sku="sku-red", face="top")
    done = enroll(colours, info, photos, Release(tmp_path / "face.bundle", "1.3.0"), known)
    assert (done.confused, done.taken) == (0, 0)
    alone = KnownPhotos(known.crops[:2], ("red", "red"))
    with pytest.raises(UsageError, match="--against: has no photo of another product that the bundle knows"):
        enroll(colours, info, photos, Release(tmp_path / "none.bundle", "1.3.0"), alone)
    assert not (tmp_path / "none.bundle").exists()


def test_known_photos_that_it_would_take_are_counted(colours: Bundle, tmp_path: Path) -> None:
    known = read_known_photos(_data(tmp_path / "known", **COLOURS), colours.manifest)
    info = ClassInfo(name="red2", category="", sku="sku-red2")
    photos = _photos(tmp_path / "same", COLOURS["red"], 10, first=300)
    done = enroll(colours, info, photos, Release(tmp_path / "same.bundle", "1.3.0"), known)
    assert done.taken + done.confused >= 5
    assert done.confused_with in ("", "red")


@pytest.mark.parametrize("wrong", ["name", "width"])
def test_rows_that_do_not_fit_are_refused(colours: Bundle, tmp_path: Path, wrong: str) -> None:
    known = read_known_photos(_data(tmp_path / "known", **COLOURS), colours.manifest)
    held = _enroll(colours, tmp_path, known)
    changes = held.manifest.changes
    assert changes
    row = changes.rows["reddish"]
    rows = {"red": row} if wrong == "name" else {"reddish": row.model_copy(update={"weights": row.weights[:-1]})}
    spoilt = held.manifest.model_copy(update={"changes": changes.model_copy(update={"rows": rows})})
    with pytest.raises(BundleError, match=r"changes\.rows don't fit its enrolled classes and their 3 numbers each"):
        Classifier(Bundle(**(vars(held) | {"manifest": spoilt})))
