"""LiteRT (TensorFlow Lite): model.onnx -> model.tflite, by onnx2tf. The converted model takes NHWC."""

import json
import os
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx2tf
from ai_edge_litert.interpreter import Interpreter

TEST_PICTURES = "calibration_image_sample_data_20x128x128x3_float32.npy"
"""onnx2tf runs every model of pictures on these once, and fetches them from the network unless they lie here."""


def main(folder: Path) -> None:
    """Convert, and run the converted file on the crops."""
    crops, converted = np.load(folder / "crops.npy"), folder / "converted"
    os.chdir(folder)
    np.save(TEST_PICTURES, np.full((20, 128, 128, 3), 0.5, np.float32))
    onnx2tf.convert(
        input_onnx_file_path=str(folder / "model.onnx"),
        output_folder_path=str(folder / "made"),
        copy_onnx_input_output_names_to_tflite=True,
        non_verbose=True,
    )
    converted.mkdir()
    shutil.move(folder / "made" / "model_float32.tflite", converted / "model.tflite")
    interpreter = Interpreter(str(converted / "model.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    (taken,) = interpreter.get_input_details()
    given = {detail["shape"][-1]: detail["index"] for detail in interpreter.get_output_details()}
    widths = json.loads((folder / "widths.json").read_text())
    found: dict[str, list[np.ndarray]] = {name: [] for name in widths}
    for crop in crops:
        interpreter.set_tensor(taken["index"], np.ascontiguousarray(crop.transpose(0, 2, 3, 1)))
        interpreter.invoke()
        for name, width in widths.items():
            found[name].append(interpreter.get_tensor(given[width]))
    named = {name: np.concatenate(rows) for name, rows in found.items()}
    np.savez(folder / "answers.npz", logits=named["logits"], embedding=named["embedding"])
    (folder / "versions.json").write_text(json.dumps({name: version(name) for name in ("onnx2tf", "ai-edge-litert")}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
