"""The portable form of the graph: what the converters of NPUs and small runtimes take.

One crop at a time, float NCHW, logits and embedding, no evidence. Lengths of vectors are written as multiplications and
square roots: rknn-toolkit2, pnnx and onnx2tf stumble over the norm operators, over a batch without a fixed size, and
over gathering the weights of the likeliest class (docs/hardware.md). The opset is the last in which the axes of a
maximum or mean are attributes: pnnx passes over a maximum whose axes come as an input, and ncnn can't load that.
"""

import onnx
import torch
from onnx import version_converter
from torch import Tensor, nn

from export.onnx_graph import exported
from kardus.inference.graph_forms import PORTABLE_OUTPUTS
from train.networks.carton import CartonNet

PORTABLE_OPSET = 17


class _Portable(nn.Module):
    """The network for one crop: (1, 3, S, S) float RGB on the 0..255 scale -> logits (1, classes), embedding (1, d)."""

    def __init__(self, network: CartonNet) -> None:
        super().__init__()
        self.network = network
        channels, _ = network.space.directions.shape
        self.register_buffer("all_channels", torch.ones(channels, 1))
        self.register_buffer("back", network.space.directions.T.contiguous())
        self.all_channels: Tensor
        self.back: Tensor

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        pooled, described = self.network.pooled_and_described(crops)
        space = self.network.space
        centred = described * (1 / self._length(described)) - space.center[None]
        along = centred @ space.directions
        beside = self._length(centred - along @ self.back) * space.off
        return self.network.head(pooled), torch.cat([along @ space.mixing, beside], dim=1)

    def _length(self, rows: Tensor) -> Tensor:
        """(1, channels) -> (1, 1): the Euclidean norm, in operators that every converter knows."""
        return torch.sqrt((rows * rows) @ self.all_channels + 1e-24)


def to_portable(network: CartonNet, size_px: int) -> bytes:
    """Export in the portable form, as one file, without traces of the building machine."""
    example = torch.zeros(1, 3, size_px, size_px)
    return _with_axes_as_attributes(exported(_Portable(network), example, PORTABLE_OUTPUTS, None))


def _with_axes_as_attributes(model: bytes) -> bytes:
    converted = version_converter.convert_version(onnx.load_from_string(model), PORTABLE_OPSET)
    for node in converted.graph.node:
        if node.op_type != "ReduceSum":  # the converter leaves what a mean or maximum of this opset doesn't have
            kept = [given for given in node.attribute if given.name != "noop_with_empty_axes"]
            del node.attribute[:]
            node.attribute.extend(kept)
    onnx.checker.check_model(converted, full_check=True)
    return bytes(converted.SerializeToString(deterministic=True))
