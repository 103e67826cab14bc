"""The `kardus-export` command, as a user meets it."""

import json
import re
import stat
from pathlib import Path

import pytest

from export import build as build_module
from export.__main__ import main
from export.keys import make_key
from kardus.inference.bundle import read_bundle
from tests.conftest import run_command
from tests.export.bundles import repack, unpack
from tests.export.colours import COLOURS, colour_bundle, photo
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
        "timm:test_resnet",
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


def test_enroll_tells_what_it_did_and_what_is_too_close(tmp_path: Path, capsys: Capture) -> None:
    bundle, out = colour_bundle(tmp_path / "a.bundle"), tmp_path / "b.bundle"
    key, public = make_key(tmp_path, "k")
    photos = [photo(tmp_path / "y" / f"{n}.png", (225, 205, 40), n) for n in range(3)]
    options = ("--name", "yellow", "--sku", "4711", "--out", out, "--sign", key)
    result = call(capsys, main, "enroll", bundle, *photos, *options)
    assert result.returncode == 0
    assert result.stdout == f"{out}: 'yellow' from 3 photos, version 1.3.0; most like 'red'\n"
    assert result.stderr == ""
    assert read_bundle(out).signed_by == (public,)
    assert read_bundle(out).manifest.classes[-1].sku == "4711"
    shown = call(capsys, main, "inspect", out).stdout
    assert re.search(r"enrolled +│ yellow \(3 photos\)", shown)
    assert re.search(r"retired +│ nothing", shown)
    close = [photo(tmp_path / "r" / f"{n}.png", (218, 32, 30), n) for n in range(6)]
    result = call(capsys, main, "enroll", bundle, close[0].parent, "--name", "red2", "--out", tmp_path / "c.bundle")
    assert result.returncode == 0
    assert "of 6 photos would be taken for another product, such as 'red'" in result.stderr
    assert "not signed" in result.stderr


def test_retire_and_diff(tmp_path: Path, capsys: Capture) -> None:
    bundle, out = colour_bundle(tmp_path / "a.bundle"), tmp_path / "b.bundle"
    result = call(capsys, main, "retire", bundle, "green", "green", "--out", out, "--version", "2.0.0")
    assert result.stdout == f"{out}: without green, version 2.0.0; 2 classes stay\n"
    for name, colour in COLOURS.items():
        photo(tmp_path / "photos" / name / "1.png", colour)
        photo(tmp_path / "photos" / name / "2.png", colour, 1)
    result = call(capsys, main, "diff", bundle, out, "--data", tmp_path / "photos")
    assert result.returncode == 0
    assert "same product on 66.7 % of 6 photos" in result.stdout
    assert f"{tmp_path / 'photos' / 'green' / '1.png'}: sku-green -> unknown" in result.stdout
    found = json.loads(call(capsys, main, "diff", bundle, out, "--json").stdout)
    assert found == {
        "came": [],
        "went": ["green"],
        "facts": {"name": ["colours 1.2.3", "colours 2.0.0"], "classes": ["3", "2"]},
        "agreement": None,
    }


def test_bench_prints_a_table_and_json(tmp_path: Path, capsys: Capture) -> None:
    bundle = colour_bundle(tmp_path / "a.bundle")
    result = call(capsys, main, "bench", bundle, "--batch", 2, "--seconds", 0.1, "--threads", 1)
    assert "crops a second" in result.stdout
    both = json.loads(call(capsys, main, "bench", bundle, "--seconds", 0.1, "--json").stdout)
    assert [speed["what"] for speed in both] == ["classifier", "onnxruntime"]


@pytest.fixture
def _colours_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    colour_bundle(tmp_path / "a.bundle")
    photo(tmp_path / "y" / "1.png", (225, 205, 40))


@pytest.mark.parametrize(
    ("words", "code", "reasons"),
    [
        (("enroll", "a.bundle", "y", "--name", "red", "--out", "b.bundle"), 2, ("--name 'red'", "retire it first")),
        (("enroll", "a.bundle", "y", "--name", "n", "--out", "b.zip"), 2, ("--out b.zip", "must end in .bundle")),
        (("enroll", "a.bundle", "none.png", "--name", "n", "--out", "b.bundle"), 1, ("none.png", "no such picture")),
        (("retire", "a.bundle", "pink", "--out", "b.bundle"), 2, ("NAME 'pink'", "it knows red, green, blue")),
        (("retire", "a.bundle", "red", "--out", "b.bundle", "--version", "2"), 2, ("--version '2'", "three numbers")),
        (("enroll", "a.bundle", "y", "--name", "", "--out", "b.bundle"), 2, ("--name",)),
        (("enroll", "a.bundle", "y", "--name", "x" * 201, "--out", "b.bundle"), 2, ("--name", "at most 200")),
        (("enroll", "a.bundle", "y", "--name", " n", "--out", "b.bundle"), 2, ("--name ' n'", "blanks")),
        (("enroll", "a.bundle", "y", "--name", "n\udcff", "--out", "b.bundle"), 2, ("--name",)),
        (
            ("enroll", "a.bundle", "y", "--name", "n", "--out", "b.bundle", "--version", "1.2.4\n"),
            2,
            ("three numbers",),
        ),
        (
            ("enroll", "a.bundle", "y", "--name", "n", "--out", "b.bundle", "--version", "1.2.3"),
            2,
            ("not above 1.2.3",),
        ),
        (("enroll", "a.bundle", "y", "--name", "n", "--out", "x" * 300 + ".bundle"), 2, ("--out", "name another")),
        (("diff", "a.bundle", "none.bundle"), 1, ("none.bundle", "cannot be read")),
    ],
)
@pytest.mark.usefixtures("_colours_here")
def test_bad_words_are_one_line(
    words: tuple[str, ...], code: int, reasons: tuple[str, ...], tmp_path: Path, capsys: Capture
) -> None:
    assert_one_line(call(capsys, main, *words), code, *reasons)
    assert not (tmp_path / "b.bundle").exists()


@pytest.mark.usefixtures("ready_graph")
def test_build_of_a_lower_precision_reports_its_steps(run_folder: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "low.bundle"
    result = call(capsys, main, "build", run_folder, "--out", out, "--precision", "int8", "--max-drop", 100)
    assert result.returncode == 0
    assert "0 layers left in float:" in result.stderr
    assert read_bundle(out).manifest.precision == "int8"
    assert "points by class on 30 unseen photos" in call(capsys, main, "inspect", out).stdout


def test_verify_lets_a_bundle_answer_photos_and_compares_it_with_its_run(
    bundle_file: Path, run_folder: Path, photos: Path, capsys: Capture
) -> None:
    result = call(capsys, main, "verify", bundle_file, "--data", photos, "--run", run_folder)
    assert result.returncode == 0
    assert "of 120 named right" in result.stdout
    assert "120 crops: largest logit difference" in result.stdout
    alone = call(capsys, main, "verify", bundle_file, "--run", run_folder)
    assert_one_line(alone, 2, "--run: needs photos to compare on", "--data")


def test_keys_rotate_adds_a_signature_and_takes_one_out(
    bundle_file: Path, signing_key: tuple[Path, str], tmp_path: Path, capsys: Capture
) -> None:
    key, public = make_key(tmp_path, "next")
    both, new = tmp_path / "both.bundle", tmp_path / "new.bundle"
    result = call(capsys, main, "keys", "rotate", bundle_file, "--sign", key, "--out", both)
    assert result.stdout == f"{both}: signed by {signing_key[1]}, {public}\n"
    assert read_bundle(both).signed_by == (signing_key[1], public)
    call(capsys, main, "keys", "rotate", both, "--sign", key, "--drop", signing_key[1], "--out", new)
    assert read_bundle(new).signed_by == (public,)
    assert read_bundle(new).manifest == read_bundle(bundle_file).manifest
    dropped = call(capsys, main, "keys", "rotate", new, "--sign", key, "--drop", signing_key[1], "--out", both)
    assert_one_line(dropped, 2, f"--drop {signing_key[1]}", "hasn't signed", public)
