"""A bundle's model answers as its maker saw it answer, or is refused."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kardus.contract.manifest import Calibration, ClassInfo
from kardus.inference import classifier as classifier_module
from kardus.inference.bundle import Bundle, read_bundle
from kardus.inference.classification import Classification, interpret, softmax
from kardus.inference.classifier import BATCH, Classifier, classify_in_portions
from kardus.inference.multi_crop import CORNER_CROPS, parts_of
from kardus.inference.preprocess import Pixels
from kardus.support.errors import BundleError

CLASSES = (
    ClassInfo(name="A", category="X", sku="A"),
    ClassInfo(name="A-Side", category="X", sku="A", face="side"),
    ClassInfo(name="B", category="X", sku="B"),
    ClassInfo(name="C", category="Y", sku="C"),
    ClassInfo(name="empty", category="empty", sku="empty"),
)


def _interpret(logits: NDArray[np.float32], calibration: Calibration) -> list[Classification]:
    return interpret(logits, CLASSES, calibration, logits.max(axis=1))


LOGITS = st.lists(st.floats(-30, 30, width=32), min_size=len(CLASSES), max_size=len(CLASSES))


@pytest.fixture(scope="module")
def bundle(bundle_file: Path) -> Bundle:
    """The small bundle."""
    return read_bundle(bundle_file)


@pytest.fixture(scope="module")
def classifier(bundle: Bundle) -> Classifier:
    """Its classifier."""
    return Classifier(bundle, threads=1)


@pytest.fixture(scope="module")
def crops(classifier: Classifier) -> Pixels:
    """Five crops of noise, from dark to light."""
    noise = np.random.default_rng(0).integers(0, 120, (5, classifier.size_px, classifier.size_px, 3))
    return (noise + np.arange(5).reshape(5, 1, 1, 1) * 30).astype(np.uint8)


def _with_manifest(bundle: Bundle, **changes: Any) -> Bundle:
    return replace(bundle, manifest=bundle.manifest.model_copy(update=changes))


def _with_logits(bundle: Bundle, logits: tuple[float, ...]) -> Bundle:
    golden = (bundle.golden[0].model_copy(update={"logits": logits}), *bundle.golden[1:])
    return replace(bundle, golden=golden)


def test_the_golden_samples_are_answered_as_the_bundle_says(classifier: Classifier, bundle: Bundle) -> None:
    assert 0 <= classifier.check_golden(bundle) <= bundle.manifest.golden_tolerance


def test_many_crops_are_answered_as_each_alone(classifier: Classifier) -> None:
    """They are run in several batches, the last of one crop."""
    side = classifier.size_px
    crops = np.random.default_rng(1).integers(0, 256, (2 * BATCH + 1, side, side, 3)).astype(np.uint8)
    together, alone = classifier.run(crops), [classifier.run(crop[None]) for crop in crops]
    for name in ("logits", "embedding", "evidence"):
        each = np.concatenate([getattr(one, name) for one in alone])
        np.testing.assert_allclose(getattr(together, name), each, atol=1e-4)


def test_the_model_file_is_not_kept_in_memory(bundle: Bundle) -> None:
    before = sys.getrefcount(bundle.model)
    classifier = Classifier(bundle, threads=1)
    after = sys.getrefcount(bundle.model)
    assert after == before
    assert classifier.check_golden(bundle) <= bundle.manifest.golden_tolerance


def test_swapped_labels_are_refused(bundle: Bundle) -> None:
    classes = list(bundle.manifest.classes)
    seen = next(index for index, info in enumerate(classes) if info.name == bundle.golden[0].top1)
    other = (seen + 1) % len(classes)
    classes[seen], classes[other] = classes[other], classes[seen]
    swapped = _with_manifest(bundle, classes=tuple(classes))
    with pytest.raises(BundleError, match="the model and its labels don't fit each other; build the bundle again"):
        Classifier(swapped, threads=1).check_golden(swapped)


def test_other_logits_with_the_same_answer_are_refused(classifier: Classifier, bundle: Bundle) -> None:
    shifted = tuple(value + 1 for value in bundle.golden[0].logits)
    with pytest.raises(BundleError, match=r"small\.bundle: golden samples differ by 1 on "):
        classifier.check_golden(_with_logits(bundle, shifted))


def test_a_sample_of_too_few_logits_is_refused(classifier: Classifier, bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"small\.bundle: "):
        classifier.check_golden(_with_logits(bundle, bundle.golden[0].logits[:-1]))


def test_a_sample_of_too_many_logits_is_refused(classifier: Classifier, bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="its golden samples don't fit its classes"):
        classifier.check_golden(_with_logits(bundle, (*bundle.golden[0].logits, 0.0)))


@pytest.mark.parametrize("score", ["prototype", "distance"])
def test_prototypes_of_another_shape_are_refused_where_they_are_needed(bundle: Bundle, score: str) -> None:
    calibration = bundle.manifest.calibration.model_copy(update={"rejection_score": score})
    fewer = _with_manifest(bundle, calibration=calibration, prototypes=bundle.manifest.prototypes[:-1])
    with pytest.raises(BundleError, match="not one embedding for each of"):
        Classifier(fewer, threads=1)


def test_a_crop_is_doubted_below_its_threshold_only() -> None:
    logits = np.array([[5.0, 0, 0, 0, 0]], np.float32)
    for threshold, doubted in ((-1.0, False), (5.0, False), (5.5, True)):
        assert _interpret(logits, Calibration(doubt_threshold=threshold))[0].doubted is doubted


def test_no_sample_at_all_is_refused(classifier: Classifier, bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"small\.bundle: "):
        classifier.check_golden(replace(bundle, golden=()))


def _solid_png(side: int) -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (side, side)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "named"), [(b"no picture", "is not a picture"), (_solid_png(40), "is not 48 x 48")]
)
def test_a_sample_whose_picture_is_none_is_refused(
    classifier: Classifier, bundle: Bundle, content: bytes, named: str
) -> None:
    file = bundle.golden[0].file
    with pytest.raises(BundleError, match=rf"small\.bundle: {file} {named}.*build the bundle again"):
        classifier.check_golden(replace(bundle, golden_png=bundle.golden_png | {file: content}))


def test_one_crop_is_answered_as_in_a_batch(classifier: Classifier, crops: Pixels) -> None:
    together = classifier.run(crops)
    for index in range(len(crops)):
        alone = classifier.run(crops[index : index + 1])
        assert np.allclose(alone.logits[0], together.logits[index], atol=1e-4)
        assert np.allclose(alone.embedding[0], together.embedding[index], atol=1e-5)
        assert np.allclose(alone.evidence[0], together.evidence[index], atol=1e-4)


def test_the_outputs_have_the_shapes_that_they_promise(classifier: Classifier, crops: Pixels) -> None:
    outputs = classifier.run(crops)
    assert outputs.logits.shape == (5, len(classifier.manifest.classes))
    assert outputs.embedding.shape[0] == 5
    assert np.isfinite(outputs.embedding).all()
    assert outputs.evidence.ndim == 3
    assert outputs.evidence.min() >= 0


def test_classify_is_outputs_and_interpret(classifier: Classifier, crops: Pixels) -> None:
    manifest = classifier.manifest
    outputs = classifier.outputs(crops)
    expected = interpret(outputs.logits, manifest.classes, manifest.calibration, classifier.scores(outputs))
    assert classifier.classify(crops) == expected


def test_a_crop_that_scores_low_is_judged_by_its_parts_too(bundle: Bundle, crops: Pixels) -> None:
    told = bundle.manifest.calibration
    assert told.blend
    told = told.model_copy(update={"blend": told.blend.model_copy(update={"farthest": None})})
    plain = Classifier(_with_manifest(bundle, calibration=told), threads=1)
    alone, scores = plain.run(crops), plain.scores(plain.run(crops))
    below = float(np.sort(scores)[2])
    told = told.model_copy(update={"multi_crop_below": below})
    outputs = Classifier(_with_manifest(bundle, calibration=told), threads=1).outputs(crops)
    low = scores < below
    assert low.sum() == 2
    assert np.array_equal(outputs.logits[~low], alone.logits[~low])
    parts = plain.run(parts_of(crops[low])).logits.reshape(2, CORNER_CROPS, -1)
    mean = np.concatenate([alone.logits[low][:, None], parts], axis=1).mean(axis=1)
    assert np.allclose(outputs.logits[low], mean, atol=1e-3)
    assert not np.allclose(outputs.embedding[low], alone.embedding[low])


def test_a_bundle_of_before_judges_whole_crops_alone(bundle: Bundle, crops: Pixels) -> None:
    told = bundle.manifest.calibration.model_copy(update={"multi_crop_below": None})
    classifier = Classifier(_with_manifest(bundle, calibration=told), threads=1)
    assert np.array_equal(classifier.outputs(crops).logits, classifier.run(crops).logits)


def test_crops_of_another_size_are_refused(classifier: Classifier) -> None:
    with pytest.raises(BundleError, match=r"small\.bundle: model\.onnx fails at work"):
        classifier.run(np.zeros((1, 20, 20, 3), dtype=np.uint8))


def test_a_manifest_of_another_input_size_is_refused(bundle: Bundle) -> None:
    other = bundle.manifest.input.model_copy(update={"size": 64})
    with pytest.raises(BundleError, match=r"small\.bundle: the model takes .*48.*, not 64 x 64 x 3"):
        Classifier(_with_manifest(bundle, input=other), threads=1)


def test_a_manifest_of_fewer_classes_is_refused(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"small\.bundle: the model gives .*, not the logits of 14 classes"):
        Classifier(_with_manifest(bundle, classes=bundle.manifest.classes[:-1]), threads=1)


def _tiny_model(name: str, kind: int, shape: Sequence[str | int], outputs: Sequence[str]) -> bytes:
    import onnx
    from onnx import helper

    nodes = [helper.make_node("Identity", [name], [output]) for output in outputs]
    inputs = [helper.make_tensor_value_info(name, kind, shape)]
    results = [helper.make_tensor_value_info(output, kind, shape) for output in outputs]
    graph = helper.make_graph(nodes, "tiny", inputs, results)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = model.SerializeToString()
    assert isinstance(model, onnx.ModelProto)
    return data


UINT8, FLOAT = 2, 1
NAMES = ("logits", "embedding", "evidence")


@pytest.mark.parametrize(
    "model",
    [
        _tiny_model("crops", FLOAT, ["n", 48, 48, 3], NAMES),
        _tiny_model("crops", UINT8, ["n", 3, 48, 48], NAMES),
        _tiny_model("crops", UINT8, ["n"], NAMES),
        _tiny_model("crops", UINT8, [], NAMES),
        _tiny_model("image", UINT8, ["n", 48, 48, 3], NAMES),
        _tiny_model("crops", UINT8, ["n", 48, 48, 3], ["logits"]),
        _tiny_model("crops", UINT8, ["n", 48, 48, 3], ["a", "b", "c"]),
        _tiny_model("crops", UINT8, ["n", 48, 48, 3], NAMES),
    ],
    ids=["float", "channels first", "one axis", "scalar", "input", "one output", "outputs", "logits"],
)
def test_a_model_of_another_form_is_refused(bundle: Bundle, model: bytes) -> None:
    with pytest.raises(BundleError, match=r"small\.bundle: the model (takes|gives) "):
        Classifier(replace(bundle, model=model), threads=1)


@pytest.mark.parametrize("content", [b"", b"\0", b"garbage", b"\x08\x07" + bytes(1000)])
def test_what_is_no_model_is_refused_in_one_line(bundle: Bundle, content: bytes) -> None:
    with pytest.raises(BundleError, match=r"small\.bundle: model\.onnx cannot be loaded") as refusal:
        Classifier(replace(bundle, model=content), threads=1)
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_model_cut_short_is_refused(bundle: Bundle, share: float) -> None:
    with pytest.raises(BundleError, match=r"small\.bundle: "):
        Classifier(replace(bundle, model=bundle.model[: int(share * len(bundle.model))]), threads=1)


@given(st.lists(LOGITS, min_size=1, max_size=4))
def test_probabilities_sum_to_one_and_keep_their_order(rows: list[list[float]]) -> None:
    logits = np.array(rows, dtype=np.float32)
    probabilities = softmax(logits)
    assert probabilities.shape == logits.shape
    assert (probabilities >= 0).all()
    assert np.allclose(probabilities.sum(axis=-1), 1, atol=1e-5)
    assert (np.take_along_axis(probabilities, logits.argmax(axis=1)[:, None], 1).ravel() == probabilities.max(1)).all()


def test_huge_logits_don_t_overflow() -> None:
    assert softmax(np.array([1e30, 0.0, -1e30], dtype=np.float32)).tolist() == [1, 0, 0]


@given(LOGITS, st.floats(0.2, 20))
def test_the_faces_of_one_product_are_summed(row: list[float], temperature: float) -> None:
    logits = np.array([row], dtype=np.float32)
    (seen,) = _interpret(logits, Calibration(temperature=temperature))
    a, a_side, b, c, empty = (float(p) for p in softmax(logits / temperature)[0])
    assert seen.likelihood("A") == pytest.approx(a + a_side)
    assert [seen.likelihood(sku) for sku in ("B", "C", "empty")] == pytest.approx([b, c, empty])
    assert sum(score.likelihood for score in seen.skus) == pytest.approx(1, abs=1e-5)
    assert {score.sku for score in seen.skus} == {"A", "B", "C", "empty"}
    assert seen.likelihood("never heard of") == 0


@given(LOGITS)
def test_product_and_category_are_the_most_likely_ones(row: list[float]) -> None:
    (seen,) = _interpret(np.array([row], dtype=np.float32), Calibration())
    likelihoods = [score.likelihood for score in seen.skus]
    assert likelihoods == sorted(likelihoods, reverse=True)
    assert (seen.sku, seen.confidence) == (seen.skus[0].sku, min(1.0, likelihoods[0]))
    categories = {"X": seen.likelihood("A") + seen.likelihood("B"), "Y": seen.likelihood("C")}
    categories["empty"] = seen.likelihood("empty")
    assert categories[seen.category] == pytest.approx(max(categories.values()))
    assert seen.category_confidence == pytest.approx(max(categories.values()), abs=1e-5)


@given(LOGITS)
def test_the_class_that_is_named_is_a_face_of_the_product(row: list[float]) -> None:
    (seen,) = _interpret(np.array([row], dtype=np.float32), Calibration())
    assert {info.name: info.sku for info in CLASSES}[seen.name] == seen.sku


def test_two_faces_win_over_one_likelier_class() -> None:
    probabilities = np.array([[0.31, 0.29, 0.38, 0.01, 0.01]], dtype=np.float32)
    (seen,) = _interpret(np.log(probabilities), Calibration())
    assert (seen.sku, seen.name) == ("A", "A")
    assert seen.confidence == pytest.approx(0.6, abs=1e-3)


@given(LOGITS, st.floats(-30, 30, width=32))
def test_a_crop_is_known_from_the_threshold_on(row: list[float], threshold: float) -> None:
    (seen,) = _interpret(np.array([row], dtype=np.float32), Calibration(rejection_threshold=threshold))
    assert seen.known == (max(row) >= threshold)


def test_a_higher_temperature_makes_less_sure() -> None:
    logits = np.array([[3.0, 0, 1, 0, 0]], dtype=np.float32)
    sure, unsure = (_interpret(logits, Calibration(temperature=t))[0] for t in (1.0, 4.0))
    assert sure.sku == unsure.sku
    assert sure.confidence > unsure.confidence


def test_many_crops_are_answered_in_their_order_with_signs_of_life_between_portions(
    classifier: Classifier, crops: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier_module, "CROPS_PER_HEARTBEAT", 2)
    said: list[str] = []
    answers = classify_in_portions(classifier, crops, said.append)
    assert said == ["2 of 5 places are classified", "4 of 5 places are classified"]
    assert [answer.sku for answer in answers] == [answer.sku for answer in classifier.classify(crops)]
    assert classify_in_portions(classifier, crops[:0]) == []
