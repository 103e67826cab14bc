"""The ONNX file is of use without Kardus, and in another runtime."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest

from kardus.inference.bundle import read_bundle
from kardus.inference.classifier import Classifier
from train.data.data_set import read_data
from train.data.photos import load_crops

EXPORT_DOC = Path(__file__).parents[2] / "docs" / "export.md"


def test_the_lines_in_the_docs_name_a_class_without_kardus(bundle_file: Path, photos: Path, tmp_path: Path) -> None:
    lines = re.search(r"```python\n(.*?)```", EXPORT_DOC.read_text(encoding="utf-8"), re.DOTALL)
    assert lines
    assert not re.search(r"kardus\b(?!\.classes)|edge_agent|export\.", lines[1])
    shutil.copy(bundle_file, tmp_path / "cartons.bundle")
    shutil.copy(read_data(photos).samples[0].path, tmp_path / "photo.jpg")
    command = [sys.executable, "-c", lines[1]]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    names = {info.name for info in read_bundle(bundle_file).manifest.classes}
    assert result.stdout.strip() in names


def test_the_model_says_what_it_is(bundle_file: Path) -> None:
    bundle = read_bundle(bundle_file)
    model = onnx.load_from_string(bundle.model)
    onnx.checker.check_model(model, full_check=True)
    told = {prop.key: prop.value for prop in model.metadata_props}
    assert (told["kardus.name"], told["kardus.version"]) == ("small", "1.0.0")
    assert json.loads(told["kardus.classes"]) == [info.name for info in bundle.manifest.classes]
    assert told["kardus.input"].startswith("crops: uint8, N x 48 x 48 x 3, RGB")
    assert told["kardus.resize"] == bundle.manifest.input.resize
    assert float(told["kardus.temperature"]) == pytest.approx(bundle.manifest.calibration.temperature, rel=1e-4)


def test_openvino_gives_the_same_answers(bundle_file: Path, photos: Path, tmp_path: Path) -> None:
    bundle = read_bundle(bundle_file)
    (tmp_path / "model.onnx").write_bytes(bundle.model)
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(tmp_path / "model.onnx"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    crops = load_crops(read_data(photos), 48, "")
    ours, theirs = Classifier(bundle).run(crops), compiled({"crops": crops})
    for name, atol in (("logits", 1e-3), ("embedding", 1e-2), ("evidence", 1e-2)):
        np.testing.assert_allclose(theirs[compiled.output(name)], getattr(ours, name), atol=atol)
    np.testing.assert_array_equal(theirs[compiled.output("logits")].argmax(axis=1), ours.logits.argmax(axis=1))
