"""The first convolution of an 8-bit network takes bytes: the same answers, and nothing in float before it."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from export.onnx_graph import to_onnx
from export.quantise import quantiser
from export.uint8_input import fold_normalisation
from kardus.inference.preprocess import Pixels
from train.networks.carton import IMAGENET_STATISTICS, CartonNet

SIDE = 64
CROPS = np.random.default_rng(0).integers(0, 256, (8, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def plain() -> bytes:
    """A network as it is exported."""
    torch.manual_seed(0)
    return to_onnx(CartonNet("resnet18", 4).eval(), SIDE)


class _First(nn.Module):
    """A first convolution that looks beyond the picture, or doesn't."""

    def __init__(
        self,
        padding: int,
        divisor: torch.Tensor,
        *,
        bias: bool = True,
        mean: tuple[float, ...] = IMAGENET_STATISTICS.mean,
    ) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv2d(3, 5, 3, padding=padding, bias=bias)
        self.mean = torch.tensor(mean).view(1, 3, 1, 1)
        self.divisor = divisor

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.conv((crops.permute(0, 3, 1, 2).float() - self.mean) / self.divisor)
        return out


def _exported(network: nn.Module) -> onnx.ModelProto:
    example = torch.from_numpy(CROPS[:2])
    program = torch.onnx.export(
        network.eval(), (example,), dynamo=True, input_names=["crops"], output_names=["logits"],
        dynamic_shapes={"crops": {0: torch.export.Dim("batch", min=1, max=64)}}, verbose=False,
    )  # fmt: skip
    assert program
    model: onnx.ModelProto = program.model_proto
    return model


def _run(model: onnx.ModelProto | bytes, crops: Pixels = CROPS) -> NDArray[np.float32]:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    (out,) = ort.InferenceSession(content).run(["logits"], {"crops": crops})
    return np.asarray(out)


def test_folding_changes_no_answer_but_at_the_edge_of_the_picture() -> None:
    std = torch.tensor([58.0, 57.0, 56.0]).view(1, 3, 1, 1)
    for padding, bias, inside in ((0, True, slice(None)), (0, False, slice(None)), (1, True, slice(1, -1))):
        before = _run(_exported(_First(padding, std, bias=bias)))
        folded = fold_normalisation(_exported(_First(padding, std, bias=bias)))
        assert folded.shifted
        assert not {"Div"} & {node.op_type for node in folded.model.graph.node}
        difference = np.abs(_run(folded.model) - before)
        assert difference[..., inside, inside].max() < 1e-4
        assert difference.max() < 1
        assert (difference.max() > 1e-3) == bool(padding)


@pytest.mark.parametrize(("mean", "zero"), [(IMAGENET_STATISTICS.mean, 114), ((127.0,) * 3, 127), ((0.0,) * 3, 0)])
def test_the_edge_is_as_grey_as_zero_says(mean: tuple[float, ...], zero: int) -> None:
    """A picture of that grey has no edge."""
    folded = fold_normalisation(_exported(_First(1, torch.tensor([58.0, 57.0, 56.0]).view(1, 3, 1, 1), mean=mean)))
    assert folded.zero == zero
    answers = _run(folded.model, np.full((1, SIDE, SIDE, 3), folded.zero, np.uint8))
    assert np.ptp(answers, axis=(2, 3)).max() < 1e-4


def test_a_graph_that_begins_otherwise_stays_as_it_was() -> None:
    model = _exported(_First(1, torch.tensor(255.0)))  # one number for all channels
    before = model.SerializeToString()
    folded = fold_normalisation(model)
    assert folded.shifted is None
    assert folded.ranges == {}
    assert folded.model.SerializeToString() == before


def test_a_bias_that_is_no_constant_is_left_alone() -> None:
    model = _exported(_First(1, torch.tensor([58.0, 57.0, 56.0]).view(1, 3, 1, 1)))
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
