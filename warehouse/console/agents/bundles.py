"""Bundles that may be offered to agents: those that lie in a folder, signed elsewhere. Nothing is signed here."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from kardus.contract.commands import ChangeModel
from kardus.inference.bundle import read_bundle
from kardus.support.errors import KardusError, UsageError

SUFFIX = ".bundle"
MAX_BUNDLES = 100
"""So many are shown, the newest."""
CHUNK = 1 << 20


@dataclass(frozen=True)
class OfferedBundle:
    """A bundle of the folder that may be offered."""

    path: Path
    size: int
    sha256: str
    name: str = ""
    version: str = ""
    created: str = ""
    """When it was made (ISO 8601)."""
    signatures: int = 0
    """How many keys have signed it; which of them count, each agent's configuration says."""
    problem: str = ""
    """Why it can't be offered, in one line; empty: it can."""

    @property
    def title(self) -> str:
        """Name and version; of a file that can't be read its own name."""
        return f"{self.name} {self.version}" if self.name else self.path.name


class Bundles:
    """What lies in the folder now: looked at with each question, and read once. For any thread."""

    def __init__(self, folder: Path | None = None, url: str = "", requests: Path | None = None) -> None:
        """Keep where they are.

        Args:
            folder: with the files; None: there are none.
            url: by which address agents reach this server: `https://...`.
            requests: a folder with requests for new products; bundles that are answered there can be offered too.

        Raises:
            UsageError: there is no such folder, or agents would fetch them without TLS.
        """
        if folder is not None and not folder.is_dir():
            raise UsageError(f"--bundles {folder}: there is no such folder: make it")
        if folder is not None and not url.startswith("https://"):
            raise UsageError("--agents-url: agents fetch bundles over HTTPS alone: give the address, https://...")
        if requests is not None and not requests.is_dir():
            raise UsageError(f"--requests {requests}: there is no such folder: make it")
        self._folder, self._requests, self._url = folder, requests, url.rstrip("/")
        self._read: dict[tuple[Path, int, int], OfferedBundle] = {}

    @property
    def is_there(self) -> bool:
        """Whether there is a folder."""
        return self._folder is not None

    def every(self) -> list[OfferedBundle]:
        """All of them, the newest files first."""
        if self._folder is None:
            return []
        found = []
        answered = self._requests.glob(f"*/*{SUFFIX}") if self._requests else ()
        for path in (*self._folder.glob(f"*{SUFFIX}"), *answered):
            try:
                told = path.stat()
            except OSError:
                continue  # gone meanwhile
            found.append((told.st_mtime_ns, path, told.st_size))
        newest = sorted(found, reverse=True)[:MAX_BUNDLES]
        kept = {(path, time, size): self._read.get((path, time, size)) or _read(path) for time, path, size in newest}
        self._read = kept
        return list(kept.values())

    def find(self, sha256: str) -> OfferedBundle | None:
        """The one with this SHA-256."""
        return next((one for one in self.every() if sha256 and one.sha256 == sha256), None)

    def command(self, bundle: OfferedBundle, *, force: bool = False) -> ChangeModel:
        """What an agent is told of it; `force`: though it is older than the one in use."""
        url = f"{self._url}/bundles/{bundle.sha256}"
        told = {"name": bundle.name, "version": bundle.version, "size": bundle.size, "sha256": bundle.sha256}
        return ChangeModel.model_validate({**told, "url": url, "force": force})


def _read(path: Path) -> OfferedBundle:
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while part := file.read(CHUNK):
                digest.update(part)
                size += len(part)
        bundle = read_bundle(path)
    except (OSError, KardusError) as error:
        return OfferedBundle(path, size, "", problem=str(error).replace(str(path), path.name))
    manifest, signatures = bundle.manifest, len(bundle.signed_by)
    problem = "" if signatures else f"{path.name}: nobody has signed it: sign it by kardus-export, where the key is"
    return OfferedBundle(
        path, size, digest.hexdigest(), manifest.name, manifest.version, manifest.created, signatures, problem
    )
