"""OpenVINO: model.onnx -> model.xml and model.bin."""

import json
import sys
from pathlib import Path

import numpy as np
import openvino


def main(folder: Path) -> None:
    """Convert, and run the converted file on the crops, in f32."""
    core, converted = openvino.Core(), folder / "converted"
    converted.mkdir()
    openvino.save_model(core.read_model(folder / "model.onnx"), converted / "model.xml", compress_to_fp16=False)
    compiled = core.compile_model(converted / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    answers = [compiled({"crops": crop}) for crop in np.load(folder / "crops.npy")]
    named = {name: np.concatenate([answer[name] for answer in answers]) for name in ("logits", "embedding")}
    np.savez(folder / "answers.npz", logits=named["logits"], embedding=named["embedding"])
    (folder / "versions.json").write_text(json.dumps({"openvino": openvino.__version__}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
