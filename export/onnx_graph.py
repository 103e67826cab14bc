"""The ONNX graph: uint8 crops in, normalised inside; logits, embedding and evidence out; and its metadata."""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Sequence
from typing import Any

import onnx
import torch
from onnx import helper
from torch import Tensor, nn

from kardus.contract.manifest import Manifest
from kardus.inference.graph_forms import INPUT, OUTPUTS
from kardus.support.signals import deferred_signals
from train.networks.carton import CartonNet

OPSET = 18


class _Deployed(nn.Module):
    """The network as the agent calls it: (N, S, S, 3) uint8 RGB."""

    def __init__(self, network: CartonNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        outputs = self.network.explain(crops.permute(0, 3, 1, 2).float())
        return outputs.logits, outputs.embedding, outputs.evidence


def to_onnx(network: CartonNet, size_px: int) -> bytes:
    """Export with a dynamic batch size, as one file, without traces of the building machine."""
    example = torch.zeros(2, size_px, size_px, 3, dtype=torch.uint8)  # 2: a batch of 1 would be taken as fixed
    batch = {INPUT: {0: torch.export.Dim("batch", min=1, max=4096)}}
    return exported(_Deployed(network), example, OUTPUTS, batch)


def exported(network: nn.Module, example: Tensor, outputs: Sequence[str], sizes: dict[str, Any] | None) -> bytes:
    """An ONNX file of a network whose only input is like `example`; `sizes`: which of its sizes may vary."""
    with _quiet(), deferred_signals():  # torch's tracer is such a library
        program: Any = torch.onnx.export(
            network.eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(outputs),
            dynamic_shapes=sizes,
            verbose=False,
        )
    model = program.model_proto
    strip(model)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def strip(model: onnx.ModelProto) -> None:
    """Remove what exporters record of their machine and run: stack traces, paths, module names."""
    del model.metadata_props[:]
    model.producer_version = ""
    for part in (model.graph, *model.functions):
        part.doc_string = ""
        del part.metadata_props[:]
        for node in part.node:
            node.doc_string = ""
            del node.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.initializer, *model.graph.input, *model.graph.output):
        value.doc_string = ""
        del value.metadata_props[:]


def with_metadata(model: bytes, manifest: Manifest) -> bytes:
    """The same model with its name, version, classes and preprocessing in its metadata (all begin with `kardus.`)."""
    proto = onnx.load_from_string(model)
    side = manifest.input.size
    whole = f"uint8, N x {side} x {side} x 3"
    layout = whole if manifest.form == "complete" else f"float on 0..255, 1 x 3 x {side} x {side}"
    helper.set_model_props(
        proto,
        {
            "kardus.name": manifest.name,
            "kardus.version": manifest.version,
            "kardus.classes": json.dumps([info.name for info in manifest.classes], ensure_ascii=False),
            "kardus.input": f"crops: {layout}, RGB; scaling and normalisation are in the graph",
            "kardus.resize": manifest.input.resize,
            "kardus.temperature": f"{manifest.calibration.temperature:.6g}",
        },
    )
    return bytes(proto.SerializeToString(deterministic=True))


@contextlib.contextmanager
def _quiet() -> Any:
    """The exporter reports its progress in prints and warnings that a user can do nothing about."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
