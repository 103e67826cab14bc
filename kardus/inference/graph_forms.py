"""The two forms of a bundle's graph: what each is given, and what it answers.

`complete`: uint8 NHWC in batches; logits, embedding and evidence. `portable`: float NCHW on 0..255, one crop at a time;
logits and embedding. What a crop is, and what an answer means, is the same.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kardus.contract.manifest import GraphForm
from kardus.inference.preprocess import Pixels

Float32Array = NDArray[np.float32]
INPUT = "crops"
OUTPUTS = ("logits", "embedding", "evidence")
PORTABLE_OUTPUTS = ("logits", "embedding")
OUTPUTS_OF: Mapping[GraphForm, tuple[str, ...]] = MappingProxyType({"complete": OUTPUTS, "portable": PORTABLE_OUTPUTS})


class Session(Protocol):
    """What runs a graph: an onnxruntime session."""

    def run(self, outputs: Sequence[str], inputs: Mapping[str, Any]) -> list[Any]:
        """The named outputs."""


def as_nchw(crops: Pixels) -> Float32Array:
    """Crops (N, S, S, 3) uint8 RGB as N inputs of the portable form: (N, 1, 3, S, S) float32 on 0..255."""
    return np.ascontiguousarray(crops.transpose(0, 3, 1, 2)[:, None], dtype=np.float32)


def input_of(form: GraphForm, size_px: int) -> tuple[str, list[int]]:
    """Onnxruntime's type of the graph's input, and its shape without the batch."""
    if form == "complete":
        return "tensor(uint8)", [size_px, size_px, 3]
    return "tensor(float)", [3, size_px, size_px]
