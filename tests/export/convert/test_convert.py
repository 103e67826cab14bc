"""A portable bundle becomes another runtime's files, with a report of how closely they answer."""

import contextlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import openvino
import pytest

from export.__main__ import main
from export.convert.convert import convert
from export.convert.targets import TARGETS
from export.enroll import Release, retire
from kardus.inference.bundle import read_bundle
from kardus.inference.classifier import Classifier, golden_crops
from kardus.inference.graph_forms import as_nchw
from kardus.support.errors import BundleError, UsageError
from tests.in_process import call
from tests.patience import within

STRANGE = Path("/bin/echo")
"""An interpreter that answers every import, and converts nothing."""


def test_openvino_s_files_answer_as_the_bundle_does(
    portable_file: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, home = read_bundle(portable_file), tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("CI", raising=False)  # as a user's shell has it
    report = convert(bundle, "openvino", tmp_path / "ov")
    assert not [path for path in home.rglob("*") if path.is_file()], "it keeps an id there once it has sent something"
    assert (report.crops, report.same_class) == (15, 15)
    assert report.max_logit_difference < 1e-3
    assert set(report.files) == {"model.xml", "model.bin"}
    assert json.loads((tmp_path / "ov" / "report.json").read_text())["classes"] == report.classes
    compiled = openvino.Core().compile_model(tmp_path / "ov" / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    crops = golden_crops(bundle)[:2]
    logits = np.concatenate([compiled({"crops": crop})["logits"] for crop in as_nchw(crops)])
    np.testing.assert_allclose(logits, Classifier(bundle, threads=1).run(crops).logits, atol=1e-3)
    assert [path.name for path in tmp_path.iterdir()] == ["ov"]


def test_of_a_changed_bundle_the_graph_s_own_classes_are_named(
    portable_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ENV").symlink_to(sys.prefix)
    bundle = read_bundle(portable_file)
    gone = bundle.manifest.classes[0].name
    retire(bundle, [gone], Release(tmp_path / "fewer.bundle", "1.1.0", []))
    report = convert(read_bundle(tmp_path / "fewer.bundle"), "openvino", tmp_path / "ov", python="ENV/bin/python")
    assert report.classes[0] == gone
    assert report.same_class == report.crops == 14


def test_a_toolkit_that_is_not_there_is_named_with_where_it_is_to_be_had(portable_file: Path, tmp_path: Path) -> None:
    bundle = read_bundle(portable_file)
    for target in sorted(set(TARGETS) - {"openvino"}):
        with pytest.raises(UsageError, match=rf"--to {target}: no toolkit in .* \(Mod.*: No module.*\): .*pip install"):
            convert(bundle, target, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_toolkit_that_gives_nothing_leaves_nothing(portable_file: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="ncnn's toolkit can't convert it: "):
        convert(read_bundle(portable_file), "ncnn", tmp_path / "out", python=str(STRANGE))
    assert not list(tmp_path.iterdir())


KEEPING = """#!/bin/sh
for folder in "$HOME" "$KERAS_HOME" "$XDG_CACHE_HOME" "$XDG_CONFIG_HOME"; do touch "$folder/kept" || exit 1; done
[ "$2" = -c ] || { echo "kept in $HOME" >&2; exit 1; }
"""
"""A Python whose toolkit keeps what it likes where a user's programs do, as it is looked for and as it converts."""


def test_what_a_toolkit_keeps_for_its_user_goes_with_the_conversion(
    portable_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    for name in ("HOME", "KERAS_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    program = tmp_path / "keeping"
    program.write_text(KEEPING)
    program.chmod(0o755)
    with pytest.raises(BundleError, match=f"kept in {tmp_path}/kardus-convert-"):
        convert(read_bundle(portable_file), "litert", tmp_path / "x", python=str(program))
    assert not list((tmp_path / "home").iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "keeping"]


HANGING = """#!/bin/sh
case "$2" in {hangs}) sleep 1000 & wait ;; esac
"""
"""A Python that hangs with its child where it is to look for the toolkit, or to convert."""


@pytest.mark.parametrize(
    ("hangs", "said"),
    [
        ("-c", "--to ncnn: the toolkit in the environment of .*hanging isn't loaded within 0.5 s: try it"),
        ("*_worker.py", "ncnn's toolkit took longer than 0.5 s: stopped"),
    ],
)
def test_a_toolkit_that_hangs_is_stopped_in_one_line(
    portable_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hangs: str,
    said: str,
) -> None:
    limit = "LOADING_LIMIT_S" if hangs == "-c" else "RUN_LIMIT_S"
    monkeypatch.setattr(f"export.convert.convert.{limit}", 0.5)
    program = tmp_path / "hanging"
    program.write_text(HANGING.format(hangs=hangs))
    program.chmod(0o755)
    with within(10), pytest.raises(UsageError if hangs == "-c" else BundleError, match=said):
        convert(read_bundle(portable_file), "ncnn", tmp_path / "x", python=str(program))
    assert [path.name for path in tmp_path.iterdir()] == ["hanging"]


def test_a_python_of_this_folder_and_one_on_the_path_are_told_apart(
    portable_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("here", "there"):
        program = tmp_path / folder / "kardus-python"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\necho I am {folder} >&2\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PATH", str(tmp_path / "there"), prepend=":")
    for python, folder in (
        ("./kardus-python", "here"),
        ("kardus-python", "there"),
        ("../there/kardus-python", "there"),
    ):
        done = call(capsys, main, "convert", portable_file, "--to", "ncnn", "--out", "x", "--python", python)
        assert (done.returncode, f"(I am {folder})" in done.stderr) == (2, True), done.stderr
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["kardus-python"]


def test_a_python_that_cannot_be_run_is_told_in_one_line(portable_file: Path, tmp_path: Path) -> None:
    (tmp_path / "python").write_text("no program")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(UsageError, match=r"--python .*python: can't be run \(Exec format error\): name the Python"):
        convert(read_bundle(portable_file), "ncnn", tmp_path / "out", python=str(tmp_path / "python"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "openvino", "--out", "there"), "--out .*there: exists: name a new folder"),
        (("--to", "openvino", "--out", "x" * 300), "x{300}: File name too long: name another file or folder"),
        (("--to", "openvino", "--out", "no/where"), "the folder .*no isn't there: make it"),
        (
            ("--to", "openvino", "--out", "/proc/new"),
            "--out /proc/new: /proc can't be written to .*: name another folder",
        ),
        (("--to", "ncnn", "--out", "new", "--chip", "rk3566"), "--chip rk3566: ncnn isn't made for one chip"),
        (("--to", "rknn", "--out", "new", "--python", "no-python"), "--python no-python: is no program"),
    ],
)
def test_wrong_use_is_told_in_one_line(
    portable_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    (tmp_path / "there").mkdir()
    with contextlib.chdir(tmp_path):
        done = call(capsys, main, "convert", portable_file, *words)
    assert done.returncode == 2
    assert re.search(said, " ".join(done.stderr.split()))


def test_a_bundle_in_the_complete_form_is_refused_with_the_remedy(bundle_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not in the portable form: build it so"):
        convert(read_bundle(bundle_file), "openvino", tmp_path / "x")
