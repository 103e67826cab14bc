"""Bundles for tests of a model's change: the demo's, under other versions, signed by the tests' own key."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kardus.contract.commands import ChangeModel
from kardus.inference.bundle import public_key_text
from simulator.demo.play import DEMO_BUNDLE
from tests.edge_agent.making import Members, members_in, of_two_networks, sealed

SIGNER = Ed25519PrivateKey.generate()
TRUST = public_key_text(SIGNER.public_key())
NAME = "kardus-demo"


@dataclass(frozen=True)
class Made:
    """A bundle's bytes and what a command says of it."""

    data: bytes
    version: str

    def write(self, path: Path) -> Path:
        """Write it to a file."""
        path.write_bytes(self.data)
        return path

    def command(self, url: str, **changes: object) -> ChangeModel:
        """The command to go over to it."""
        content: dict[str, object] = {
            "name": NAME,
            "version": self.version,
            "size": len(self.data),
            "sha256": hashlib.sha256(self.data).hexdigest(),
            "url": url,
        }
        return ChangeModel.model_validate(content | changes)


@cache
def demo_members() -> Members:
    """The demo's bundle, taken apart."""
    return members_in(DEMO_BUNDLE)


def made(version: str, *keys: Ed25519PrivateKey, members: Members | None = None, **changes: Any) -> Made:
    """The demo's model under a version; signed by the tests' key, unless others are given."""
    if not (keys or members or changes):
        return _made_plainly(version)
    changes = {"name": NAME, "version": version} | changes
    return Made(sealed(members or demo_members(), *(keys or (SIGNER,)), **changes), version)


@cache
def _made_plainly(version: str) -> Made:
    """What most tests want, packed once."""
    return made(version, SIGNER)


def made_of_two(version: str) -> Made:
    """The demo's model as an earlier version packed it, with a second network."""
    return Made(of_two_networks(demo_members(), SIGNER, name=NAME, version=version), version)


def blind_in_the_light(members: Members) -> Members:
    """A model that passes its golden samples, and gives no numbers for crops that are nearly white."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = (model := onnx.load_from_string(members["model.onnx"])).graph
    logits = graph.output[0].name
    for node in graph.node:
        for index, name in enumerate(node.output):
            if name == logits:
                node.output[index] = "logits_before"
    limit = numpy_helper.from_array(np.array([240.0], np.float32), "light_limit")
    nothing = numpy_helper.from_array(np.array([0.0], np.float32), "light_nothing")
    axes = numpy_helper.from_array(np.array([1, 2, 3], np.int64), "light_axes")
    shape = numpy_helper.from_array(np.array([-1, 1], np.int64), "light_column")
    graph.initializer.extend([limit, nothing, axes, shape])
    graph.node.extend(
        [
            helper.make_node("Cast", ["crops"], ["light_crops_float"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["light_crops_float", "light_axes"], ["light_mean"], keepdims=0),
            helper.make_node("Sub", ["light_limit", "light_mean"], ["light_left"]),
            helper.make_node("Sqrt", ["light_left"], ["light_root"]),  # of less than nothing: NaN
            helper.make_node("Mul", ["light_root", "light_nothing"], ["light_blind"]),
            helper.make_node("Reshape", ["light_blind", "light_column"], ["light_blind_column"]),
            helper.make_node("Add", ["logits_before", "light_blind_column"], [logits]),
        ]
    )
    return {**members, "model.onnx": model.SerializeToString()}
