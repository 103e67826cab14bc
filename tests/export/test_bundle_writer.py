"""Writes bundles."""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.bundle_writer import list_members, members_of, png, write_bundle
from export.keys import make_key, read_key
from kardus.contract.manifest import GoldenSample
from kardus.inference.bundle import read_bundle
from tests.export.bundles import unpack


def _golden(count: int) -> list[GoldenSample]:
    return [GoldenSample(file=f"golden/{n}.png", label="a", top1="a", logits=(1.0, 0.0)) for n in range(count)]


def test_golden_crops_are_kept_without_loss() -> None:
    crops = [np.random.default_rng(n).integers(0, 256, (16, 16, 3), dtype=np.uint8) for n in range(2)]
    members = members_of(b"model", _golden(2), [png(crop) for crop in crops])
    assert sorted(members) == ["golden/0.png", "golden/1.png", "golden/samples.json", "model.onnx"]
    for number, crop in enumerate(crops):
        with Image.open(io.BytesIO(members[f"golden/{number}.png"]), formats=("PNG",)) as picture:
            assert np.array_equal(np.asarray(picture), crop)


def test_each_sample_needs_its_crop() -> None:
    with pytest.raises(ValueError, match="shorter"):
        members_of(b"model", _golden(2), [b"picture"])


def test_list_of_members_has_hash_and_size() -> None:
    listed = list_members({"b": b"second", "a": b""})
    assert list(listed) == ["a", "b"]
    assert (listed["b"].sha256, listed["b"].size) == (hashlib.sha256(b"second").hexdigest(), 6)


def test_same_inputs_give_the_same_bytes_whatever_their_order(
    bundle_file: Path, signing_key: tuple[Path, str], tmp_path: Path
) -> None:
    members = unpack(bundle_file)
    manifest = read_bundle(bundle_file).manifest
    inner = {name: data for name, data in members.items() if name not in ("manifest.json", "signatures.json")}
    key = read_key(signing_key[0])
    write_bundle(tmp_path / "a.bundle", manifest, inner, [key])
    write_bundle(tmp_path / "b.bundle", manifest, dict(reversed(inner.items())), [key])
    assert (tmp_path / "a.bundle").read_bytes() == (tmp_path / "b.bundle").read_bytes() == bundle_file.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bundle", "b.bundle"]


def test_entries_carry_no_time_of_day_and_the_manifest_comes_first(bundle_file: Path) -> None:
    with zipfile.ZipFile(bundle_file) as archive:
        entries = archive.infolist()
    assert entries[0].filename == "manifest.json"
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}


def test_every_key_signs(bundle_file: Path, tmp_path: Path) -> None:
    members = unpack(bundle_file)
    inner = {name: data for name, data in members.items() if name not in ("manifest.json", "signatures.json")}
    made = [make_key(tmp_path, name) for name in ("first", "second")]
    path = tmp_path / "two.bundle"
    write_bundle(path, read_bundle(bundle_file).manifest, inner, [read_key(private) for private, _ in made])
    assert read_bundle(path).signed_by == tuple(text for _, text in made)
