"""A bundle whose model is written by hand: it knows colours, and its embedding is a crop's mean colour."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from export.bundle_writer import members_of, png, write_bundle
from kardus.contract.manifest import (
    Calibration,
    ClassInfo,
    GoldenSample,
    InputSpec,
    Manifest,
    Parity,
    Training,
)

SIDE = 16
SCALE = 500.0
"""Logits differ by a difference of squared distances over this: the model is exactly what enrolment takes it for."""
COLOURS: dict[str, tuple[int, int, int]] = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 210)}


def photo(path: Path, colour: tuple[int, int, int], seed: int = 0) -> Path:
    """A noisy photo of one colour, larger than the model's crops."""
    rng = np.random.default_rng(seed)
    shade = np.array(colour) + rng.normal(0, 6, 3)
    noise = rng.normal(0, 10, (40, 40, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(shade + noise, 0, 255).astype(np.uint8)).save(path)
    return path


def colour_bundle(path: Path, keys: Sequence[Ed25519PrivateKey] = (), **changes: object) -> Path:
    """Write the bundle; `changes` are to its manifest."""
    prototypes = np.array(list(COLOURS.values()), np.float32)
    model = _model(prototypes)
    crops = [np.full((SIDE, SIDE, 3), colour, np.uint8) for colour in COLOURS.values()]
    golden = [
        GoldenSample(file=f"golden/{n}.png", label=name, top1=name, logits=tuple(_logits(prototypes, prototypes[n])))
        for n, name in enumerate(COLOURS)
    ]
    members = members_of(model, golden, [png(crop) for crop in crops])
    manifest = Manifest(
        members={},
        name="colours",
        version="1.2.3",
        created="2026-01-01T00:00:00+00:00",
        precision="fp32",
        opset=18,
        input=InputSpec(size=SIDE),
        classes=tuple(ClassInfo(name=name, category="paint", sku=f"sku-{name}") for name in COLOURS),
        calibration=Calibration(rejection_score="distance", rejection_threshold=-2500.0),
        prototypes=tuple(tuple(float(x) for x in row) for row in prototypes),
        parity=Parity(n=1, max_logit_difference=0, mean_logit_difference=0, min_embedding_cosine=1, top1_agreement=1),
        golden_tolerance=0.05,
        training=Training(architecture="by hand", parameters=0, config={}, data_sha256="0", photos=3, versions={}),
    )
    write_bundle(path, manifest.model_copy(update=changes), members, keys)
    return path


def _logits(prototypes: np.ndarray, colour: np.ndarray) -> list[float]:
    return [float(x) for x in (2 * prototypes @ colour - (prototypes**2).sum(axis=1)) / SCALE]


def _model(prototypes: np.ndarray) -> bytes:
    """Mean colour; the logits of a linear discriminant; an evidence map that says nothing."""
    constants = {
        "weights": (2 * prototypes.T / SCALE).astype(np.float32),
        "bias": (-(prototypes**2).sum(axis=1) / SCALE).astype(np.float32),
        "places": np.array([1, 2], np.int64),
        "colours": np.array([3], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["crops"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "places"], ["embedding"], keepdims=0),
        helper.make_node("Gemm", ["embedding", "weights", "bias"], ["logits"]),
        helper.make_node("ReduceMean", ["pixels", "colours"], ["evidence"], keepdims=0),
    ]
    outputs: dict[str, list[str | int | None]] = {
        "logits": ["n", len(prototypes)],
        "embedding": ["n", 3],
        "evidence": ["n", SIDE, SIDE],
    }
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["n", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())
