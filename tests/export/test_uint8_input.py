"""The first convolution of an 8-bit network takes bytes: the same answers, and nothing in float before it."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from export.onnx_graph import OPSET
from export.quantise import quantiser
from export.uint8_input import fold_normalisation
from kardus.inference.bundle import read_bundle
from kardus.inference.preprocess import Pixels
from train.networks.carton import IMAGENET_STATISTICS

SIDE = 48
CROPS = np.random.default_rng(0).integers(0, 256, (8, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture
def plain(bundle_file: Path) -> bytes:
    """A network as it is exported."""
    return read_bundle(bundle_file).model


STD = (58.0, 57.0, 56.0)


def _graph(
    padding: int, std: tuple[float, ...] = STD, *, bias: bool = True, mean: tuple[float, ...] = IMAGENET_STATISTICS.mean
) -> onnx.ModelProto:
    """Normalisation and a first convolution that looks beyond the picture, or doesn't, as `to_onnx` writes them."""
    rng = np.random.default_rng(1)
    constants = {
        "mean": np.array(mean, np.float32).reshape(1, 3, 1, 1),
        "std": np.array(std, np.float32).reshape((1, -1, 1, 1) if len(std) > 1 else ()),
        "weight": rng.uniform(-0.2, 0.2, (5, 3, 3, 3)).astype(np.float32),
        **({"bias": rng.uniform(-0.2, 0.2, 5).astype(np.float32)} if bias else {}),
    }
    nodes = [
        helper.make_node("Transpose", ["crops"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["floats"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Sub", ["floats", "mean"], ["centred"], "sub"),
        helper.make_node("Div", ["centred", "std"], ["normalised"], "div"),
        helper.make_node(
            "Conv",
            ["normalised", "weight", *["bias"] * bias],
            ["logits"],
            "conv",
            pads=[padding] * 4,
            kernel_shape=[3, 3],
        ),
    ]
    crops = helper.make_tensor_value_info("crops", onnx.TensorProto.UINT8, ["batch", SIDE, SIDE, 3])
    logits = helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, None)
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "first", [crops], [logits], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def _run(model: onnx.ModelProto | bytes, crops: Pixels = CROPS) -> NDArray[np.float32]:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    (out,) = ort.InferenceSession(content).run(["logits"], {"crops": crops})
    return np.asarray(out)


def test_folding_changes_no_answer_but_at_the_edge_of_the_picture() -> None:
    for padding, bias, inside in ((0, True, slice(None)), (0, False, slice(None)), (1, True, slice(1, -1))):
        before = _run(_graph(padding, bias=bias))
        folded = fold_normalisation(_graph(padding, bias=bias))
        assert folded.shifted
        assert not {"Div"} & {node.op_type for node in folded.model.graph.node}
        difference = np.abs(_run(folded.model) - before)
        assert difference[..., inside, inside].max() < 1e-4
        assert difference.max() < 1
        assert (difference.max() > 1e-3) == bool(padding)


@pytest.mark.parametrize(("mean", "zero"), [(IMAGENET_STATISTICS.mean, 114), ((127.0,) * 3, 127), ((0.0,) * 3, 0)])
def test_the_edge_is_as_grey_as_zero_says(mean: tuple[float, ...], zero: int) -> None:
    """A picture of that grey has no edge."""
    folded = fold_normalisation(_graph(1, mean=mean))
    assert folded.zero == zero
    answers = _run(folded.model, np.full((1, SIDE, SIDE, 3), folded.zero, np.uint8))
    assert np.ptp(answers, axis=(2, 3)).max() < 1e-4


def test_a_graph_that_begins_otherwise_stays_as_it_was() -> None:
    model = _graph(1, (255.0,))  # one number for all channels
    before = model.SerializeToString()
    folded = fold_normalisation(model)
    assert folded.shifted is None
    assert folded.ranges == {}
    assert folded.model.SerializeToString() == before


def test_a_bias_that_is_no_constant_is_left_alone() -> None:
    model = _graph(1)
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == conv.input[2])
    model.graph.node.insert(0, onnx.helper.make_node("Constant", [], [bias.name], value=bias))
    model.graph.initializer.remove(bias)
    assert fold_normalisation(model).shifted is None


def test_nothing_in_float_is_left_before_the_network(plain: bytes, tmp_path: Path) -> None:
    with quantiser(plain, CROPS) as quantised:
        eight = quantised.model()
    graph = onnx.load_from_string(eight).graph
    assert {tensor.name for tensor in graph.initializer} <= {name for node in graph.node for name in node.input}
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(eight, options)
    assert onnx.load(tmp_path / "optimised.onnx").graph.node[0].op_type == "QLinearConv"
    one, other = _run(plain), _run(eight)
    assert np.abs(one - other).max() < 0.1 * np.abs(one).max()


def test_a_first_layer_that_is_left_in_float_takes_float(plain: bytes) -> None:
    first = next(node.name for node in onnx.load_from_string(plain).graph.node if node.op_type == "Conv")
    with quantiser(plain, CROPS) as quantised:
        eight = quantised.model([first])
    one, other = _run(plain), _run(eight)
    assert {"Cast", "Sub"} <= {node.op_type for node in onnx.load_from_string(eight).graph.node}
    assert np.abs(one - other).max() < 0.1 * np.abs(one).max()
