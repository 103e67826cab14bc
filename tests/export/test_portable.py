"""The portable form: the same answers from a graph that other runtimes' converters take."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from export.build import build
from export.lower_precision import PrecisionTarget
from export.portable_graph import to_portable
from export.verify import verify
from kardus.inference.bundle import read_bundle
from kardus.inference.classifier import Classifier, golden_crops
from kardus.support.errors import UsageError
from train.networks.carton import AttentionSpec, CartonNet


def test_the_graph_is_what_converters_take(portable_file: Path) -> None:
    model = onnx.load_from_string(read_bundle(portable_file).model)
    (crops,) = model.graph.input
    assert [size.dim_value for size in crops.type.tensor_type.shape.dim] == [1, 3, 48, 48]
    assert crops.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert [output.name for output in model.graph.output] == ["logits", "embedding"]
    assert [opset.version for opset in model.opset_import] == [read_bundle(portable_file).manifest.opset] == [17]
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {"ReduceL2", "LpNormalization", "Norm", "ArgMax", "Gather", "Shape", "Expand"}


def test_a_maximum_is_over_one_axis_that_stands_in_the_operator() -> None:
    """What pnnx and ncnn know of it: where axes are an input, or two, ncnn can't load what pnnx makes."""
    network = CartonNet("timm:test_resnet", 3, attention=AttentionSpec())
    model = onnx.load_from_string(to_portable(network, 48))
    axes = [list(given.ints) for given in _attributes(model, "ReduceMax") if given.name == "axes"]
    assert axes == [[3], [2], [1]] * 3
    assert not _attributes(model, "ReduceSum"), "of tensors that were stacked: it takes five dimensions"


def _attributes(model: onnx.ModelProto, kind: str) -> list[onnx.AttributeProto]:
    return [given for node in model.graph.node if node.op_type == kind for given in node.attribute]


def test_it_answers_as_the_complete_form_does(portable_file: Path, bundle_file: Path) -> None:
    portable, complete = read_bundle(portable_file), read_bundle(bundle_file)
    crops = golden_crops(complete)
    ours, theirs = Classifier(portable, threads=1).run(crops), Classifier(complete, threads=1).run(crops)
    np.testing.assert_allclose(ours.logits, theirs.logits, atol=1e-3)
    np.testing.assert_allclose(ours.embedding, theirs.embedding, atol=1e-2)
    assert ours.evidence.shape == (len(crops), 1, 1)


def test_it_is_verified_like_any_bundle(portable_file: Path) -> None:
    found = {check.what: check.found for check in verify(portable_file)}
    assert found["runs on"] == "CPUExecutionProvider (f32)"
    assert "1 and 5 agree" in found["batches"]
    assert read_bundle(portable_file).manifest.form == "portable"


def test_a_lower_precision_is_left_to_the_converters(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--form portable --precision int8: build it in fp32"):
        build(run_folder, tmp_path / "x.bundle", form="portable", target=PrecisionTarget("int8", 1))
    assert not list(tmp_path.iterdir())
