"""What `verify` finds, and what it refuses."""

import json
import zipfile
from pathlib import Path

import pytest

from export.__main__ import main
from export.keys import make_key
from export.verify import verify
from kardus.support.errors import BundleError
from tests.export.bundles import repack, unpack
from tests.in_process import assert_one_line, call


def test_good_bundle_passes_every_check(bundle_file: Path, signing_key: tuple[Path, str]) -> None:
    found = {check.what: check.found for check in verify(bundle_file, (signing_key[1],))}
    assert list(found) == ["structure and hashes", "signatures", "trust", "runs on", "golden samples", "batches"]
    assert found["structure and hashes"] == "17 members, schema 1"
    assert found["signatures"] == signing_key[1]
    assert found["golden samples"].startswith("15, covering every class, difference ")
    assert "1 and 5 agree" in found["batches"]


def test_unsigned_bundle_passes_with_a_warning_but_not_when_trust_is_asked(
    bundle_file: Path, signing_key: tuple[Path, str], tmp_path: Path
) -> None:
    path = repack(tmp_path / "unsigned.bundle", unpack(bundle_file))
    found = {check.what: check.found for check in verify(path)}
    assert found["signatures"].startswith("none: the agent refuses it")
    assert "trust" not in found
    with pytest.raises(BundleError, match="not signed: sign it"):
        verify(path, (signing_key[1],))


def test_signature_of_another_key_is_not_trusted(bundle_file: Path, tmp_path: Path) -> None:
    _, stranger = make_key(tmp_path, "stranger")
    with pytest.raises(BundleError, match="which is not trusted"):
        verify(bundle_file, (stranger,))


def test_swapped_labels_are_found_by_the_golden_samples(bundle_file: Path, tmp_path: Path) -> None:
    members = unpack(bundle_file)
    manifest = json.loads(members["manifest.json"])
    answered = json.loads(members["golden/samples.json"])[0]["top1"]
    names = [info["name"] for info in manifest["classes"]]
    first, second = names.index(answered), (names.index(answered) + 1) % len(names)
    classes = manifest["classes"]
    classes[first]["name"], classes[second]["name"] = classes[second]["name"], classes[first]["name"]
    path = repack(tmp_path / "swapped.bundle", members, manifest)
    with pytest.raises(BundleError, match="the model and its labels don't fit each other; build the bundle again"):
        verify(path)


def test_golden_outputs_beyond_the_tolerance_are_refused(bundle_file: Path, tmp_path: Path) -> None:
    members = unpack(bundle_file)
    golden = json.loads(members["golden/samples.json"])
    golden[3]["logits"][-1] += 0.01
    members["golden/samples.json"] = json.dumps(golden).encode()
    with pytest.raises(
        BundleError, match=r"golden samples differ by 0\.01 on CPUExecutionProvider \(f32\) \(allowed: 0\.001\)"
    ):
        verify(repack(tmp_path / "off.bundle", members))


def test_class_without_a_golden_sample_is_refused(bundle_file: Path, tmp_path: Path) -> None:
    members = unpack(bundle_file)
    golden = json.loads(members["golden/samples.json"])
    lost = golden.pop(4)
    del members[lost["file"]]
    members["golden/samples.json"] = json.dumps(golden).encode()
    with pytest.raises(BundleError, match=f"no golden sample of class '{lost['label']}'"):
        verify(repack(tmp_path / "uncovered.bundle", members))


def test_altered_model_is_refused_by_its_hash(bundle_file: Path, tmp_path: Path) -> None:
    members = unpack(bundle_file)
    path = repack(tmp_path / "altered.bundle", members)
    inside = unpack(path)
    good = inside["manifest.json"]
    inside["model.onnx"] = inside["model.onnx"][:-1] + b"\0"
    repack(path, inside)
    altered = unpack(path)["manifest.json"]
    assert altered != good
    path.write_bytes(_with_manifest(path, good))
    with pytest.raises(BundleError, match=r"model\.onnx is not what the manifest says"):
        verify(path)


def _with_manifest(path: Path, manifest: bytes) -> bytes:
    members = unpack(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**members, "manifest.json": manifest}.items():
            archive.writestr(name, data)
    return path.read_bytes()


def test_file_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.bundle").write_bytes(b"hello")
    with pytest.raises(BundleError, match=r"x\.bundle: damaged, or not a bundle"):
        verify(tmp_path / "x.bundle")


def test_it_is_run_on_the_provider_that_is_asked_for_or_the_command_fails(
    bundle_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = call(capsys, main, "verify", bundle_file, "--provider", "CPUExecutionProvider")
    assert good.returncode == 0, good.stderr
    assert "CPUExecutionProvider (f32)" in good.stdout
    bad = call(capsys, main, "verify", bundle_file, "--provider", "AzureExecutionProvider")
    assert_one_line(bad, 2, "--provider: AzureExecutionProvider: it takes nothing of this model here")
    bad = call(capsys, main, "verify", bundle_file, "--provider", "CUDA")
    assert_one_line(bad, 2, "--provider: 'CUDA': no such provider", "CPUExecutionProvider", "CUDAExecutionProvider")
    bad = call(capsys, main, "verify", bundle_file, "--provider", "CPUExecutionProvider,precision=f64")
    assert_one_line(bad, 2, "--provider 'CPUExecutionProvider,precision=f64': precision=f64: input should be 'f32', ")
