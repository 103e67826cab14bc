"""A small network is asked first: it says a sure yes to what is expected, and all else is the large one's."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kardus.contract.manifest import ClassInfo, Manifest
from kardus.contract.messages import Expected
from kardus.inference import classifier as classifier_module
from kardus.inference.bundle import Bundle
from kardus.inference.cascade import SmallNetwork, answerable, open_classifier, questions_of
from kardus.inference.classification import MatchQuestion
from kardus.inference.classifier import Classifier, classify_in_stages
from kardus.inference.preprocess import Pixels
from kardus.inference.raw_outputs import RawOutputs
from kardus.support.errors import BundleError
from tests.export.colours import COLOURS, SIDE
from tests.export.pairs import colour_cascade

BROWN = (200, 60, 40)
"""36 levels from red: it is likely, and not near enough for the small network's score."""


@pytest.fixture(scope="module")
def cascade(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Of red, green and blue."""
    return colour_cascade(tmp_path_factory.mktemp("cascade") / "colours.bundle")


@pytest.fixture(scope="module")
def classifier(cascade: Bundle) -> Classifier:
    """Of the cascade."""
    return open_classifier(cascade)


def _crops(*colours: tuple[int, int, int]) -> Pixels:
    return np.stack([np.full((SIDE, SIDE, 3), colour, np.uint8) for colour in colours])


def _asked(*names: str | None) -> list[MatchQuestion | None]:
    return [MatchQuestion(f"sku-{name}", 0.6) if name else None for name in names]


def _with_manifest(bundle: Bundle, **changes: object) -> Bundle:
    return replace(bundle, manifest=bundle.manifest.model_copy(update=changes))


def _with_small(bundle: Bundle, **changes: object) -> Bundle:
    assert bundle.manifest.small
    return _with_manifest(bundle, small=bundle.manifest.small.model_copy(update=changes))


def test_it_answers_what_is_surely_expected_and_nothing_else(cascade: Bundle) -> None:
    red, blue = COLOURS["red"], COLOURS["blue"]
    answers = SmallNetwork(cascade).answer(_crops(red, blue, BROWN, red, red), _asked("red", "red", "red", None, "tea"))
    assert [answer is not None for answer in answers] == [True, False, False, False, False]
    assert answers[0] == Classifier(cascade).classify(_crops(red))[0]


def test_what_the_rules_call_too_unlikely_for_a_match_is_no_sure_yes(cascade: Bundle) -> None:
    between = _crops((200, 45, 30))
    likelihood = Classifier(cascade).classify(between)[0].likelihood("sku-red")
    said = [
        SmallNetwork(cascade).answer(between, [MatchQuestion("sku-red", enough)])[0] is not None
        for enough in (likelihood, np.nextafter(likelihood, 2))
    ]
    assert said == [True, False]


def test_what_is_doubted_or_unknown_by_its_own_thresholds_is_left_to_the_large_one(cascade: Bundle) -> None:
    assert cascade.manifest.small
    told = cascade.manifest.small.calibration
    for changes in ({"doubt_threshold": -0.5}, {"rejection_threshold": 0.5}):
        strict = _with_small(cascade, calibration=told.model_copy(update=changes))
        assert SmallNetwork(strict).answer(_crops((221, 30, 30)), _asked("red")) == [None]


def test_each_network_is_asked_once_and_only_for_what_is_left(cascade: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier, asked = open_classifier(cascade), list[tuple[str, int]]()
    assert isinstance(classifier.small, SmallNetwork)
    for name, network in (("small", classifier.small.classifier), ("large", classifier)):

        def noted(crops: Pixels, name: str = name, run: Callable[[Pixels], RawOutputs] = network.run) -> RawOutputs:
            asked.append((name, len(crops)))
            return run(crops)

        monkeypatch.setattr(network, "run", noted)
    crops = _crops(*COLOURS.values(), BROWN, *COLOURS.values())
    answers, by_small = classify_in_stages(
        classifier, crops, _asked("red", "green", "red", "red", None, "green", "blue")
    )
    assert asked == [("small", 6), ("large", 3)]
    assert by_small == 4
    assert [answer.sku for answer in answers] == [f"sku-{n}" for n in (*COLOURS, "red", *COLOURS)]


def test_without_a_small_network_the_large_one_answers_everything(cascade: Bundle) -> None:
    alone, crops = Classifier(cascade), _crops(*COLOURS.values())
    assert classify_in_stages(alone, crops, _asked(*COLOURS)) == (alone.classify(crops), 0)


def test_it_says_how_far_it_is_with_each_network(cascade: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier_module, "PORTION", 2)
    said: list[str] = []
    classify_in_stages(open_classifier(cascade), _crops(*[BROWN] * 3), _asked("red", "red", "red"), said.append)
    assert said == ["2 of 3 places are classified"] * 2


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from([*COLOURS.values(), BROWN]), st.sampled_from([*COLOURS, None])), max_size=9))
def test_whoever_answers_a_crop_says_the_same_of_it_where_both_are_the_same_network(
    classifier: Classifier, cases: list[tuple[tuple[int, int, int], str | None]]
) -> None:
    crops = _crops(*(colour for colour, _ in cases)) if cases else np.zeros((0, SIDE, SIDE, 3), np.uint8)
    answers, by_small = classify_in_stages(classifier, crops, _asked(*(name for _, name in cases)))
    assert answers == (classifier.classify(crops) if cases else [])
    assert by_small == sum(colour == COLOURS.get(name or "") for colour, name in cases)


def test_a_question_is_what_the_wms_expects_where_it_has_said_something() -> None:
    said = [Expected(revision=1, sku="a"), Expected(revision=1, sku=None), Expected(revision=1, managed=False), None]
    assert questions_of(said, 0.7) == [MatchQuestion("a", 0.7), MatchQuestion("empty", 0.7), None, None]


def test_products_that_came_went_or_are_withheld_are_not_answered(cascade: Bundle) -> None:
    assert cascade.manifest.small
    assert answerable(cascade.manifest) == {"sku-red", "sku-green", "sku-blue"}
    gone = cascade.manifest.model_copy(update={"classes": cascade.manifest.classes[1:]})
    assert answerable(gone) == {"sku-green", "sku-blue"}
    withheld = cascade.manifest.small.model_copy(update={"withheld": ("sku-blue",)})
    assert answerable(cascade.manifest.model_copy(update={"small": withheld})) == {"sku-red", "sku-green"}
    assert answerable(cascade.manifest.model_copy(update={"small": None})) == frozenset()


def test_a_small_network_that_does_not_fit_is_refused_in_one_line(cascade: Bundle) -> None:
    with pytest.raises(BundleError, match=r"colours\.bundle: holds one network, and no cascade: build it with --small"):
        SmallNetwork(_with_manifest(cascade, small=None))
    other = (ClassInfo(name="pink", category="paint", sku="pink"), *cascade.manifest.classes[1:])
    with pytest.raises(BundleError, match=r"small\.onnx is of other classes than model\.onnx \('pink'\): build the"):
        SmallNetwork(_with_small(cascade, classes=other))
    resold = cascade.manifest.classes[0].model_copy(update={"sku": "other"})
    with pytest.raises(BundleError, match=r"is of other classes than model\.onnx \('red'\)"):
        SmallNetwork(_with_manifest(cascade, classes=(resold, *cascade.manifest.classes[1:])))
    assert cascade.small
    for model, said in ((b"no model", "cannot be loaded"), (cascade.small.model[:200], "cannot be loaded")):
        with pytest.raises(BundleError, match=rf"colours\.bundle \(small network\): small\.onnx {said}"):
            SmallNetwork(replace(cascade, small=replace(cascade.small, model=model)))
    with pytest.raises(BundleError, match=r"\(small network\): the model takes .*16.*, not 32 x 32 x 3"):
        SmallNetwork(_with_manifest(cascade, input=cascade.manifest.input.model_copy(update={"size": 32})))


def test_its_golden_samples_are_checked_like_the_large_one_s(cascade: Bundle) -> None:
    assert cascade.small
    assert SmallNetwork(cascade).check_golden() < 0.05
    first, *rest = cascade.small.golden
    wrong = replace(cascade.small, golden=(first.model_copy(update={"top1": "blue"}), *rest))
    with pytest.raises(BundleError, match=r"\(small network\): golden/0\.png is 'red' here and should be 'blue'"):
        SmallNetwork(replace(cascade, small=wrong)).check_golden()


def test_a_bundle_of_one_network_says_nothing_of_a_second(cascade: Bundle) -> None:
    alone = cascade.manifest.model_copy(update={"small": None})
    assert "small" not in alone.model_dump(mode="json")
    assert Manifest.model_validate(alone.model_dump(mode="json")) == alone
    assert Manifest.model_validate(cascade.manifest.model_dump(mode="json")) == cascade.manifest
