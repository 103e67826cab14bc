"""Feeds the uint8 crops directly to the first convolution of an 8-bit network, without normalisation in float.

Normalisation is linear, and so is the convolution after it: the standard deviations are folded into its weights, the
means into its bias. What is left, x - zero, is the crop itself, read as quantised with scale 1 and that zero point, so
that no operation in float is left before the network. (On bytes of three channels onnxruntime's Sub and Div take as
long as a tenth of an 8-bit ResNet-18, more where the processor has instructions for 8 bits.)

The zero point is the mean of the channels' means. The convolution's padding is then that in every channel, in place of
each channel's mean: with ImageNet's statistics a difference of 11 levels at most. Accuracy is evaluated on the model
with this padding.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from kardus.inference.graph_forms import INPUT

CHAIN = ("Transpose", "Cast", "Sub", "Div", "Conv")
"""The operators after the input, each the only reader of the one before."""


@dataclass(frozen=True)
class FoldedGraph:
    """A graph whose normalisation is folded into its first convolution."""

    model: onnx.ModelProto
    shifted: str | None
    """The name of the tensor x - zero; None: the graph begins with other operators, and is unchanged."""
    zero: int = 0
    """The pixel value that stands for 0, in 0..255."""

    @property
    def ranges(self) -> dict[str, list[dict[str, object]]]:
        """The 8-bit range of that tensor, as `quantize_static` takes it (TensorQuantOverrides)."""
        exact = {"scale": np.array(1, np.float32), "zero_point": np.array(self.zero, np.uint8)}
        return {self.shifted: [exact]} if self.shifted else {}


def fold_normalisation(model: onnx.ModelProto) -> FoldedGraph:
    """Fold (x - mean) / std into the convolution that follows it; changes the model in place."""
    graph = model.graph
    chain = _chain(graph)
    if chain is None:
        return FoldedGraph(model, None)
    _, _, sub, div, conv = chain
    mean, std = (_constant(graph, node.input[1]) for node in (sub, div))
    weights = _constant(graph, conv.input[1])
    has_bias = len(conv.input) > 2  # noqa: PLR2004 - weights, then bias
    bias = _constant(graph, conv.input[2]) if has_bias else np.zeros(1)
    if mean is None or std is None or weights is None or bias is None:
        return FoldedGraph(model, None)
    if mean.size != std.size or std.size != weights.shape[1]:
        return FoldedGraph(model, None)
    zero = int(np.clip(round(float(mean.mean())), 0, 255))
    scaled = weights / std.reshape(1, -1, 1, 1)
    moved = -(scaled * (mean.reshape(1, -1, 1, 1) - zero)).sum(axis=(1, 2, 3))
    names = [f"{conv.name}.{part}_of_bytes" for part in ("weight", "bias")]
    values = (scaled, moved + bias)
    graph.initializer.extend(
        numpy_helper.from_array(value.astype(np.float32), name) for value, name in zip(values, names, strict=True)
    )
    zero_name = f"{sub.name}.zero"
    graph.initializer.append(numpy_helper.from_array(np.full((1, 1, 1, 1), zero, np.float32), zero_name))
    conv.input[:] = [sub.output[0], *names]
    sub.input[1] = zero_name
    graph.node.remove(div)
    _drop_unread(graph)
    return FoldedGraph(model, sub.output[0], zero)


def take_bytes(model: onnx.ModelProto, shifted: str | None) -> None:
    """Connect the uint8 crops to what reads x - zero in 8 bits. A first layer in float stays as it is."""
    graph = model.graph
    readers = [node for node in graph.node if shifted in node.input]
    if len(readers) != 1 or readers[0].op_type != "QuantizeLinear":
        return
    made = {name: node for node in graph.node for name in node.output}
    sub = made[readers[0].input[0]]
    cast = made[sub.input[0]]
    for node in graph.node:
        node.input[:] = [cast.input[0] if name == readers[0].output[0] else name for name in node.input]
    for node in (readers[0], sub, cast):
        graph.node.remove(node)
    _drop_unread(graph)


def _chain(graph: onnx.GraphProto) -> list[onnx.NodeProto] | None:
    chain: list[onnx.NodeProto] = []
    tensor = INPUT
    for kind in CHAIN:
        may_measure = tensor == INPUT  # the batch size is read from the crops
        readers = [n for n in graph.node if tensor in n.input and not (may_measure and n.op_type == "Shape")]
        if len(readers) != 1 or readers[0].op_type != kind or readers[0].input[0] != tensor:
            return None
        chain.append(readers[0])
        tensor = readers[0].output[0]
    return chain


def _drop_unread(graph: onnx.GraphProto) -> None:
    """Remove the constants that no node reads any more: onnxruntime warns of each."""
    read = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in read]:
        graph.initializer.remove(tensor)


def _constant(graph: onnx.GraphProto, name: str) -> NDArray[np.float64] | None:
    found = next((tensor for tensor in graph.initializer if tensor.name == name), None)
    return None if found is None else numpy_helper.to_array(found).astype(np.float64)
