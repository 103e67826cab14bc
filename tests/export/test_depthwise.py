"""Networks like EfficientNet-Lite in 8 bits: one chain of integer convolutions, from the crops' bytes to the last."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

from export.quantise import quantiser

pytestmark = pytest.mark.slow  # exporting a graph takes seconds
SIDE, CLASSES = 32, 4
CROPS = np.random.default_rng(0).integers(0, 256, (24, SIDE, SIDE, 3), dtype=np.uint8)
_SUM = (0, 1, 0, 1)
"""What a convolution of stride 2 lacks below and to the right, as TensorFlow pads an even picture ("same")."""


def _layer(channels: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    padding = kernel // 2 if stride == 1 else 0
    return nn.Sequential(
        nn.Conv2d(channels, out, kernel, stride, padding, groups=groups, bias=False), nn.BatchNorm2d(out)
    )


class _Lite(nn.Module):
    """What EfficientNet-Lite is made of: its stem, depthwise layers, ReLU6, linear bottlenecks, a residual sum."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Buffer(torch.full((1, 3, 1, 1), 127.0))
        self.std = nn.Buffer(torch.full((1, 3, 1, 1), 128.0))
        self.stem = _layer(3, 16, 3, stride=2)
        self.depthwise = _layer(16, 16, 3, groups=16)
        self.bottleneck = _layer(16, 8)
        self.expand = _layer(8, 32)
        self.reduce = _layer(32, 32, 3, stride=2, groups=32)
        self.narrow = _layer(32, 8)
        self.widen, self.spread, self.join = _layer(8, 32), _layer(32, 32, 3, groups=32), _layer(32, 8)
        self.last = _layer(8, 24)
        self.head = nn.Linear(24, CLASSES)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        x = (crops.permute(0, 3, 1, 2).float() - self.mean) / self.std
        x = functional.relu6(self.stem(functional.pad(x, _SUM)))
        x = self.bottleneck(functional.relu6(self.depthwise(x)))
        x = functional.relu6(self.expand(x))
        x = self.narrow(functional.relu6(self.reduce(functional.pad(x, _SUM))))
        x = x + self.join(functional.relu6(self.spread(functional.relu6(self.widen(x)))))
        logits: torch.Tensor = self.head(functional.relu6(self.last(x)).mean(dim=(2, 3)))
        return logits


@pytest.fixture(scope="module")
def both() -> tuple[bytes, bytes]:
    """The network in float, with filters of a depthwise layer that differ a hundredfold, and in 8 bits."""
    torch.manual_seed(0)
    network = _Lite()
    network.train()(torch.from_numpy(CROPS))  # normalisation learns the activations' ranges
    with torch.no_grad():
        convolution = network.depthwise.get_submodule("0")
        spread = torch.logspace(-1, 1, 16)
        convolution.get_parameter("weight").mul_(spread.view(-1, 1, 1, 1))
        network.depthwise.get_buffer("1.running_mean").mul_(spread)
        network.depthwise.get_buffer("1.running_var").mul_(spread**2)
    example = torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8)
    program = torch.onnx.export(
        network.eval(), (example,), dynamo=True, input_names=["crops"], output_names=["logits"],
        dynamic_shapes={"crops": {0: torch.export.Dim("batch", min=1, max=64)}}, verbose=False,
    )  # fmt: skip
    assert program
    plain = bytes(program.model_proto.SerializeToString())
    with quantiser(plain, CROPS) as made:
        return plain, made.model()


def test_every_filter_has_its_own_scale(both: tuple[bytes, bytes]) -> None:
    graph = onnx.load_from_string(both[1]).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made = {name: node for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 10
    for node in convolutions:
        weights, scale = made[node.input[1]].input[:2]
        assert constants[weights].dtype == np.int8
        assert constants[scale].shape == constants[weights].shape[:1]


def test_onnxruntime_runs_integer_convolutions_alone_with_relu6_in_them(
    both: tuple[bytes, bytes], tmp_path: Path
) -> None:
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "seen.onnx")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    ort.InferenceSession(both[1], options, providers=["CPUExecutionProvider"])
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "seen.onnx").graph.node)
    assert kinds["QLinearConv"] == 10
    assert kinds["QLinearAdd"] == 1
    assert kinds["DequantizeLinear"] == 1  # before pooling
    assert not {"Conv", "Clip", "Pad", "Sub", "Div", "Cast", "QuantizeLinear"} & set(kinds)


def test_it_answers_as_the_network_in_float(both: tuple[bytes, bytes]) -> None:
    plain, eight = (
        ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"crops": CROPS})[0] for model in both
    )
    assert float(np.abs(plain - eight).max()) < 0.1 * float(np.ptp(plain))
    assert float(np.std(plain)) > 0.01
