"""8-bit versions of a graph: which layers are noisy, and which stay in float."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

from export.quantise import Quantiser, quantiser
from train.networks.rmcsam import RMCSAM

SIDE = 12


class _Net(nn.Module):
    """Takes crops as the agent gives them. Attention looks at its last features, as RMCSAM does."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.third = nn.Conv2d(8, 8, 3, padding=1)
        self.attention = RMCSAM(8, reductions=(2, 4), recursions=2)
        self.head = nn.Linear(8, 4)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(crops.permute(0, 3, 1, 2).float() / 255))
        x = torch.relu(self.third(torch.relu(self.second(x))))
        x = self.attention(x)
        out: torch.Tensor = self.head(x.mean(dim=(2, 3)))
        return out


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[bytes, Quantiser]]:
    """The graph in float, and its quantiser."""
    torch.manual_seed(0)
    example = torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8)
    dynamic = {"crops": {0: torch.export.Dim("batch", min=1, max=64)}}
    program = torch.onnx.export(
        _Net().eval(), (example,), dynamo=True, input_names=["crops"], output_names=["logits"],
        dynamic_shapes=dynamic, verbose=False,
    )  # fmt: skip
    assert program
    model = bytes(program.model_proto.SerializeToString())
    crops = np.random.default_rng(0).integers(0, 256, (24, SIDE, SIDE, 3), dtype=np.uint8)
    with quantiser(model, crops) as quantised:
        yield model, quantised


def _convolutions(model: bytes) -> list[onnx.NodeProto]:
    return [node for node in onnx.load_from_string(model).graph.node if node.op_type == "Conv"]


def _trunk(model: bytes) -> set[str]:
    """The convolutions that aren't attention's."""
    graph = onnx.load_from_string(model).graph
    filters = {weight.name: weight.dims[0] for weight in graph.initializer if weight.dims}
    return {node.name for node in _convolutions(model) if filters[node.input[1]] > 1}


def _in_float(model: bytes) -> set[str]:
    """The convolutions whose weights aren't dequantised from 8 bits."""
    graph = onnx.load_from_string(model).graph
    dequantised = {name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    return {node.name for node in _convolutions(model) if node.input[1] not in dequantised}


def test_every_convolution_of_the_trunk_is_quantised_and_answers_stay_close(made: tuple[bytes, Quantiser]) -> None:
    plain, quantised = made
    eight = quantised.model()
    everything = {node.name for node in _convolutions(plain)}
    assert len(_trunk(plain)) == 3
    assert _in_float(plain) == everything
    assert _in_float(eight) == everything - _trunk(plain)
    crops = np.random.default_rng(1).integers(0, 256, (4, SIDE, SIDE, 3), dtype=np.uint8)
    runs = [ort.InferenceSession(m).run(["logits"], {"crops": crops})[0] for m in (plain, eight)]
    assert np.abs(runs[0] - runs[1]).max() < 0.05 * np.abs(runs[0]).max()
    assert np.abs(runs[0] - runs[1]).max() > 0


def test_layers_are_ranked_and_each_can_be_left_in_float(made: tuple[bytes, Quantiser]) -> None:
    plain, quantised = made
    ranking = quantised.ranking()
    names, attention = _trunk(plain), {node.name for node in _convolutions(plain)} - _trunk(plain)
    assert {layer.node for layer in ranking} == names
    assert [layer.ratio_db for layer in ranking] == sorted(layer.ratio_db for layer in ranking)
    assert all(10 < layer.ratio_db < 80 for layer in ranking)
    for layer in ranking:
        assert _in_float(quantised.model([layer.node])) == {layer.node} | attention
    assert _in_float(quantised.model(names)) == names | attention


def test_what_follows_the_trunk_stays_in_float(made: tuple[bytes, Quantiser]) -> None:
    """Attention's sums and products too: nothing behind the trunk is rounded but its input."""
    graph = onnx.load_from_string(made[1].model()).graph
    last = max(i for i, node in enumerate(graph.node) if node.name in _trunk(made[0]))
    behind = [node.op_type for node in graph.node[last + 1 :]]
    assert behind.count("QuantizeLinear") <= 1
    assert {"Sigmoid", "Mul", "Conv"} <= set(behind)


def test_the_folder_goes_with_the_quantiser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with quantiser(b"", np.zeros((1, SIDE, SIDE, 3), np.uint8)):
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
