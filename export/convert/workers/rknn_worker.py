"""Rockchip's NPUs: model.onnx -> model.rknn, by rknn-toolkit2; run on its simulator of the chip."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rknn.api import RKNN


def main(folder: Path, chip: str) -> None:
    """Convert for one chip (`rk3588` ...) in f16, and run it on the toolkit's simulator."""
    crops, converted = np.load(folder / "crops.npy"), folder / "converted"
    rknn = RKNN(verbose=False)
    try:
        _require(rknn.config(target_platform=chip), "the configuration")
        _require(rknn.load_onnx(str(folder / "model.onnx")), "the model")
        _require(rknn.build(do_quantization=False), "the build")
        converted.mkdir()
        _require(rknn.export_rknn(str(converted / "model.rknn")), "the file")
        _require(rknn.init_runtime(), "the simulator")
        rows = [rknn.inference(inputs=[crop], data_format=["nchw"]) for crop in crops]
    finally:
        rknn.release()
    named = {name: np.concatenate([row[i].reshape(1, -1) for row in rows]) for i, name in enumerate(_OUTPUTS)}
    np.savez(folder / "answers.npz", logits=named["logits"], embedding=named["embedding"])
    (folder / "versions.json").write_text(json.dumps({"rknn-toolkit2": version("rknn-toolkit2"), "chip": chip}))


def _require(code: int, what: str) -> None:
    if code != 0:
        sys.exit(f"rknn-toolkit2 refuses {what} (code {code})")


_OUTPUTS = ("logits", "embedding")

if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
