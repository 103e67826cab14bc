"""What the ONNX file says of itself, for those who run it without Kardus."""

import json

import onnx
from onnx import helper

from kardus.contract.manifest import Manifest


def with_metadata(model: bytes, manifest: Manifest) -> bytes:
    """The same model with its name, version, classes and preprocessing in its metadata (all begin with `kardus.`)."""
    proto = onnx.load_from_string(model)
    side = manifest.input.size
    helper.set_model_props(
        proto,
        {
            "kardus.name": manifest.name,
            "kardus.version": manifest.version,
            "kardus.classes": json.dumps([info.name for info in manifest.classes], ensure_ascii=False),
            "kardus.input": f"crops: uint8, N x {side} x {side} x 3, RGB; scaling and normalisation are in the graph",
            "kardus.resize": manifest.input.resize,
            "kardus.temperature": f"{manifest.calibration.temperature:.6g}",
        },
    )
    return bytes(proto.SerializeToString(deterministic=True))
