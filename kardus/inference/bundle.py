"""Reads a bundle in memory, and verifies everything that can be verified without running the model.

A bundle is one zip file: manifest.json, model.onnx, golden/*.png with golden/samples.json, signatures.json.
"""

import base64
import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import TypeAdapter, ValidationError

from kardus.contract.manifest import GoldenSample, Manifest, Signature
from kardus.inference.onnx_data import has_external_data
from kardus.support.errors import BundleError

MANIFEST = "manifest.json"
MODEL = "model.onnx"
SIGNATURES = "signatures.json"
GOLDEN = "golden/samples.json"
MAX_BUNDLE_BYTES = 1_000_000_000
MAX_JSON_BYTES = 20_000_000
MAX_MEMBERS = 10_000
_MEMBER_NAME = re.compile(r"^(manifest\.json|model\.onnx|signatures\.json|golden/samples\.json|golden/\d{1,5}\.png)$")
_SIGNATURES = TypeAdapter(tuple[Signature, ...])
_GOLDEN = TypeAdapter(tuple[GoldenSample, ...])


@dataclass(frozen=True)
class Bundle:
    """A bundle whose structure, hashes and manifest have been checked. Members are held as bytes."""

    source: str
    manifest: Manifest
    model: bytes
    golden: tuple[GoldenSample, ...]
    golden_png: dict[str, bytes]
    signed_by: tuple[str, ...]
    """Public keys whose signature over the manifest is valid."""

    @property
    def title(self) -> str:
        """Name and version, for people."""
        return f"{self.manifest.name} {self.manifest.version}"


def read_bundle(path: Path) -> Bundle:
    """Read and check a bundle from disk. Says nothing about trust: see `require_trust`.

    Raises:
        BundleError: the file is missing, not a bundle, or altered; the message says in which part.
    """
    try:
        if path.stat().st_size > MAX_BUNDLE_BYTES:
            raise BundleError(f"{path}: larger than {MAX_BUNDLE_BYTES} bytes: not a Kardus bundle")
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}): name a .bundle file") from error
    return parse_bundle(data, str(path))


def parse_bundle(data: bytes, source: str) -> Bundle:
    """As `read_bundle`, from memory."""
    members = _read_members(data, source)
    manifest_bytes = members[MANIFEST]
    manifest = _validated(source, MANIFEST, manifest_bytes, TypeAdapter(Manifest))
    _check_hashes(source, manifest, members)
    golden = _validated(source, GOLDEN, members[GOLDEN], _GOLDEN)
    if not golden:
        raise BundleError(f"{source}: no golden samples in it: build the bundle again")
    pictures = {sample.file: members.get(sample.file, b"") for sample in golden}
    lost = next((name for name, png in pictures.items() if not png), None)
    if lost:
        raise BundleError(f"{source}: golden sample {lost} is missing: get the bundle again")
    signatures = _validated(source, SIGNATURES, members[SIGNATURES], _SIGNATURES)
    signed_by = tuple(s.key for s in signatures if _is_valid(s, manifest_bytes))
    if len(signed_by) != len(signatures):
        raise BundleError(f"{source}: a signature in it is not valid: it was altered; get the bundle again")
    _refuse_external_data(source, members[MODEL])
    return Bundle(source, manifest, members[MODEL], golden, pictures, signed_by)


def require_trust(bundle: Bundle, trusted: Collection[str], *, allow_unsigned: bool = False) -> None:
    """Accept the bundle only if a trusted key signed it.

    Raises:
        BundleError: it is unsigned (and that is not allowed), or signed by other keys only.
    """
    if any(key in trusted for key in bundle.signed_by):
        return
    if bundle.signed_by:
        raise BundleError(
            f"{bundle.source}: signed by {bundle.signed_by[0]}, which is not trusted: "
            "sign it with a trusted key, or add that key to model.trust"
        )
    if not allow_unsigned:
        raise BundleError(
            f"{bundle.source}: not signed: sign it (kardus-export build --sign KEY), "
            "or let the agent accept it (model.allow_unsigned = true)"
        )


def public_key_text(key: Ed25519PublicKey) -> str:
    """The form in which a public key is written everywhere: `ed25519:` and its 32 bytes in base64."""
    return "ed25519:" + base64.b64encode(key.public_bytes_raw()).decode()


def parse_public_key(text: str) -> Ed25519PublicKey:
    """Read a public key.

    Raises:
        ValueError: the text is not a public key.
    """
    prefix, _, encoded = text.partition(":")
    try:
        key = base64.b64decode(encoded, validate=True) if prefix == "ed25519" else b""
        return Ed25519PublicKey.from_public_bytes(key)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a public key: it reads ed25519: and 32 bytes in base64") from error


def _read_members(data: bytes, source: str) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_entries(source, entries)
            return {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, OSError, RuntimeError) as error:
        raise BundleError(f"{source}: damaged, or not a bundle ({error}): get it again") from error
    except (ValueError, zlib.error) as error:
        raise BundleError(f"{source}: damaged ({error}): get it again") from error


def _check_entries(source: str, entries: list[zipfile.ZipInfo]) -> None:
    """Names and declared sizes are judged before a byte is decompressed."""
    names = [entry.filename for entry in entries]
    if len(names) > MAX_MEMBERS or len(set(names)) != len(names):
        raise BundleError(f"{source}: too many or repeated members: not a Kardus bundle; get the bundle again")
    for entry in entries:
        name = repr(entry.filename)
        if not _MEMBER_NAME.match(entry.filename):
            raise BundleError(f"{source}: unknown member {name}: not a Kardus bundle, or altered; get the bundle again")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BundleError(f"{source}: member {name} is packed in an unknown way: get the bundle again")
        limit = MAX_JSON_BYTES if entry.filename.endswith(".json") else MAX_BUNDLE_BYTES
        if entry.file_size > limit or entry.file_size > 1000 * max(entry.compress_size, 1):
            raise BundleError(
                f"{source}: member {name} declares {entry.file_size} bytes: refused; get the bundle again"
            )
    if sum(entry.file_size for entry in entries) > MAX_BUNDLE_BYTES:
        raise BundleError(f"{source}: declares more than {MAX_BUNDLE_BYTES} bytes: refused; get the bundle again")
    for name in (MANIFEST, MODEL, GOLDEN, SIGNATURES):
        if name not in names:
            raise BundleError(f"{source}: {name} is missing: not a Kardus bundle, or damaged; get the bundle again")


def _check_hashes(source: str, manifest: Manifest, members: dict[str, bytes]) -> None:
    listed = set(manifest.members) | {MANIFEST, SIGNATURES}
    if listed != set(members):
        odd = min(listed ^ set(members))
        raise BundleError(f"{source}: member '{odd}' and the manifest's list disagree: altered; get the bundle again")
    for name, member in manifest.members.items():
        data = members[name]
        if len(data) != member.size or hashlib.sha256(data).hexdigest() != member.sha256:
            raise BundleError(
                f"{source}: {name} is not what the manifest says (SHA-256): altered; get the bundle again"
            )


def _refuse_external_data(source: str, model: bytes) -> None:
    try:
        outside = has_external_data(model)
    except ValueError as error:
        raise BundleError(f"{source}: {MODEL} is not an ONNX model ({error}): build the bundle again") from error
    if outside:
        raise BundleError(f"{source}: {MODEL} keeps data outside the bundle, where nothing signs it: refused")


def _validated(source: str, member: str, data: bytes, adapter: TypeAdapter[Any]) -> Any:
    try:
        return adapter.validate_python(json.loads(data))
    except (ValidationError, ValueError, RecursionError) as error:
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            where = f"{member}: {key}" if key else member
            raise BundleError(
                f"{source}: {where}: {first['msg']}: get the bundle again, build it again with this version, "
                "or update the agent"
            ) from error
        raise BundleError(f"{source}: {member} is not JSON: damaged; get the bundle again") from error


def _is_valid(signature: Signature, manifest_bytes: bytes) -> bool:
    try:
        key = parse_public_key(signature.key)
        key.verify(base64.b64decode(signature.signature, validate=True), manifest_bytes)
    except (InvalidSignature, ValueError):
        return False
    return True
