"""Writes bundles reproducibly: the same inputs give the same bytes."""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image

from export.keys import sign
from kardus.contract.manifest import GoldenSample, Manifest, Member, Signature
from kardus.inference.bundle import read_bundle
from kardus.inference.bundle_archive import GOLDEN, MANIFEST, MODEL, SIGNATURES, BundleArchive
from kardus.inference.preprocess import Pixels
from kardus.support.errors import UsageError
from kardus.support.files import write_whole

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can carry
WORTH_PACKING = 0.85
"""Of its own size."""


def members_of(model: bytes, golden: Sequence[GoldenSample], pictures: Sequence[bytes]) -> dict[str, bytes]:
    """The members that the manifest lists: the model, the golden samples' expected outputs, and their PNG files."""
    files = {sample.file: picture for sample, picture in zip(golden, pictures, strict=True)}
    return {MODEL: model, GOLDEN: _json([sample.model_dump() for sample in golden]), **files}


def list_members(members: dict[str, bytes]) -> dict[str, Member]:
    """SHA-256 and size of each."""
    return {
        name: Member(sha256=hashlib.sha256(data).hexdigest(), size=len(data)) for name, data in sorted(members.items())
    }


def write_bundle(
    path: Path, manifest: Manifest, members: dict[str, bytes], keys: Sequence[Ed25519PrivateKey]
) -> Manifest:
    """List the members in the manifest, sign it with every key and write the bundle, whole or not at all."""
    complete = manifest.model_copy(update={"members": list_members(members)})
    manifest_bytes = _json(complete.model_dump(mode="json"))
    signatures = _json([sign(manifest_bytes, key).model_dump() for key in keys])
    write_whole(path, _zipped({MANIFEST: manifest_bytes, SIGNATURES: signatures, **dict(sorted(members.items()))}))
    return complete


def sign_again(bundle: Path, out: Path, keys: Sequence[Ed25519PrivateKey], dropped: Collection[str]) -> tuple[str, ...]:
    """Write a bundle with more signatures, and without those of dropped public keys; returns its signers.

    Raises:
        BundleError: it can't be read, or was altered.
        UsageError: a dropped key hasn't signed it.
    """
    read = read_bundle(bundle)
    for key in dropped:
        if key not in read.signed_by:
            raise UsageError(
                f"--drop {key}: hasn't signed {bundle}: it was signed by {', '.join(read.signed_by) or 'nobody'}"
            )
    with bundle.open("rb") as file:
        archive = BundleArchive(file, str(bundle))
        members = {name: archive.read(name) for name in archive.sizes}
    added = [sign(members[MANIFEST], key) for key in keys]
    known = [Signature.model_validate(entry) for entry in json.loads(members[SIGNATURES])]
    fresh = {signature.key for signature in added} | set(dropped)
    signatures = [*(signature for signature in known if signature.key not in fresh), *added]
    members[SIGNATURES] = _json([signature.model_dump() for signature in signatures])
    write_whole(out, _zipped(members))
    return tuple(signature.key for signature in signatures)


def _zipped(members: dict[str, bytes]) -> bytes:
    """The file. What hardly shrinks isn't packed: unpacking weights of 32 bits was two thirds of reading a bundle."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED if _shrinks(data) else zipfile.ZIP_STORED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return packed.getvalue()


def _shrinks(data: bytes) -> bool:
    return len(zlib.compress(data, 1)) < WORTH_PACKING * len(data)


def _json(content: object) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def png(crop: Pixels) -> bytes:
    """A crop (S, S, 3) uint8 RGB as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(crop).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
