"""The `kardus-export` command, as a user meets it."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from edge_agent.bundle import read_bundle
from export import build as build_module
from export.__main__ import main
from export.keys import make_key
from tests.conftest import run_command
from tests.export.bundles import repack, unpack
from tests.in_process import assert_nothing_written, assert_one_line, call

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def ready_graph(bundle_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `build` take the small run's graph instead of exporting again, which takes seconds."""
    model = read_bundle(bundle_file).model
    monkeypatch.setattr(build_module, "to_onnx", lambda *_: model)


def test_verify_works_from_the_shell(bundle_file: Path, signing_key: tuple[Path, str], tmp_path: Path) -> None:
    passed = run_command("kardus-export", "verify", bundle_file, "--trust", signing_key[1])
    assert "covering every class" in passed.stdout
    assert passed.stderr == ""
    failed = run_command("kardus-export", "verify", tmp_path / "none.bundle", check=1)
    assert_one_line(failed, 1, tmp_path / "none.bundle", "cannot be read", "name a .bundle file")


def test_verify_of_an_altered_bundle_is_exit_code_1(bundle_file: Path, tmp_path: Path, capsys: Capture) -> None:
    members = unpack(bundle_file)
    golden = json.loads(members["golden/samples.json"])
    golden[0]["logits"][0] += 1
    members["golden/samples.json"] = json.dumps(golden).encode()
    path = repack(tmp_path / "altered.bundle", members)
    assert_one_line(call(capsys, main, "verify", path), 1, path, "golden samples differ", "build again")


def test_verify_with_a_key_that_did_not_sign_is_exit_code_1(bundle_file: Path, tmp_path: Path, capsys: Capture) -> None:
    _, stranger = make_key(tmp_path, "stranger")
    assert_one_line(call(capsys, main, "verify", bundle_file, "--trust", stranger), 1, "not trusted")


def test_inspect_as_json_is_the_manifest_and_who_signed(
    bundle_file: Path, signing_key: tuple[Path, str], capsys: Capture
) -> None:
    result = call(capsys, main, "inspect", bundle_file, "--json")
    content = json.loads(result.stdout)
    assert content.pop("signed_by") == [signing_key[1]]
    assert content == read_bundle(bundle_file).manifest.model_dump(mode="json")


def test_inspect_shows_people_what_the_bundle_knows(bundle_file: Path, capsys: Capture) -> None:
    text = call(capsys, main, "inspect", bundle_file).stdout
    for part in (
        "small 1.0.0",
        "shufflenet_v2_x0_5",
        "48 x 48 px",
        "90 photos",
        "n = 30",
        "% at 96 px",
        "Tea-Original",
        "SKU",
    ):
        assert part in text


@pytest.mark.usefixtures("ready_graph")
def test_build_tells_size_and_parity_and_that_it_is_unsigned(run_folder: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "x.bundle"
    result = call(capsys, main, "build", run_folder, "--out", out)
    assert result.returncode == 0
    assert f"{out}: " in result.stdout
    assert "on 120 crops the largest logit difference is " in result.stdout
    assert "same class on 100.0 %" in result.stdout
    assert "note: not signed: an agent refuses it" in result.stderr
    assert read_bundle(out).manifest.name == "x"


@pytest.mark.usefixtures("ready_graph")
def test_build_signs_with_every_key_given(run_folder: Path, tmp_path: Path, capsys: Capture) -> None:
    made = [make_key(tmp_path, name) for name in ("a", "b")]
    signs = [word for private, _ in made for word in ("--sign", private)]
    result = call(capsys, main, "build", run_folder, "--out", tmp_path / "x.bundle", *signs)
    assert "not signed" not in result.stderr
    assert read_bundle(tmp_path / "x.bundle").signed_by == tuple(text for _, text in made)


def test_build_with_a_missing_or_wrong_key_is_exit_code_2(run_folder: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "x.bundle"
    (tmp_path / "wrong.key").write_text("hello")
    for name, reason in (("none.key", "cannot be read"), ("wrong.key", "not a private key")):
        failed = call(capsys, main, "build", run_folder, "--out", out, "--sign", tmp_path / name)
        assert_one_line(failed, 2, f"--sign {tmp_path / name}", reason, "kardus-export keys make")
    assert_nothing_written(tmp_path, out)


@pytest.mark.usefixtures("ready_graph")
@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("x.zip",), "must end in .bundle"),
        (("x.bundle", "--version", "1.0"), "1.0"),
        (("x.bundle", "--name", "two words"), "two words"),
        (("two words.bundle",), "two words"),
    ],
)
def test_build_with_a_bad_name_or_version_is_exit_code_2(
    run_folder: Path, tmp_path: Path, capsys: Capture, words: tuple[str, ...], part: str
) -> None:
    out = tmp_path / words[0]
    assert_one_line(call(capsys, main, "build", run_folder, "--out", out, *words[1:]), 2, part)
    assert_nothing_written(tmp_path, out)


@pytest.mark.usefixtures("ready_graph")
def test_build_into_a_folder_that_is_not_there_is_written_or_refused_in_one_line(
    run_folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "new" / "x.bundle"
    result = call(capsys, main, "build", run_folder, "--out", out)
    assert out.is_file() or result.returncode in (1, 2)


def test_build_of_no_checkpoint_is_exit_code_1(tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "x.bundle"
    assert_one_line(call(capsys, main, "build", tmp_path, "--out", out), 1, "model.ckpt", "no checkpoint there")
    (tmp_path / "model.ckpt").write_bytes(b"hello")
    assert_one_line(call(capsys, main, "build", tmp_path, "--out", out), 1, "model.ckpt", "not a Kardus checkpoint")
    assert_nothing_written(tmp_path, out)


def test_keys_are_made_and_listed(tmp_path: Path, capsys: Capture) -> None:
    made = call(capsys, main, "keys", "make", "site", "--dir", tmp_path)
    assert made.returncode == 0
    public = (tmp_path / "site.pub").read_text().strip()
    assert f"private key: {tmp_path / 'site.key'}" in made.stdout
    assert f"public key:  {public}" in made.stdout
    assert "PRIVATE" not in made.stdout
    assert stat.S_IMODE((tmp_path / "site.key").stat().st_mode) == 0o600
    listed = json.loads(call(capsys, main, "keys", "list", "--dir", tmp_path, "--json").stdout)
    assert listed == [{"name": "site", "public": public, "private_here": True}]
    assert "site" in call(capsys, main, "keys", "list", "--dir", tmp_path).stdout


def test_keys_make_refuses_to_overwrite(tmp_path: Path, capsys: Capture) -> None:
    call(capsys, main, "keys", "make", "site", "--dir", tmp_path)
    before = (tmp_path / "site.key").read_bytes()
    failed = call(capsys, main, "keys", "make", "site", "--dir", tmp_path)
    assert_one_line(failed, 2, tmp_path / "site.key", "there already", "choose another name")
    assert (tmp_path / "site.key").read_bytes() == before


@pytest.mark.parametrize("words", [("build",), ("build", "run"), ("keys", "make"), ("verify",), ("fly",)])
def test_words_that_are_no_command_are_exit_code_2(capsys: Capture, words: tuple[str, ...]) -> None:
    failed = call(capsys, main, *words)
    assert failed.returncode == 2
    assert "Traceback" not in failed.stderr
