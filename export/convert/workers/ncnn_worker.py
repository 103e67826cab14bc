"""ncnn: model.onnx -> model.param and model.bin, by pnnx."""

import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import ncnn
import numpy as np


def main(folder: Path) -> None:
    """Convert, and run the converted files on the crops, in f32."""
    crops, converted = np.load(folder / "crops.npy"), folder / "converted"
    shape = ",".join(str(size) for size in crops.shape[1:])
    # beside its Python, not whatever the user's path has
    program = Path(sys.executable).parent / "pnnx"
    command = [str(program), "model.onnx", f"inputshape=[{shape}]", "fp16=0"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - its own
    if done.returncode or not (folder / "model.ncnn.param").exists():
        sys.exit(f"pnnx: {(done.stderr or done.stdout).strip()}")
    converted.mkdir()
    for suffix in ("param", "bin"):
        shutil.move(folder / f"model.ncnn.{suffix}", converted / f"model.{suffix}")
    answers = _answers(converted, crops)
    np.savez(folder / "answers.npz", logits=answers["logits"], embedding=answers["embedding"])
    (folder / "versions.json").write_text(json.dumps({name: version(name) for name in ("pnnx", "ncnn")}))


def _answers(converted: Path, crops: np.ndarray) -> dict[str, np.ndarray]:
    net = ncnn.Net()
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = False
    net.opt.num_threads = 1
    if net.load_param(str(converted / "model.param")) or net.load_model(str(converted / "model.bin")):
        sys.exit("ncnn can't load what pnnx made")
    found: dict[str, list[np.ndarray]] = {"logits": [], "embedding": []}
    for crop in crops:
        with net.create_extractor() as extractor:
            extractor.input("in0", ncnn.Mat(np.ascontiguousarray(crop[0])).clone())
            for name, blob in (("logits", "out0"), ("embedding", "out1")):
                found[name].append(np.array(extractor.extract(blob)[1]).reshape(1, -1))
    return {name: np.concatenate(rows) for name, rows in found.items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
