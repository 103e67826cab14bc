"""Logits for the products of today."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kardus.contract.manifest import Changes, Manifest
from kardus.inference.bundle import read_bundle
from kardus.inference.classifier import Classifier
from kardus.inference.enrolled import DOUBT, MARGINS, LiveClasses, Margin, live_classes
from kardus.support.errors import BundleError
from tests.export.colours import colour_bundle


def _live(columns: list[int], trained: list[list[float]], enrolled: list[list[float]]) -> LiveClasses:
    one, other = (np.array(rows, np.float32).reshape(-1, 2) for rows in (trained, enrolled))
    return LiveClasses(np.array(columns), one, other, 10.0)


def test_retired_classes_lose_their_logit_and_the_others_keep_theirs() -> None:
    graph = np.array([[1.0, 2.0, 3.0]], np.float32)
    live = _live([0, 2], [[0, 0], [1, 1]], [])
    assert live.logits(graph, np.zeros((1, 2), np.float32)).tolist() == [[1.0, 3.0]]


@given(x=st.floats(-5, 5), y=st.floats(-5, 5), one=st.floats(-3, 3), other=st.floats(-3, 3))
def test_an_enrolled_class_leads_exactly_where_it_is_nearer_by_the_doubt(
    x: float, y: float, one: float, other: float
) -> None:
    live = _live([0, 1], [[0, 0], [4, 4]], [[0, 4]])
    embedding, graph = np.array([[x, y]], np.float32), np.array([[one, other]], np.float32)
    logits = live.logits(graph, embedding)[0].astype(float)
    nearest = min(x * x + y * y, (x - 4) ** 2 + (y - 4) ** 2)
    own = x * x + (y - 4) ** 2
    assert logits[2] == pytest.approx(max(one, other) + (nearest - DOUBT * own) / 10, abs=1e-3)
    assert logits[:2].tolist() == pytest.approx([one, other])


@given(x=st.floats(-5, 5), y=st.floats(-5, 5), photos=st.integers(1, 30))
def test_where_ratios_are_compared_an_enrolled_class_leads_where_it_is_nearer_by_its_margin(
    x: float, y: float, photos: int
) -> None:
    rows = [np.array(one, np.float32) for one in ([[0, 0], [4, 4]], [[0, 4]])]
    live = LiveClasses(np.array([0, 1]), rows[0], rows[1], 10.0, 3.0, (photos,))
    logits = live.logits(np.array([[1, 2]], np.float32), np.array([[x, y]], np.float32))[0].astype(float)
    nearest, own = (
        max(square, 1e-6) for square in (min(x * x + y * y, (x - 4) ** 2 + (y - 4) ** 2), x * x + (y - 4) ** 2)
    )
    assert logits[2] == pytest.approx(2 + 3 * (np.log(nearest / own) - MARGINS["last"].of(photos)), abs=1e-2)


@pytest.mark.parametrize("margin", MARGINS.values())
def test_a_class_of_fewer_photos_needs_less_of_a_margin(margin: Margin) -> None:
    margins = [margin.of(photos) for photos in (1, 2, 5, 100)]
    assert margins == sorted(margins)
    assert 0 <= margins[0] < margins[-1] <= margin.most


def test_the_margin_is_the_bundles_own_and_that_of_before_where_it_says_none(tmp_path: Path) -> None:
    manifest = read_bundle(colour_bundle(tmp_path / "a.bundle")).manifest
    told = {"enrolled": {manifest.classes[-1].name: 5}, "logit_per_log_distance": 2.0}
    graph = {"graph_classes": tuple(info.name for info in manifest.classes[:-1])}
    for more, expected in (({}, MARGINS["last"]), ({"margin": 0.3, "few_photos": 0.9}, Margin(0.3, 0.9))):
        live = live_classes("here", _changed(manifest, **told, **graph, **more))
        assert live
        assert live.margin == expected


def _changed(manifest: Manifest, **changes: Any) -> Manifest:
    names = tuple(info.name for info in manifest.classes)
    told = {"graph_classes": names, "distance_per_logit": 1.0, "enrolled": {}} | changes
    return manifest.model_copy(update={"changes": Changes(**told)})


def test_without_changes_the_graph_speaks_for_itself(tmp_path: Path) -> None:
    assert live_classes("a", read_bundle(colour_bundle(tmp_path / "a.bundle")).manifest) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"graph_classes": ("red", "green")},
        {"graph_classes": ("red", "green", "blue", "blue")},
        {"graph_classes": ("blue", "green", "red"), "enrolled": {"yellow": 1}},
        {"graph_classes": ("green", "blue"), "enrolled": {"red": 3}},
        {"graph_classes": ("black", "white"), "enrolled": {"red": 1, "green": 1, "blue": 1}},
    ],
)
def test_changes_that_do_not_fit_the_classes_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    manifest = read_bundle(colour_bundle(tmp_path / "a.bundle")).manifest
    with pytest.raises(BundleError, match="its changes don't fit its classes"):
        live_classes("a.bundle", _changed(manifest, **wrong))


def test_changes_need_a_prototype_for_every_class(tmp_path: Path) -> None:
    manifest = read_bundle(colour_bundle(tmp_path / "a.bundle")).manifest
    short = manifest.model_copy(update={"prototypes": manifest.prototypes[:2]})
    with pytest.raises(BundleError, match="changes need one prototype for each of its 3 classes"):
        live_classes("a.bundle", _changed(short))
    flat = manifest.model_copy(update={"prototypes": tuple(row[:2] for row in manifest.prototypes)})
    bundle = read_bundle(
        colour_bundle(tmp_path / "b.bundle", changes=_changed(flat).changes, prototypes=flat.prototypes)
    )
    with pytest.raises(BundleError, match=r"its prototypes are \(3, 2\), not one embedding"):
        Classifier(bundle)


def test_a_graph_with_other_logits_than_the_changes_name_is_refused(tmp_path: Path) -> None:
    manifest = read_bundle(colour_bundle(tmp_path / "a.bundle")).manifest
    more = _changed(manifest, graph_classes=("red", "green", "blue", "black"))
    bundle = read_bundle(colour_bundle(tmp_path / "b.bundle", changes=more.changes))
    with pytest.raises(BundleError, match="not the logits of 4 classes"):
        Classifier(bundle)
