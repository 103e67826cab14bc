"""From a run to a bundle of lower precision that holds its accuracy."""

import shutil
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export import build as build_module
from export import lower_precision as lower_module
from export.build import build
from export.fp16 import HalfPrecision
from export.lower_precision import PrecisionTarget
from export.verify import verify
from kardus.contract.manifest import Precision
from kardus.inference.bundle import Bundle, read_bundle
from kardus.inference.classifier import Classifier
from kardus.support.errors import BundleError, DataError, UsageError
from tests.in_process import assert_nothing_written
from tests.train.making import write_table
from train.data.data_set import read_data
from train.data.photos import load_crops
from train.networks.checkpoint import MEASURED, load_checkpoint, save_checkpoint


@pytest.fixture
def _ready_graph(bundle_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let exports take the small run's graph instead of making it again, which takes seconds."""
    model = read_bundle(bundle_file).model
    monkeypatch.setattr(build_module, "to_onnx", lambda *_: model)
    monkeypatch.setattr(lower_module, "to_onnx", lambda *_: model)


def _with_head(model: bytes, change: Callable[[np.ndarray], np.ndarray]) -> bytes:
    """The model in half precision with other weights in its head."""
    proto = onnx.load_from_string(model)
    weight = next(w for w in proto.graph.initializer if w.name == "network.head.weight")
    weight.raw_data = change(onnx.numpy_helper.to_array(weight)).astype(np.float16).tobytes()
    return bytes(proto.SerializeToString())


def _lowered(run: Path, out: Path, precision: Precision, **changes: object) -> Bundle:
    build(run, out, target=replace(PrecisionTarget(precision, max_drop=100), **changes))  # type: ignore[arg-type]
    return read_bundle(out)


@pytest.mark.usefixtures("_ready_graph")
@pytest.mark.parametrize(("precision", "proportion"), [("int8", 0.55), ("fp16", 0.6)])
def test_a_lower_precision_is_smaller_verifies_and_says_what_it_costs(
    run_folder: Path, bundle_file: Path, tmp_path: Path, precision: Precision, proportion: float
) -> None:
    lowered, plain = _lowered(run_folder, tmp_path / "low.bundle", precision), read_bundle(bundle_file)
    assert lowered.manifest.precision == precision
    assert len(lowered.model) < proportion * len(plain.model)
    verify(tmp_path / "low.bundle")
    found = lowered.manifest.lower_precision
    assert found
    assert found.accuracy.n == found.accuracy_before.n == 30
    assert found.accuracy_before.value == plain.manifest.metrics[0].value
    assert lowered.manifest.metrics == (found.accuracy,)
    # eight bits change the mind of a network that has learnt little: how little differs between processors
    assert found.agreement >= (0.9 if precision == "fp16" else 0.3)
    assert 0 < lowered.manifest.parity.mean_logit_difference < 0.5
    assert plain.manifest.lower_precision is None


@pytest.mark.usefixtures("_ready_graph")
def test_weights_are_eight_bits_per_channel_and_what_answers_stays_in_float(run_folder: Path, tmp_path: Path) -> None:
    lowered = _lowered(run_folder, tmp_path / "low.bundle", "int8")
    graph = onnx.load_from_string(lowered.model).graph
    eight = [w for w in graph.initializer if w.data_type == onnx.TensorProto.INT8 and len(w.dims) == 4]
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(eight) == len(convolutions)
    assert all(np.abs(numpy_helper.to_array(w).astype(int)).max() <= 64 for w in eight), "nothing overflows 16 bits"
    scales = {w.name: w for w in graph.initializer if w.name.endswith("_scale")}
    per_channel = [s for name, s in scales.items() if "weight" in name]
    assert all(list(scale.dims) != [] for scale in per_channel)
    head = next(node for node in graph.node if "logits" in node.output)
    makers = {name: node.op_type for node in graph.node for name in node.output}
    assert all(makers.get(name) != "DequantizeLinear" for name in head.input)


@pytest.mark.usefixtures("_ready_graph")
def test_temperature_and_threshold_are_fitted_on_the_answers_of_this_precision(
    run_folder: Path, photos: Path, tmp_path: Path
) -> None:
    lowered = _lowered(run_folder, tmp_path / "low.bundle", "int8")
    own, before = lowered.manifest.calibration, load_checkpoint(run_folder).calibration
    assert own.n == 30
    assert own.temperature != before.temperature
    assert own.temperature == pytest.approx(before.temperature, rel=0.5)
    classifier = Classifier(lowered)
    crops = load_crops(read_data(photos).select("val"), 48, "")
    assert classifier.scores(classifier.outputs(crops)).min() >= own.rejection_threshold


@pytest.mark.usefixtures("_ready_graph")
def test_a_refitted_run_is_judged_by_the_network_that_had_not_seen_the_photos(run_folder: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(run_folder)
    run = tmp_path / "run"
    run.mkdir()
    save_checkpoint(run / "model.ckpt", replace(checkpoint, refitted=True))
    with pytest.raises(UsageError, match="neither trained nor calibrated on"):
        build(run, tmp_path / "low.bundle", target=PrecisionTarget("int8", max_drop=100))
    assert_nothing_written(tmp_path, tmp_path / "low.bundle")
    save_checkpoint(run / MEASURED, checkpoint)
    lowered = _lowered(run, tmp_path / "low.bundle", "int8")
    assert lowered.manifest.lower_precision
    assert lowered.manifest.lower_precision.accuracy.n == 30


@pytest.mark.slow
@pytest.mark.usefixtures("_ready_graph")
def test_same_inputs_give_the_same_bytes_in_another_folder(
    run_folder: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    (tmp_path / "far").mkdir()
    shutil.copytree(run_folder, tmp_path / "far" / "run")
    shutil.copytree(photos, tmp_path / "far" / "photos")
    _lowered(run_folder, tmp_path / "low.bundle", "int8")
    _lowered(tmp_path / "far" / "run", tmp_path / "far" / "low.bundle", "int8", data=tmp_path / "far" / "photos")
    assert (tmp_path / "low.bundle").read_bytes() == (tmp_path / "far" / "low.bundle").read_bytes()


@pytest.mark.usefixtures("_ready_graph")
def test_accuracy_that_does_not_hold_is_refused_with_points_and_layers(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Collapsed(HalfPrecision):
        """Answers at random, as a network does whose activations overflow."""

        def model(self, in_float: Collection[str] = ()) -> bytes:
            noise = np.random.default_rng(0)
            return _with_head(super().model(in_float), lambda head: noise.normal(size=head.shape))

    monkeypatch.setattr(lower_module, "HalfPrecision", Collapsed)
    with pytest.raises(BundleError, match=r"not written: the lower precision loses .* points by class on 30 photos"):
        build(run_folder, tmp_path / "low.bundle", target=PrecisionTarget("fp16", max_drop=0.5))
    assert_nothing_written(tmp_path, tmp_path / "low.bundle")


@pytest.mark.usefixtures("_ready_graph")
def test_a_model_that_collapses_where_the_judged_one_held_is_refused(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Turns(HalfPrecision):
        """Holds for the network that is judged, and answers the other way round for the one that is delivered."""

        made = 0

        def model(self, in_float: Collection[str] = ()) -> bytes:
            model = super().model(in_float)
            Turns.made += 1
            return _with_head(model, np.negative) if Turns.made > 1 else model

    monkeypatch.setattr(lower_module, "HalfPrecision", Turns)
    with pytest.raises(BundleError, match=r"not written: in this precision the model names the same class on"):
        build(run_folder, tmp_path / "low.bundle", target=PrecisionTarget("fp16", max_drop=0.5))
    assert_nothing_written(tmp_path, tmp_path / "low.bundle")


@pytest.mark.usefixtures("_ready_graph")
def test_a_measured_network_of_another_run_is_refused(run_folder: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(run_folder)
    save_checkpoint(tmp_path / "model.ckpt", replace(checkpoint, refitted=True))
    save_checkpoint(tmp_path / MEASURED, replace(checkpoint, data_sha256="0" * 64))
    with pytest.raises(DataError, match=r"measured\.ckpt: of another run than the checkpoint beside it"):
        build(tmp_path / "model.ckpt", tmp_path / "low.bundle", target=PrecisionTarget("fp16", max_drop=0.5))


@pytest.mark.usefixtures("_ready_graph")
def test_few_photos_judge_but_do_not_calibrate(run_folder: Path, photos: Path, tmp_path: Path) -> None:
    held = read_data(photos).select("val").samples[:10]
    table = write_table(tmp_path / "few.csv", ("path", "name"), *((s.path, s.name) for s in held))
    lowered = _lowered(run_folder, tmp_path / "low.bundle", "fp16", data=table)
    assert lowered.manifest.lower_precision
    assert lowered.manifest.lower_precision.accuracy.n == 10
    assert lowered.manifest.lower_precision.calibration_crops == 0
    assert lowered.manifest.calibration == load_checkpoint(run_folder).calibration
    assert lowered.manifest.pixels == ()
