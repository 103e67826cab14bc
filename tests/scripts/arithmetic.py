"""How far a bundle's golden logits move under a coarser arithmetic: `python -m tests.scripts.arithmetic BUNDLE ...`.

TF32, bfloat16 and half precision are emulated on any processor, as matrix units compute: the two factors of every
convolution and matrix product are rounded, sums are kept in f32. Rounding to so many bits is Veltkamp's splitting
(c = x * (2^s + 1); c - (c - x)), three operators in the graph itself, before each product, with optimisations off.

Bundles of FP16 and INT8 are run node by node, with onnxruntime's optimisations off, and each bundle by OpenVINO in f32.
"""

import os
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from kardus.inference.bundle import Bundle, read_bundle
from kardus.inference.classifier import golden_crops, run_graph

DROPPED_BITS = {"f32": 0, "tf32": 13, "f16": 13, "bf16": 16}
"""Of f32's 24. f16 has TF32's digits and a smaller range, which isn't emulated."""
PRODUCTS = ("Conv", "Gemm", "MatMul")
SILENT = {"CI": "true"}
"""openvino would tell its maker's servers of its import."""


def rounded(model: bytes, bits: int) -> bytes:
    """The model with both factors of every product rounded by so many bits."""
    proto = onnx.load_from_string(model)
    graph, nodes = proto.graph, []
    graph.initializer.append(numpy_helper.from_array(np.array(2**bits + 1, np.float32), "splitter"))
    for number, node in enumerate(graph.node):
        if node.op_type in PRODUCTS:
            for place in (0, 1):
                name = f"rounded_{number}_{place}"
                source = node.input[place]
                nodes += [
                    helper.make_node("Mul", [source, "splitter"], [f"{name}_c"]),
                    helper.make_node("Sub", [f"{name}_c", source], [f"{name}_d"]),
                    helper.make_node("Sub", [f"{name}_c", f"{name}_d"], [name]),
                ]
                node.input[place] = name
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    return bytes(proto.SerializeToString())


def difference(bundle: Bundle, bits: int) -> float:
    """The largest difference of a golden logit under that rounding."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    model = rounded(bundle.model, bits) if bits else bundle.model
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    logits, _, _ = run_graph(session, bundle.manifest.form, golden_crops(bundle))
    return _from_golden(bundle, logits)


def difference_by_openvino(bundle: Bundle) -> float:
    """The same by another runtime, on this processor."""
    os.environ.update(SILENT)
    import openvino  # the variable comes first

    core = openvino.Core()
    model = core.read_model(bundle.model, b"")
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    logits = [compiled([crop[None]])[compiled.output(0)] for crop in golden_crops(bundle)]
    return _from_golden(bundle, np.concatenate(logits))


def _from_golden(bundle: Bundle, logits: NDArray[np.float32]) -> float:
    return float(np.abs(logits - np.array([sample.logits for sample in bundle.golden], np.float32)).max())


def main() -> None:
    """Print a line for each bundle and arithmetic."""
    for path in sys.argv[1:]:
        bundle = read_bundle(Path(path))
        dropped = DROPPED_BITS if bundle.manifest.precision == "fp32" else {"f32": 0}
        found = {name: difference(bundle, bits) for name, bits in dropped.items()}
        found["by OpenVINO"] = difference_by_openvino(bundle)
        said = ", ".join(f"{name} {value:.1e}" for name, value in found.items())
        print(f"{path} ({bundle.manifest.precision}, {len(bundle.golden)} golden crops): {said}")


if __name__ == "__main__":
    main()
