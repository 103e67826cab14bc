"""8-bit static quantisation of an ONNX model: QDQ, weights per channel, activation ranges calibrated on real crops.

Weights have 7 bits (`reduce_range`), -64..64. On x86 without VNNI two products of an activation and a weight are added
in 16 bits, which 8 and 8 bits overflow: such a processor would answer otherwise than the one that the accuracy was
evaluated on (onnxruntime's documentation, "Quantization": U8S8 and saturation). With 7 bits all compute the same.

What follows the backbone's last convolution (attention, pooling, head, embedding, evidence) stays in float: that costs
hardly any time, and predictions, scores and thresholds depend on it directly. The activation that follows it directly
is a part of it: ReLU and ReLU6 are its range, and cost nothing. Convolutions of a single filter, whose output is a
spatial attention map, aren't the backbone's: the maps that they scale recursively have no range that 8 bits resolve
well.
"""

import contextlib
import logging
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.qdq_loss_debug import (
    collect_activations,
    compute_activation_error,
    compute_weight_error,
    create_activation_matching,
    create_weight_matching,
    modify_model_output_intermediate_tensors,
)

from export.onnx_graph import strip
from export.precision_search import LayerNoise
from export.uint8_input import fold_normalisation, take_bytes
from kardus.inference.graph_forms import INPUT
from kardus.inference.preprocess import Pixels

CALIBRATION_BATCH = 8
_RANGES = ("Relu", "Clip")
"""Activations that onnxruntime's quantiser turns into the range of what they follow."""
RANKING_CROPS = 8
"""Every tensor of both models is kept in memory for so many crops: about 100 MB each for a ResNet-50."""


class Quantiser:
    """Makes 8-bit versions of one model, with activation ranges that are calibrated once."""

    def __init__(self, model: bytes, crops: Pixels, folder: Path) -> None:
        """Take the float model and the crops (N, S, S, 3) uint8 to calibrate ranges on; works in `folder`."""
        self._plain = folder / "float.onnx"
        self._folded = fold_normalisation(onnx.load_from_string(model))
        graph = self._folded.model.graph
        self._plain.write_bytes(self._folded.model.SerializeToString(deterministic=True))
        self._nodes = list(graph.node)
        self._crops = crops
        self._folder = folder
        self._kept = _kept_in_float(
            self._nodes, {weight.name: weight.dims[0] for weight in graph.initializer if weight.dims}
        )

    def model(self, in_float: Collection[str] = ()) -> bytes:
        """The 8-bit model with the named nodes left in float."""
        target = self._folder / "int8.onnx"
        with _quiet():
            quantize_static(
                self._plain,  # a model in memory would be changed in place
                target,
                _Crops(self._crops),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=[*self._kept, *in_float],
                calibrate_method=CalibrationMethod.MinMax,
                calibration_cache_path=self._folder / "ranges.json",
                extra_options={"TensorQuantOverrides": self._folded.ranges},
            )
        model = onnx.load(target)
        take_bytes(model, self._folded.shifted)
        strip(model)
        del model.graph.value_info[:]
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))

    def ranking(self) -> list[LayerNoise]:
        """The layers with weights, the noisiest first, from one pass of a few crops through both models."""
        plain, eight = self._plain, self._folder / "int8.onnx"
        eight.write_bytes(self.model())
        with _quiet():
            seen = [self._activations(path) for path in (eight, plain)]
            tensors = compute_activation_error(create_activation_matching(*seen))
            weights = compute_weight_error(create_weight_matching(str(plain), str(eight)))
        found = []
        for node in self._nodes:
            own = [weights[name] for name in node.input if name in weights]
            own += [tensors[name]["qdq_err"] for name in node.output if name in tensors]
            if own and node.name not in self._kept and any(name in weights for name in node.input):
                found.append(LayerNoise(node.name, float(min(own))))
        return sorted(found, key=lambda layer: layer.ratio_db)

    def _activations(self, path: Path) -> dict[str, Any]:
        opened = path.with_suffix(".all.onnx")
        modify_model_output_intermediate_tensors(path, opened)
        seen: dict[str, Any] = collect_activations(str(opened), _Crops(self._crops[:RANKING_CROPS]))
        return seen


@contextlib.contextmanager
def quantiser(model: bytes, crops: Pixels) -> Iterator[Quantiser]:
    """A quantiser with a temporary folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        yield Quantiser(model, crops, Path(folder))


class _Crops(CalibrationDataReader):  # type: ignore[misc]
    """Hands onnxruntime the crops in batches."""

    def __init__(self, crops: Pixels) -> None:
        self._batches = iter(np.array_split(crops, max(1, len(crops) // CALIBRATION_BATCH)))

    def get_next(self) -> dict[str, Pixels] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def _kept_in_float(nodes: Sequence[onnx.NodeProto], filters: Mapping[str, int]) -> list[str]:
    """Names of the nodes that no convolution of the backbone depends on, and of batch normalisations left unfolded.

    Args:
        nodes: the graph's, in order.
        filters: the number of each convolution's filters, by the name of its weights.
    """
    needed: set[str] = set()
    convolved = {node.output[0] for node in nodes if _is_backbones(node, filters)}
    kept = [node.name for node in nodes if node.op_type == "BatchNormalization"]
    for node in reversed(nodes):
        if needed & set(node.output) or _is_backbones(node, filters):
            needed.update(node.input)
        elif node.op_type not in _RANGES or node.input[0] not in convolved:
            kept.append(node.name)
    return kept


def _is_backbones(node: onnx.NodeProto, filters: Mapping[str, int]) -> bool:
    return node.op_type == "Conv" and filters.get(node.input[1], 0) > 1


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence onnxruntime's advice that is followed already (shapes are known, normalisation is folded)."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.setLevel(before)
