"""Products that come and go without training."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.enroll import Release, enroll, photos_in, retire
from export.keys import read_key
from export.verify import verify
from kardus.contract.manifest import EMPTY_CLASS, ClassInfo
from kardus.inference.bundle import Bundle, read_bundle
from kardus.inference.classification import Classification
from kardus.inference.classifier import Classifier
from kardus.inference.enrolled import MARGINS
from kardus.inference.preprocess import read_photo, rectify_whole
from kardus.inference.srgb import UNFIT_PROFILE
from kardus.support.errors import DataError, UsageError
from tests.edge_agent.making import members_in, of_two_networks
from tests.export.colours import COLOURS, SCALE, SIDE, colour_bundle, photo
from tests.in_process import assert_nothing_written

YELLOW = (225, 205, 40)
ORANGE = (230, 120, 30)


@pytest.fixture
def colours(tmp_path: Path) -> Bundle:
    """Knows red, green and blue."""
    return read_bundle(colour_bundle(tmp_path / "colours.bundle"))


def _photos(folder: Path, colour: tuple[int, int, int], count: int = 5, first: int = 0) -> list[Path]:
    return [photo(folder / f"{n}.png", colour, n) for n in range(first, first + count)]


def _info(name: str = "yellow", **changes: str) -> ClassInfo:
    return ClassInfo(**({"name": name, "category": "", "sku": f"sku-{name}"} | changes))


def _answers(bundle: Path, paths: list[Path]) -> list[Classification]:
    return Classifier(read_bundle(bundle)).classify(np.stack([rectify_whole(read_photo(p), SIDE) for p in paths]))


@pytest.mark.parametrize("count", [1, 5])
def test_a_new_product_is_known_from_a_few_photos_and_the_others_stay(
    colours: Bundle, tmp_path: Path, count: int
) -> None:
    fresh = _photos(tmp_path / "fresh", YELLOW, 20, first=100)
    before = Classifier(colours).classify(np.stack([rectify_whole(read_photo(p), SIDE) for p in fresh]))
    assert not any(answer.known for answer in before)
    out = tmp_path / "new.bundle"
    done = enroll(colours, _info(), _photos(tmp_path / "yellow", YELLOW, count), Release(out, "1.3.0"))
    assert (done.photos, done.confused) == (count, 0)
    assert {(a.name, a.sku, a.known) for a in _answers(out, fresh)} == {("yellow", "sku-yellow", True)}
    for name, colour in COLOURS.items():
        own = _answers(out, _photos(tmp_path / name, colour, 10))
        assert {(a.name, a.known) for a in own} == {(name, True)}


def test_trained_and_enrolled_classes_are_on_one_scale(colours: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "new.bundle"
    done = enroll(colours, _info(), _photos(tmp_path / "yellow", YELLOW), Release(out, "1.3.0"))
    assert done.manifest.changes
    assert done.manifest.changes.distance_per_logit == pytest.approx(SCALE, rel=1e-4)
    new = np.array(done.manifest.prototypes[-1])
    crop = rectify_whole(read_photo(photo(tmp_path / "between.png", (225, 150, 35))), SIDE)
    raw = Classifier(read_bundle(out)).run(crop[None])
    nearest = min(((raw.embedding[0] - np.array(p)) ** 2).sum() for p in done.manifest.prototypes[:3])
    own = ((raw.embedding[0] - new) ** 2).sum()
    ahead = done.manifest.changes.logit_per_log_distance * (np.log(nearest / own) - MARGINS["last"].of(5))
    expected = raw.logits[0, :3].max() + ahead
    assert raw.logits[0, 3] == pytest.approx(expected, rel=1e-3)
    answer = _answers(out, [tmp_path / "between.png"])[0]
    assert sum(sku.likelihood for sku in answer.skus) == pytest.approx(1)


def test_the_new_bundle_verifies_is_signed_and_covers_the_new_class(
    colours: Bundle, signing_key: tuple[Path, str], tmp_path: Path
) -> None:
    out = tmp_path / "new.bundle"
    release = Release(out, "1.3.0", [read_key(signing_key[0])])
    enroll(colours, _info(category="gloss", gtin="4012345678901"), _photos(tmp_path / "yellow", YELLOW), release)
    verify(out, (signing_key[1],))
    bundle = read_bundle(out)
    assert bundle.manifest.version == "1.3.0"
    assert bundle.manifest.classes[-1].category == "gloss"
    assert bundle.manifest.classes[-1].gtin == "4012345678901"
    assert bundle.golden[-1].label == bundle.golden[-1].top1 == "yellow"
    assert bundle.model == colours.model
    assert bundle.manifest.changes
    assert bundle.manifest.changes.enrolled == {"yellow": 5}


def test_category_is_that_of_the_likest_class_where_none_is_given(colours: Bundle, tmp_path: Path) -> None:
    photos = _photos(tmp_path / "orange", ORANGE)
    done = enroll(colours, _info("orange"), photos, Release(tmp_path / "new.bundle", "1.3.0"))
    assert done.nearest == "red"
    assert done.manifest.classes[-1].category == "paint"


def test_a_product_too_close_to_a_known_one_is_counted_and_named(colours: Bundle, tmp_path: Path) -> None:
    photos = _photos(tmp_path / "red2", (218, 32, 30), 6)
    done = enroll(colours, _info("red2"), photos, Release(tmp_path / "new.bundle", "1.3.0"))
    assert done.nearest == done.confused_with == "red"
    assert done.confused >= 2


def test_same_photos_give_the_same_bytes_from_another_folder(
    colours: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    outs = [tmp_path / "a.bundle", tmp_path / "b.bundle"]
    for out, folder in zip(outs, ("one", "two"), strict=True):
        _photos(tmp_path / folder, YELLOW)
        enroll(colours, _info(), [tmp_path / folder], Release(out, "1.3.0"))
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_a_retired_product_is_unknown_and_the_others_stay(colours: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "less.bundle"
    manifest = retire(colours, ["green"], Release(out, "1.3.0"))
    assert [info.name for info in manifest.classes] == ["red", "blue"]
    verify(out)
    assert not any(answer.known for answer in _answers(out, _photos(tmp_path / "g", COLOURS["green"])))
    for name in ("red", "blue"):
        assert {(a.name, a.known) for a in _answers(out, _photos(tmp_path / name, COLOURS[name]))} == {(name, True)}


def test_products_come_and_go_again_and_again(colours: Bundle, tmp_path: Path) -> None:
    one, two, three = (tmp_path / f"{n}.bundle" for n in range(3))
    enroll(colours, _info(), _photos(tmp_path / "y", YELLOW), Release(one, "1.3.0"))
    retire(read_bundle(one), ["red"], Release(two, "1.4.0"))
    done = enroll(read_bundle(two), _info("orange"), _photos(tmp_path / "o", ORANGE), Release(three, "1.5.0"))
    assert [info.name for info in done.manifest.classes] == ["green", "blue", "yellow", "orange"]
    verify(three)
    assert {a.name for a in _answers(three, _photos(tmp_path / "y2", YELLOW, 5, 50))} == {"yellow"}
    assert {a.name for a in _answers(three, _photos(tmp_path / "o2", ORANGE, 5, 50))} == {"orange"}
    retire(read_bundle(three), ["yellow", "orange"], Release(one, "1.6.0"))
    assert [info.name for info in read_bundle(one).manifest.classes] == ["green", "blue"]
    again = enroll(read_bundle(one), _info(), _photos(tmp_path / "y", YELLOW), Release(two, "1.7.0"))
    assert [info.name for info in again.manifest.classes] == ["green", "blue", "yellow"]


def test_bad_input_is_one_line_and_nothing_is_written(colours: Bundle, tmp_path: Path) -> None:
    release, yellow = Release(tmp_path / "new.bundle", "1.3.0"), _photos(tmp_path / "yellow", YELLOW)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match="--name 'red': a class of that name is there already"):
        enroll(colours, _info("red"), yellow, release)
    with pytest.raises(UsageError, match=r"PHOTOS .*empty: no photo there"):
        enroll(colours, _info(), [tmp_path / "empty"], release)
    with pytest.raises(DataError, match=r"broken\.png: not a readable picture .*: replace it, or leave it out"):
        enroll(colours, _info(), [tmp_path / "broken.png"], release)
    with pytest.raises(DataError, match=r"gone\.png: no such picture"):
        enroll(colours, _info(), [tmp_path / "gone.png"], release)
    with pytest.raises(UsageError, match=r"NAME 'pink': no class of .*: it knows red, green, blue"):
        retire(colours, ["pink"], release)
    with pytest.raises(UsageError, match="at least two of the classes that it was trained on must stay"):
        retire(colours, ["red", "green"], release)
    assert_nothing_written(tmp_path, tmp_path / "new.bundle")


def test_a_trained_class_that_was_retired_does_not_come_back_under_its_name(colours: Bundle, tmp_path: Path) -> None:
    retire(colours, ["green"], Release(tmp_path / "less.bundle", "1.3.0"))
    less, photos = read_bundle(tmp_path / "less.bundle"), _photos(tmp_path / "g", COLOURS["green"])
    with pytest.raises(UsageError, match="was trained and then retired: go back to the bundle before"):
        enroll(less, _info("green"), photos, Release(tmp_path / "n.bundle", "1.4.0"))


def test_a_bundle_without_prototypes_says_so(tmp_path: Path) -> None:
    plain = {"rejection_score": "max_logit", "rejection_threshold": 0.0}
    calibration = read_bundle(colour_bundle(tmp_path / "a.bundle")).manifest.calibration.model_copy(update=plain)
    bundle = read_bundle(colour_bundle(tmp_path / "b.bundle", prototypes=(), calibration=calibration))
    release = Release(tmp_path / "new.bundle", "1.3.0")
    with pytest.raises(UsageError, match="has no prototypes"):
        enroll(bundle, _info(), _photos(tmp_path / "yellow", YELLOW), release)
    with pytest.raises(UsageError, match="has no prototypes"):
        retire(bundle, ["green"], release)


def test_a_known_product_that_is_taken_for_the_new_one_is_named(colours: Bundle, tmp_path: Path) -> None:
    picture = photo(tmp_path / "red.png", COLOURS["red"])
    moved = np.array(colours.manifest.prototypes, np.float32)
    moved[0] += 30  # the class's mean lies beside its golden sample, which the new photo shows
    rows = tuple(tuple(float(x) for x in row) for row in moved)
    bundle = read_bundle(colour_bundle(tmp_path / "b.bundle", prototypes=rows))
    done = enroll(bundle, _info("likered"), [picture], Release(tmp_path / "new.bundle", "1.3.0"))
    assert (done.confused, done.takes) == (0, ("red",))


def test_a_new_product_is_not_doubted_for_lying_far_from_its_few_photos(tmp_path: Path) -> None:
    calibration = read_bundle(colour_bundle(tmp_path / "a.bundle")).manifest.calibration
    doubting = calibration.model_copy(update={"doubt_threshold": -100.0})
    bundle = read_bundle(colour_bundle(tmp_path / "b.bundle", calibration=doubting))
    photos, release = _photos(tmp_path / "yellow", YELLOW), Release(tmp_path / "new.bundle", "1.3.0")
    written = enroll(bundle, _info(), photos, release).manifest.calibration
    assert written == doubting.model_copy(update={"doubt_thresholds": {"yellow": calibration.rejection_threshold}})
    retire(read_bundle(release.out), ["yellow"], Release(tmp_path / "back.bundle", "1.4.0"))
    assert read_bundle(tmp_path / "back.bundle").manifest.calibration == doubting
    retire(bundle, ["green"], Release(tmp_path / "less.bundle", "1.3.0"))
    assert read_bundle(tmp_path / "less.bundle").manifest.calibration == doubting


def test_another_face_of_a_product_is_its_own_sibling(colours: Bundle, tmp_path: Path) -> None:
    classes = (colours.manifest.classes[0].model_copy(update={"gtin": "40123"}), *colours.manifest.classes[1:])
    bundle = read_bundle(colour_bundle(tmp_path / "b.bundle", classes=classes))
    face = _info("red-top", sku="sku-red", face="top")
    photos = _photos(tmp_path / "r", (218, 32, 30), 6)
    done = enroll(bundle, face, photos, Release(tmp_path / "new.bundle", "1.3.0"))
    assert done.confused == 0
    assert done.nearest in ("green", "blue")
    new = done.manifest.classes[-1]
    assert (new.sku, new.category, new.gtin, new.face) == ("sku-red", "paint", "40123", "top")


def test_photos_that_go_elsewhere_name_where(colours: Bundle, tmp_path: Path) -> None:
    mixed = [*_photos(tmp_path / "y", YELLOW, 3), photo(tmp_path / "b.png", COLOURS["blue"])]
    done = enroll(colours, _info(), mixed, Release(tmp_path / "new.bundle", "1.3.0"))
    assert (done.confused, done.confused_with) == (1, "blue")


def test_a_photo_that_comes_twice_counts_once_and_unread_kinds_are_found(tmp_path: Path) -> None:
    photos = _photos(tmp_path / "y", YELLOW, 3)
    for name in ("phone.jxl", "notes.txt", "._0.png"):
        (tmp_path / "y" / name).write_bytes(b"")
    found, notes = photos_in([tmp_path / "y", tmp_path / "y", photos[0]])
    assert found == photos
    unread, other, hidden = notes
    assert "y: 1 pictures such as 'phone.jxl' are no JPEG" in unread
    assert "y: 1 files such as 'notes.txt' are no photos" in other
    assert hidden.endswith("y: 1 hidden files such as '._0.png' are left out")


def test_a_photo_whose_colours_may_be_wrong_is_enrolled_and_named(colours: Bundle, tmp_path: Path) -> None:
    photos = _photos(tmp_path / "y", YELLOW, 3)
    with Image.open(photos[1]) as image:
        image.save(photos[1], icc_profile=b"no profile")
    done = enroll(colours, _info(), photos, Release(tmp_path / "new.bundle", "1.3.0"))
    assert done.notes == (f"{photos[1]}: {UNFIT_PROFILE}",)


def test_products_in_either_spelling_and_empty_in_any_case_are_known(colours: Bundle, tmp_path: Path) -> None:
    spelt = ClassInfo(name="Mu\u0308sli", category="", sku="Mu\u0308sli")
    one = enroll(colours, spelt, _photos(tmp_path / "y", YELLOW), Release(tmp_path / "1.bundle", "1.3.0"))
    assert one.manifest.classes[-1].name == "M\u00fcsli"
    empty = enroll(
        read_bundle(tmp_path / "1.bundle"),
        ClassInfo(name="Empty", category="", sku="Empty"),
        _photos(tmp_path / "o", (128, 128, 128)),
        Release(tmp_path / "2.bundle", "1.4.0"),
    )
    assert empty.manifest.classes[-1].sku == EMPTY_CLASS
    left = retire(read_bundle(tmp_path / "2.bundle"), ["Mu\u0308sli", "EMPTY"], Release(tmp_path / "3.bundle", "1.5.0"))
    assert [info.name for info in left.classes] == list(COLOURS)


def test_the_margin_is_that_of_what_the_embedding_is_computed_from(tmp_path: Path) -> None:
    training = read_bundle(colour_bundle(tmp_path / "one.bundle")).manifest.training
    for number, (config, kind) in enumerate(
        (({}, "last"), ({"embedding": "stages"}, "stages"), ({"embedding": 7}, "last"))
    ):
        given = training.model_copy(update={"config": config})
        bundle = read_bundle(colour_bundle(tmp_path / f"{number}.bundle", training=given))
        release = Release(tmp_path / f"new{number}.bundle", "1.3.0")
        changes = enroll(bundle, _info(), _photos(tmp_path / f"yellow{number}", YELLOW), release).manifest.changes
        assert changes
        assert (changes.margin, changes.few_photos) == MARGINS[kind]


def test_a_second_network_of_an_earlier_version_is_left_out_of_what_is_made_of_it(colours: Bundle) -> None:
    former = Path(colours.source)
    former.write_bytes(of_two_networks(members_in(former)))
    out = former.with_name("new.bundle")
    retire(read_bundle(former), ["green"], Release(out, "1.3.0"))
    verify(former)
    verify(out)
    assert "small.onnx" in members_in(former)
    assert {*members_in(former)} - {*members_in(out)} == {"small.onnx", "golden/small.json", "golden/1.png"}
    assert b'"small"' not in members_in(out)["manifest.json"]
