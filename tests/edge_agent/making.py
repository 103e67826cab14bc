"""What several tests of the agent make: a bundle taken apart and put together again, and damaged bytes."""

import hashlib
import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from export.keys import sign
from kardus.inference.bundle_archive import GOLDEN, MANIFEST, MODEL, SIGNATURES

Members = dict[str, bytes]


def members_in(bundle: Path | bytes) -> Members:
    """Every member of a bundle, or of its bytes, by name."""
    with zipfile.ZipFile(io.BytesIO(bundle) if isinstance(bundle, bytes) else bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: Members) -> bytes:
    """A zip file of these members, packed as quickly as it goes: most of a bundle doesn't get smaller anyway."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def sealed(members: Members, *keys: Ed25519PrivateKey, **changes: Any) -> bytes:
    """A bundle of these members as its maker would pack it: the manifest, changed so, lists them and is signed."""
    manifest_bytes = _manifest(members, changes)
    signatures = json.dumps([sign(manifest_bytes, key).model_dump() for key in keys]).encode()
    return zipped({**members, MANIFEST: manifest_bytes, SIGNATURES: signatures})


def of_two_networks(members: Members, *keys: Ed25519PrivateKey, **changes: Any) -> bytes:
    """A bundle with a second, small network, as an earlier version built it with `--small`; as `sealed`."""
    told = json.loads(members[MANIFEST])
    of_each = ("precision", "classes", "calibration", "prototypes", "metrics", "parity", "golden_tolerance", "training")
    share = {"name": "", "value": 0.7, "n": 100, "low": 0.6, "high": 0.8}
    fit = {"likelihood": 0.9, "score": 1.0, "answered": share, "lost": share, "strangers": share}
    fit |= {"max_loss": 0.1, "fitted_on": "0:val"}
    small = {name: told[name] for name in of_each} | {"fit": fit, "withheld": [told["classes"][0]["sku"]]}
    pair = {"small.onnx": members[MODEL], "golden/small.json": members[GOLDEN]}
    return sealed(members | pair, *keys, small=small, **changes)


def resealed(members: Members) -> bytes:
    """A bundle whose manifest lists these members, with the signatures that it had before."""
    return zipped({**members, MANIFEST: _manifest(members, {})})


def _manifest(members: Members, changes: dict[str, Any]) -> bytes:
    manifest = json.loads(members[MANIFEST]) | changes
    listed = {name: data for name, data in members.items() if name not in (MANIFEST, SIGNATURES)}
    manifest["members"] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in listed.items()
    }
    return json.dumps(manifest).encode()


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The bytes with one to three of them flipped, or cut short, or with a few put in."""
    kind = rng.randrange(4)
    place = rng.randrange(len(data))
    if kind == 0:
        return data[:place]
    if kind == 1:
        return data[:place] + rng.randbytes(rng.randrange(1, 9)) + data[place:]
    mutable = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        mutable[rng.randrange(len(data))] ^= rng.randrange(1, 256)
    return bytes(mutable)
