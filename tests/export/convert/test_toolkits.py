"""Every toolkit for real: installed from the index into an environment of its own, and the whole command run.

They take gigabytes each, and minutes: the environment of one is deleted before the next is made. The reports with the
figures of docs/hardware.md stay in pytest's folder (`--basetemp`).
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from export.__main__ import main
from export.build import build
from export.convert.targets import TARGETS
from tests.conftest import BIN
from tests.faults.sniffing import run_all, watched
from tests.in_process import call
from train.config import make_config
from train.fitting.fit import fit
from train.recipe import read_recipe

INSTALL_S = 3000
FILES = {
    "openvino": {"model.xml", "model.bin"},
    "ncnn": {"model.param", "model.bin"},
    "litert": {"model.tflite"},
    "rknn": {"model.rknn"},
}
LARGEST = {"openvino": 1e-3, "ncnn": 1e-3, "litert": 1e-3, "rknn": 0.05}
"""Of a logit: FP32 as on any other runtime, and f16 (docs/hardware.md)."""
Toolkit = tuple[str, Path]
NETWORKS = {
    "default": make_config(
        **read_recipe("kardus") | {"size": 96, "first_size": 0, "epochs": 10, "seed": 1, "refit": 0}
    ),
    "attention": make_config(arch="resnet18", rmcsam=True, size=64, epochs=12, lr=4e-3, batch=16, seed=1, refit=0),
}
"""What is really deployed, beside the tests' small network: trained shortly, so that its answers aren't all alike."""


@pytest.fixture(scope="module")
def portable_files(portable_file: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Portable bundles by the names of their networks."""
    made, folder = {"small": portable_file}, tmp_path_factory.mktemp("networks")
    for name, config in NETWORKS.items():
        fit(photos, folder / name, config)
        made[name] = folder / f"{name}.bundle"
        build(folder / name, made[name], form="portable")
    return made


@pytest.fixture(scope="module")
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toolkit]:
    """A target, and the Python of an environment beside the user's that has its toolkit, made as the remedy says."""
    name, folder = str(request.param), tmp_path_factory.mktemp("toolkit") / "ENV"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    packages = TARGETS[name].package.split()  # as a shell takes the remedy
    command = [str(folder / "bin" / "pip"), "install", "-q", "--disable-pip-version-check", *packages]
    subprocess.run(command, check=True, timeout=INSTALL_S)
    yield name, folder / "bin" / "python"
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.timeout(2 * INSTALL_S)
@pytest.mark.parametrize("target", FILES, indirect=True)
def test_the_whole_command_converts_and_reports(
    target: Toolkit, portable_files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to, python = target
    for name, bundle in portable_files.items():
        words = ("--to", to, "--out", tmp_path / name, "--python", python, "--json")
        done = call(capsys, main, "convert", bundle, *words)
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert (report["target"], report["crops"], report["same_class"]) == (to, 15, 15)
        assert report["max_logit_difference"] < LARGEST[to]
        assert {path.name for path in (tmp_path / name).iterdir()} == FILES[to] | {"report.json"}
        assert json.loads((tmp_path / name / "report.json").read_text(encoding="utf-8")) == report
    assert {path.name for path in tmp_path.iterdir()} == set(portable_files)


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.timeout(2 * INSTALL_S)
@pytest.mark.parametrize("target", FILES, indirect=True)
def test_no_toolkit_asks_for_a_name_or_leaves_a_file_in_the_home(
    target: Toolkit, portable_file: Path, tmp_path: Path
) -> None:
    to, python = target
    (tmp_path / "home").mkdir()
    words = ("convert", portable_file, "--to", to, "--out", "converted", "--python", python)
    with watched() as (cable, sniffer):
        line = [str(BIN / "kardus-export"), *map(str, words)]
        run_all([line], cable, tmp_path / "home", limit_s=INSTALL_S)
        assert sniffer.strange == []
    assert (tmp_path / "converted" / "report.json").exists()
