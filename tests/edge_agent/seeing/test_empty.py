"""A location's own empty picture: alike, unlike, or no opinion; and what a verdict makes of two opinions."""

from collections.abc import Callable

import numpy as np
import pytest

from edge_agent.config.sections import GateSection, VerdictSection
from edge_agent.deciding.verdict import judge_vote, with_empty_picture
from edge_agent.seeing.empty import EmptyPictures
from kardus.contract.messages import Expected
from kardus.contract.verdicts import Verdict
from kardus.inference.classification import Classification, SkuScore
from kardus.inference.preprocess import Pixels
from simulator.script import Change, ChangeKind
from tests.edge_agent.racks import LOCATIONS, RACK, STOCK, noisy, nudged, shelf, still

CORNERS = np.stack([slot.corners for slot in RACK.slots()]) / 4
BARE = shelf(*(Change(0, ChangeKind.REMOVE, location) for location in LOCATIONS)).frame(0)
RULES = VerdictSection()


def _small(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[0] // 4, pixels.shape[1] // 4
    boxes = pixels[: height * 4, : width * 4].reshape(height, 4, width, 4, 3)
    return np.asarray(boxes.mean(axis=(1, 3)), np.uint8)


def _alike(pixels: Pixels) -> list[bool | None]:
    return EmptyPictures(_small(BARE), CORNERS, GateSection().change).alike(_small(pixels), CORNERS)


LIGHT: dict[str, Callable[[Pixels], Pixels]] = {
    "as it was": lambda pixels: pixels,
    "noise": noisy,
    "half the light": lambda pixels: noisy((pixels * 0.5).astype(np.uint8)),
    "more light": lambda pixels: (pixels * 1.3).clip(0, 255).astype(np.uint8),
    "a tremble": lambda pixels: nudged(pixels, 2, 1),
}


@pytest.mark.parametrize("light", LIGHT)
def test_empty_places_look_empty_and_others_do_not(light: str) -> None:
    assert _alike(LIGHT[light](BARE)) == [True] * len(LOCATIONS)
    for location, alike in zip(LOCATIONS, _alike(LIGHT[light](still())), strict=True):
        assert alike is (STOCK[location] is None), location


def _seen(sku: str, confidence: float = 0.95, *, known: bool = True, skus: str = "A B empty") -> Classification:
    rest = (1 - confidence) / (len(skus.split()) - 1)
    scores = sorted(
        (SkuScore(name, confidence if name == sku else rest) for name in skus.split()), key=lambda s: -s.likelihood
    )
    return Classification(sku, sku, sku, confidence, confidence, known=known, skus=tuple(scores))


def _verdict(seen: Classification, like_empty: bool | None, expected: str | None) -> Verdict:  # noqa: FBT001 - a case
    return judge_vote(with_empty_picture(seen, like_empty), Expected(revision=1, sku=expected), RULES).verdict


@pytest.mark.parametrize(
    ("seen", "like_empty", "expected", "verdict"),
    [
        (_seen("empty"), True, "A", Verdict.EMPTY),
        (_seen("empty"), None, "A", Verdict.EMPTY),
        (_seen("empty"), False, "A", Verdict.UNCERTAIN),
        (_seen("empty"), True, None, Verdict.MATCH),
        (_seen("empty"), False, None, Verdict.UNCERTAIN),
        (_seen("A"), False, "A", Verdict.MATCH),
        (_seen("A"), None, "A", Verdict.MATCH),
        (_seen("A"), True, "A", Verdict.UNCERTAIN),
        (_seen("B"), False, "A", Verdict.MISMATCH),
        (_seen("B"), True, "A", Verdict.UNCERTAIN),
        (_seen("A"), True, None, Verdict.UNCERTAIN),
        (_seen("A"), False, None, Verdict.UNEXPECTED),
        (_seen("A", known=False), False, "A", Verdict.UNKNOWN),
        (_seen("empty", known=False), True, "A", Verdict.UNCERTAIN),
        (_seen("empty"), False, "C", Verdict.UNCERTAIN),
        (_seen("empty"), True, "C", Verdict.EMPTY),
    ],
)
def test_two_opinions_must_agree(
    seen: Classification, *, like_empty: bool | None, expected: str | None, verdict: Verdict
) -> None:
    assert _verdict(seen, like_empty, expected) is verdict


@pytest.mark.parametrize(
    ("like_empty", "expected", "verdict"),
    [
        (True, "A", Verdict.EMPTY),
        (True, None, Verdict.MATCH),
        (False, "A", Verdict.MATCH),
        (None, "A", Verdict.MATCH),
        (False, None, Verdict.UNEXPECTED),
    ],
)
def test_a_model_without_a_class_empty_leaves_it_to_the_picture(
    *,
    like_empty: bool | None,
    expected: str | None,
    verdict: Verdict,
) -> None:
    assert _verdict(_seen("A", skus="A B"), like_empty, expected) is verdict


def test_without_managed_stock_nothing_is_said() -> None:
    given_up = Expected(revision=1, sku=None, managed=False)
    assert judge_vote(with_empty_picture(_seen("A"), True), given_up, RULES).verdict is Verdict.UNMANAGED
