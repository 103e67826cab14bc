"""Reads a bundle, and verifies everything that can be verified without running the model.

A bundle is one zip file: manifest.json, model.onnx, golden/*.png with golden/samples.json, signatures.json. It is read
in the order of trust: signatures and manifest's bytes first; then, if they were signed by whom they must, the manifest
is parsed; and only what it lists, in the sizes that it lists, is unpacked.
"""

import base64
import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import TypeAdapter, ValidationError

from kardus.contract.manifest import GoldenSample, Manifest, Signature
from kardus.inference.bundle_archive import GOLDEN, MANIFEST, MODEL, SIGNATURES, BundleArchive
from kardus.inference.onnx_data import has_external_data
from kardus.support.errors import BundleError
from kardus.support.input_files import open_file

_SIGNATURES = TypeAdapter(tuple[Signature, ...])
_GOLDEN = TypeAdapter(tuple[GoldenSample, ...])


@dataclass(frozen=True)
class Trust:
    """Whose bundles are accepted."""

    keys: Collection[str]
    """Public keys, as `public_key_text` writes them; one of them must have signed the bundle."""
    allow_unsigned: bool = False
    """Accept a bundle that nobody signed. One that only others signed is refused nevertheless."""


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


def read_bundle(path: Path, trust: Trust | None = None) -> Bundle:
    """Read and check a bundle from disk; without `trust`, whoever signed it.

    Raises:
        BundleError: the file is missing, not a bundle, altered, or not to be trusted; the message says in which part.
    """
    try:
        with open_file(path) as file:
            return parse_bundle(file, str(path), trust)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}): name a .bundle file") from error


def parse_bundle(file: BinaryIO, source: str, trust: Trust | None = None) -> Bundle:
    """As `read_bundle`, from an open file that errors call `source`."""
    archive = BundleArchive(file, source)
    manifest_bytes = archive.read(MANIFEST)
    signed_by = _signers(source, archive.read(SIGNATURES), manifest_bytes)
    if trust is not None:
        _require_trust(source, signed_by, trust)
    manifest = _validated(source, MANIFEST, manifest_bytes, TypeAdapter(Manifest))
    members = _listed_members(source, manifest, archive)
    golden = _validated(source, GOLDEN, members[GOLDEN], _GOLDEN)
    if not golden:
        raise BundleError(f"{source}: no golden samples in it: build the bundle again")
    pictures = {sample.file: members.get(sample.file, b"") for sample in golden}
    lost = next((name for name, png in pictures.items() if not png), None)
    if lost:
        raise BundleError(f"{source}: golden sample {lost} is missing: get the bundle again")
    _refuse_external_data(source, members[MODEL])
    return Bundle(source, manifest, members[MODEL], golden, pictures, signed_by)


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


def _signers(source: str, signatures_bytes: bytes, manifest_bytes: bytes) -> tuple[str, ...]:
    """The keys that signed the manifest.

    Raises:
        BundleError: a signature is not valid.
    """
    signatures = _validated(source, SIGNATURES, signatures_bytes, _SIGNATURES)
    if not all(_is_valid(signature, manifest_bytes) for signature in signatures):
        raise BundleError(f"{source}: a signature in it is not valid: it was altered; get the bundle again")
    return tuple(signature.key for signature in signatures)


def _require_trust(source: str, signed_by: tuple[str, ...], trust: Trust) -> None:
    if any(key in trust.keys for key in signed_by):
        return
    if signed_by:
        raise BundleError(
            f"{source}: signed by {signed_by[0]}, which is not trusted: "
            "sign it with a trusted key, or add that key to model.trust"
        )
    if not trust.allow_unsigned:
        raise BundleError(
            f"{source}: not signed: sign it (kardus-export build --sign KEY), "
            "or let the agent accept it (model.allow_unsigned = true)"
        )


def _listed_members(source: str, manifest: Manifest, archive: BundleArchive) -> dict[str, bytes]:
    """Unpack what the manifest lists, and nothing else."""
    sizes = {name: size for name, size in archive.sizes.items() if name not in (MANIFEST, SIGNATURES)}
    if set(manifest.members) != set(sizes):
        odd = min(set(manifest.members) ^ set(sizes))
        raise BundleError(f"{source}: member '{odd}' and the manifest's list disagree: altered; get the bundle again")
    members = {}
    for name, member in manifest.members.items():
        data = archive.read(name) if sizes[name] == member.size else b""
        if hashlib.sha256(data).hexdigest() != member.sha256:
            raise BundleError(
                f"{source}: {name} is not what the manifest says (SHA-256): altered; get the bundle again"
            )
        members[name] = data
    return members


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
