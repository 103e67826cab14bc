"""Takes bundles apart, and puts altered ones together whose hashes are right."""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any


def unpack(bundle: Path) -> dict[str, bytes]:
    """Every member."""
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def repack(path: Path, members: dict[str, bytes], manifest: dict[str, Any] | None = None) -> Path:
    """Write an unsigned bundle of these members; the manifest's list of hashes is made to fit them."""
    content: dict[str, Any] = manifest or json.loads(members["manifest.json"])
    listed = {name: data for name, data in members.items() if name not in ("manifest.json", "signatures.json")}
    content["members"] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in listed.items()
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(content))
        archive.writestr("signatures.json", "[]")
        for name, data in listed.items():
            archive.writestr(name, data)
    return path
