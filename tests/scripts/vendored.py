"""Are the page's vendored scripts what their packages hold? python -m tests.scripts.vendored (asks the npm registry).

Each line of the table in VENDORED.md names a file, its package and version, and a SHA-256; all three must agree.
"""

import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

STATIC = Path(__file__).parents[2] / "warehouse" / "console" / "pages" / "static"
LINE = re.compile(r"\| `([^`]+)` \| `([^`]+)`, `([^`]+)` \| ([0-9.]+) \| [^|]* \| `([0-9a-f]{64})` \|")
"""File, package, path in it, version, SHA-256."""


def main() -> int:
    """Print what differs; 1 if anything does."""
    problems = 0
    for name, package, inner, version, digest in LINE.findall((STATIC / "VENDORED.md").read_text(encoding="utf-8")):
        here = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
        there = hashlib.sha256(_packed(package, version, inner)).hexdigest()
        agrees = here == there == digest
        problems += not agrees
        print(f"{name}: {'as' if agrees else 'NOT as'} in {package} {version}")
    return int(problems > 0)


def _packed(package: str, version: str, inner: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"{package}@{version}", "--pack-destination", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as package_file:
            member = package_file.extractfile(f"package/{inner}")
            assert member, f"{package} has no {inner}"
            return member.read()


if __name__ == "__main__":
    sys.exit(main())
