"""Two bundles side by side."""

from pathlib import Path

import numpy as np
import pytest

from export.bundle_diff import agreement, diff_bundles
from export.enroll import Release, enroll, retire
from kardus.contract.manifest import ClassInfo
from kardus.inference.bundle import read_bundle
from tests.export.colours import COLOURS, SIDE, colour_bundle, photo

YELLOW = (225, 205, 40)


def _plain(*colours: tuple[int, int, int]) -> np.ndarray:
    return np.stack([np.full((SIDE, SIDE, 3), colour, np.uint8) for colour in colours])


def test_a_bundle_does_not_differ_from_itself(tmp_path: Path) -> None:
    bundle = read_bundle(colour_bundle(tmp_path / "a.bundle"))
    found = diff_bundles(bundle, bundle)
    assert (found.came, found.went, found.facts) == ((), (), {})
    crops = _plain(*COLOURS.values())
    same = agreement(bundle, bundle, crops, crops)
    assert (same.n, same.same_product, same.changed) == (3, 1.0, ())


def test_classes_facts_and_answers_that_differ_are_told(tmp_path: Path) -> None:
    first = read_bundle(colour_bundle(tmp_path / "a.bundle"))
    retire(first, ["green"], Release(tmp_path / "b.bundle", "1.3.0"))
    info = ClassInfo(name="yellow", category="", sku="sku-yellow")
    photos = [photo(tmp_path / "y.png", YELLOW)]
    enroll(read_bundle(tmp_path / "b.bundle"), info, photos, Release(tmp_path / "c.bundle", "1.4.0"))
    second = read_bundle(tmp_path / "c.bundle")
    found = diff_bundles(first, second)
    assert (found.came, found.went) == (("yellow",), ("green",))
    assert found.facts == {"name": ("colours 1.2.3", "colours 1.4.0")}
    crops = _plain(COLOURS["red"], COLOURS["green"], YELLOW)
    answers = agreement(first, second, crops, crops)
    assert answers.same_product == pytest.approx(1 / 3)
    assert answers.changed == ((1, "sku-green", "unknown"), (2, "unknown", "sku-yellow"))


def test_a_class_that_is_another_product_now_is_told(tmp_path: Path) -> None:
    first = read_bundle(colour_bundle(tmp_path / "a.bundle"))
    classes = (first.manifest.classes[0].model_copy(update={"sku": "4711"}), *first.manifest.classes[1:])
    second = read_bundle(colour_bundle(tmp_path / "b.bundle", classes=classes))
    assert diff_bundles(first, second).facts == {"red": ("category paint, sku sku-red", "category paint, sku 4711")}
