"""A bundle is taken whole and unaltered or not at all: one line says why, and nothing else is ever raised."""

import base64
import io
import json
import random
import re
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from export.keys import read_key
from kardus.contract.manifest import Manifest
from kardus.inference.bundle import Bundle, Trust, parse_public_key, public_key_text, read_bundle
from kardus.inference.bundle import parse_bundle as parse_file
from kardus.inference.bundle_archive import MAX_BUNDLE_BYTES
from kardus.support.errors import BundleError
from tests.edge_agent.making import Members, damaged, members_in, of_two_networks, sealed, zipped
from tests.scripts.fuzz_bundle import fuzz

REMEDY = re.compile(r"\b(get|sign|build|rebuild|export|add|set|name|update|use|restore|replace)\b")
Change = Callable[[Members], Members | bytes]


@pytest.fixture(scope="module")
def members(bundle_file: Path) -> Members:
    """The real bundle's members."""
    return members_in(bundle_file)


@pytest.fixture(scope="module")
def key(signing_key: tuple[Path, str]) -> Ed25519PrivateKey:
    """The key that signed it."""
    return read_key(signing_key[0])


@pytest.fixture(scope="module")
def small(members: Members, key: Ed25519PrivateKey) -> bytes:
    """The real bundle with a short model and two golden samples: most of its bytes are structure."""
    golden = json.loads(members["golden/samples.json"])[:2]
    for sample in golden:
        sample["logits"] = [round(value, 2) for value in sample["logits"]]
    kept = {"manifest.json": members["manifest.json"], "golden/samples.json": json.dumps(golden).encode()}
    kept |= {sample["file"]: b"picture " + sample["file"].encode() for sample in golden}
    return sealed({**kept, "model.onnx": b"\x0a\x08a model " * 40}, key)


def parse_bundle(data: bytes, source: str, trust: Trust | None = None) -> Bundle:
    """A bundle from memory."""
    return parse_file(io.BytesIO(data), source, trust)


def _same(bundle: Bundle, original: Bundle) -> bool:
    return (bundle.manifest, bundle.model, bundle.signed_by, bundle.golden, bundle.golden_png) == (
        original.manifest,
        original.model,
        original.signed_by,
        original.golden,
        original.golden_png,
    )


def _refusal(data: bytes) -> str:
    """What is said of the bundle; empty if it is taken."""
    try:
        parse_bundle(data, "x.bundle")
    except BundleError as error:
        return str(error)
    return ""


def _assert_taken_or_refused(data: bytes, original: Bundle) -> bool:
    """Whether it was refused; if not, it must be the original."""
    try:
        bundle = parse_bundle(data, "x.bundle")
    except BundleError as error:
        lines = str(error).splitlines()
    else:
        assert _same(bundle, original)
        return False
    assert len(lines) == 1
    assert lines[0].startswith("x.bundle: ")
    return True


def test_a_bundle_is_read_with_everything_in_it(bundle_file: Path, signing_key: tuple[Path, str]) -> None:
    bundle = read_bundle(bundle_file)
    assert bundle.source == str(bundle_file)
    assert bundle.title == "small 1.0.0"
    assert bundle.signed_by == (signing_key[1],)
    assert {sample.label for sample in bundle.golden} == {info.name for info in bundle.manifest.classes}
    assert set(bundle.golden_png) == {sample.file for sample in bundle.golden}
    assert len(bundle.model) == bundle.manifest.members["model.onnx"].size


def test_packing_the_members_again_gives_the_same_bundle(members: Members, bundle_file: Path) -> None:
    assert _same(parse_bundle(zipped(members), "x"), read_bundle(bundle_file))


@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_damaged_bundles_are_refused(small: bytes, seed: int) -> None:
    original, rng = parse_bundle(small, "x"), random.Random(seed)
    refused = sum(_assert_taken_or_refused(damaged(small, rng), original) for _ in range(1000))
    assert refused > 700


def test_a_short_fuzz_of_every_kind_takes_no_altered_bundle(small: bytes, signing_key: tuple[Path, str]) -> None:
    """The long one (200,000 damages) is tests/scripts/fuzz_bundle.py; its figures are in docs/results.md."""
    found, slowest, _ = fuzz(small, signing_key[1], count=250, seed=3)
    assert sum(found.values()) == 250
    assert all(found[f"{kind}, refused"] > 25 for kind in ("anywhere", "directory", "content", "bomb", "values"))
    assert found["content, harmless"] == 0
    assert slowest < 5


def test_a_damaged_real_bundle_is_refused(bundle_file: Path) -> None:
    whole, rng = bundle_file.read_bytes(), random.Random(1)
    original = parse_bundle(whole, "x")
    refused = sum(_assert_taken_or_refused(damaged(whole, rng), original) for _ in range(300))
    assert refused > 290


def test_every_way_to_damage_the_directory_is_refused_or_harmless(small: bytes) -> None:
    """The zip directory is where a byte says how the rest is to be read: each of one entry's, in eight ways."""
    original = parse_bundle(small, "x")
    start = small.index(b"PK\x01\x02")
    for place in range(start, start + 60):
        for bit in range(8):
            mutated = bytearray(small)
            mutated[place] ^= 1 << bit
            _assert_taken_or_refused(bytes(mutated), original)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_damage_inside_a_member_is_refused_however_it_is_compressed(members: Members, method: int) -> None:
    buffer = io.BytesIO(zipped({**members, "model.onnx": b""}))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("golden/88.png", members["golden/1.png"], method)
    whole = buffer.getvalue()
    start = whole.index(b"golden/88.png") + len("golden/88.png")
    for place in range(start, start + 100):
        mutated = bytearray(whole)
        mutated[place] ^= 0xFF
        assert _refusal(bytes(mutated)).startswith("x.bundle: ")


@pytest.mark.parametrize("method", [9, 93, 99])
def test_a_compression_that_is_not_known_here_is_refused(small: bytes, method: int) -> None:
    start = small.index(b"PK\x01\x02")
    mutated = bytearray(small)
    mutated[start + 10 : start + 12] = struct.pack("<H", method)
    assert "get the bundle again" in _refusal(bytes(mutated))


@given(st.binary(max_size=300))
def test_bytes_that_are_no_zip_are_refused(data: bytes) -> None:
    assert _refusal(data).startswith("x.bundle: damaged, or not a bundle")


def _flipped(members: Members, name: str) -> Members:
    data = bytearray(members[name])
    data[len(data) // 2] ^= 1
    return {**members, name: bytes(data)}


def _without(members: Members, name: str) -> Members:
    return {k: v for k, v in members.items() if k != name}


def _signatures(members: Members, **changes: str) -> Members:
    (signature,) = json.loads(members["signatures.json"])
    return {**members, "signatures.json": json.dumps([signature | changes]).encode()}


def _unsigned(members: Members, manifest: bytes) -> Members:
    return {**members, "manifest.json": manifest, "signatures.json": b"[]"}


def _declaring(members: Members, name: str, size: int) -> bytes:
    data = bytearray(zipped(members))
    start = data.index(name.encode(), data.index(b"PK\x01\x02")) - 46
    data[start + 24 : start + 28] = struct.pack("<I", size)
    return bytes(data)


def _repeated(members: Members) -> bytes:
    renamed = zipped({**members, "golden/99999.png": b"second"})
    return renamed.replace(b"golden/99999.png", b"golden/00000.png")


def _doubled(members: Members) -> bytes:
    """Two members of one name, in the local headers and in the directory."""
    return _repeated({**members, "golden/00000.png": b"first"})


REFUSED: dict[str, tuple[Change, str]] = {
    "flipped model": (lambda m: _flipped(m, "model.onnx"), "model.onnx is not what the manifest says"),
    "flipped picture": (lambda m: _flipped(m, "golden/0.png"), "golden/0.png is not what the manifest says"),
    "flipped samples": (lambda m: _flipped(m, "golden/samples.json"), "golden/samples.json is not what"),
    "other manifest": (lambda m: {**m, "manifest.json": m["manifest.json"] + b" "}, "a signature in it is not valid"),
    "wrong signature": (lambda m: _signatures(m, signature=base64.b64encode(b"0" * 64).decode()), "a signature"),
    "no base64": (lambda m: _signatures(m, signature="ä"), "a signature"),
    "short signature": (lambda m: _signatures(m, signature="AAAA"), "a signature"),
    "another key": (
        lambda m: _signatures(m, key=public_key_text(Ed25519PrivateKey.generate().public_key())),
        "a signature",
    ),
    "no key": (lambda m: _signatures(m, key="rsa:AAAA"), "a signature"),
    "unknown member": (lambda m: {**m, "run.sh": b"rm"}, "unknown member 'run.sh'"),
    "path upwards": (lambda m: {**m, "../golden/1.png": b"x"}, "unknown member '../golden/1.png'"),
    "unlisted member": (lambda m: {**m, "golden/77.png": b"x"}, "'golden/77.png' and the manifest's list disagree"),
    "duplicate member": (_doubled, "repeated members"),
    "no model": (lambda m: _without(m, "model.onnx"), "model.onnx is missing"),
    "no manifest": (lambda m: _without(m, "manifest.json"), "manifest.json is missing"),
    "no signatures": (lambda m: _without(m, "signatures.json"), "signatures.json is missing"),
    "no samples": (lambda m: _without(m, "golden/samples.json"), "golden/samples.json is missing"),
    "no picture": (lambda m: _without(m, "golden/3.png"), "'golden/3.png' and the manifest's list disagree"),
    "huge model": (lambda m: _declaring(m, "model.onnx", 4_000_000_000), "declares 4000000000 bytes"),
    "huge json": (lambda m: _declaring(m, "manifest.json", 20_000_001), "declares 20000001 bytes"),
    "bomb": (lambda m: {**m, "golden/5.png": bytes(50_000_000)}, "declares 50000000 bytes"),
    "manifest no json": (lambda m: _unsigned(m, b"{"), "manifest.json is not JSON"),
    "manifest nested": (lambda m: _unsigned(m, b"[" * 100_000), "manifest.json is not JSON"),
    "manifest no utf-8": (lambda m: _unsigned(m, b'{"a": "\xff"}'), "manifest.json is not JSON"),
    "signatures no list": (lambda m: {**m, "signatures.json": b"{}"}, "signatures.json"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_altered_bundle_is_refused_in_one_line_that_names_file_and_part(members: Members, case: str) -> None:
    change, part = REFUSED[case]
    changed = change(members)
    text = _refusal(changed if isinstance(changed, bytes) else zipped(changed))
    assert text.startswith("x.bundle: ")
    assert part in text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_says_what_to_do(members: Members, case: str) -> None:
    changed = REFUSED[case][0](members)
    text = _refusal(changed if isinstance(changed, bytes) else zipped(changed))
    assert REMEDY.search(text.split(": ", 1)[1])


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb"])
def test_a_member_s_name_cannot_break_the_line(members: Members, name: str) -> None:
    text = _refusal(zipped({**members, name: b""}))
    assert "unknown member" in text
    assert text.isprintable()


def test_a_manifest_of_another_schema_version_is_refused(members: Members, key: Ed25519PrivateKey) -> None:
    text = _refusal(sealed(members, key, schema_version=2))
    assert text.startswith("x.bundle: manifest.json: schema_version: ")
    assert len(text.splitlines()) == 1
    assert REMEDY.search(text)


def test_a_sample_without_its_picture_is_refused(members: Members, key: Ed25519PrivateKey) -> None:
    assert "golden sample golden/3.png is missing" in _refusal(sealed(_without(members, "golden/3.png"), key))


def test_a_bundle_of_no_samples_is_refused(members: Members, key: Ed25519PrivateKey) -> None:
    """Without a sample the model could not be checked on the box."""
    assert _refusal(sealed({**members, "golden/samples.json": b"[]"}, key))


def test_the_part_of_the_file_before_the_zip_is_no_part_of_it(bundle_file: Path) -> None:
    original = read_bundle(bundle_file)
    _assert_taken_or_refused(b"#!/bin/sh\n" + bundle_file.read_bytes(), original)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.bundle", tmp_path):
        with pytest.raises(BundleError, match=re.escape(f"{path}: cannot be read (")):
            read_bundle(path)


def test_a_trusted_signature_is_enough(bundle_file: Path, signing_key: tuple[Path, str]) -> None:
    read_bundle(bundle_file, Trust(["ed25519:other", signing_key[1]]))


def test_one_trusted_signature_of_several_is_enough(members: Members, key: Ed25519PrivateKey) -> None:
    other = Ed25519PrivateKey.generate()
    bundle = parse_bundle(sealed(members, other, key), "x.bundle", Trust([public_key_text(key.public_key())]))
    assert len(bundle.signed_by) == 2


@pytest.mark.parametrize("allow", [False, True])
def test_an_untrusted_signature_is_refused_even_where_unsigned_ones_are_allowed(
    bundle_file: Path, *, allow: bool
) -> None:
    with pytest.raises(BundleError, match=r"small\.bundle: signed by ed25519:.*, which is not trusted: sign it"):
        read_bundle(bundle_file, Trust(["ed25519:other"], allow_unsigned=allow))


def test_an_unsigned_bundle_is_refused_unless_that_is_allowed(members: Members) -> None:
    unsigned = sealed(members)
    with pytest.raises(BundleError, match=r"x\.bundle: not signed: sign it"):
        parse_bundle(unsigned, "x.bundle", Trust(["ed25519:other"]))
    assert parse_bundle(unsigned, "x.bundle", Trust([], allow_unsigned=True)).signed_by == ()


def test_a_public_key_reads_back_from_its_text() -> None:
    key = Ed25519PrivateKey.generate().public_key()
    assert public_key_text(parse_public_key(public_key_text(key))) == public_key_text(key)


@given(st.text(max_size=60) | st.text(max_size=60).map("ed25519:".__add__))
def test_any_other_text_is_no_key(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_public_key(text)


def test_reading_warns_of_nothing(bundle_file: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(read_bundle(bundle_file).manifest, Manifest)


def test_a_model_with_data_outside_the_bundle_is_refused(bundle_file: Path, tmp_path: Path) -> None:
    members = members_in(bundle_file)
    model = onnx.load_model_from_string(members["model.onnx"])
    largest = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    (tmp_path / "weights.bin").write_bytes(largest.raw_data)
    largest.ClearField("raw_data")
    largest.data_location = onnx.TensorProto.EXTERNAL
    entry = largest.external_data.add()
    entry.key, entry.value = "location", "weights.bin"
    data = sealed({**members, "model.onnx": model.SerializeToString()})
    with pytest.raises(BundleError, match=r"model\.onnx keeps data outside the bundle, .*: refused"):
        parse_bundle(data, "x")


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.bundle"
    with path.open("wb") as file:
        file.truncate(MAX_BUNDLE_BYTES + 2)  # takes no room on the disk
    with pytest.raises(BundleError, match="larger than 1000000000 bytes: not a Kardus bundle"):
        read_bundle(path)


def test_a_second_network_of_an_earlier_version_is_checked_and_passed_over(
    members: Members, key: Ed25519PrivateKey, tmp_path: Path
) -> None:
    path = tmp_path / "pair.bundle"
    path.write_bytes(of_two_networks(members, key))
    told = json.loads(members_in(path)["manifest.json"])
    assert {"small", "members"} <= set(told)
    assert told["small"]["withheld"]
    assert {"small.onnx", "golden/small.json"} <= set(told["members"])
    bundle, alone = read_bundle(path, Trust((public_key_text(key.public_key()),))), parse_bundle(zipped(members), "x")
    assert (bundle.model, bundle.golden, bundle.golden_png) == (alone.model, alone.golden, alone.golden_png)
    assert bundle.manifest.model_copy(update={"members": alone.manifest.members}) == alone.manifest
    assert "small" not in bundle.manifest.model_dump()
    altered = zipped(_flipped(members_in(path), "small.onnx"))
    assert "small.onnx is not what the manifest says" in _refusal(altered)
    assert "'small.onnx' and the manifest's list disagree" in _refusal(zipped({**members, "small.onnx": b"x"}))
