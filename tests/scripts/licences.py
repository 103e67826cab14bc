"""Writes docs/licences.md: `python -m tests.scripts.licences`.

What agent and warehouse side bring, and their licences.
"""

import importlib.metadata
import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

EXTRAS = ("agent", "warehouse", "demo")
"""Those that are installed on boxes and servers."""
PAGE = Path(__file__).parents[2] / "docs" / "licences.md"
HEAD = """<!-- Written by `python -m tests.scripts.licences` from the installed packages: don't edit here. -->

# Licences

Kardus is Apache-2.0. Agent and warehouse side (the extras `agent`, `warehouse` and `demo`) bring these packages, by
their own metadata:

| package | licence |
|---|---|
"""
FOOT = """
Wheels carry libraries of their own: `av` FFmpeg (LGPL-3.0-or-later by its own word), built with libx264 and libx265
(GPL-2.0-or-later). Whoever passes an image with it on to others has to offer their sources. The same holds for
`pillow-heif` of the extra `heic`, built with libheif (LGPL) and libx265. Training and export add torch (BSD-3-Clause),
Lightning (Apache-2.0), onnx (Apache-2.0) and what these bring. None of it is part of the agent.
"""
ACCEPTED = re.compile(
    r"Apache|MIT|BSD|ISC|PSF|Python Software Foundation|MPL-2\.0|Mozilla|EPL-2\.0|Unlicense|HPND|0BSD", re.IGNORECASE
)
"""Licences that ask for nothing but to be named (MPL and EPL: for changes to the package itself to be published)."""


def base_packages() -> list[str]:
    """Canonical names of everything that agent and warehouse side bring, Kardus aside."""
    found: set[tuple[str, str]] = set()
    waiting = [("kardus", extra) for extra in ("", *EXTRAS)]
    while waiting:
        package, extra = waiting.pop()
        for text in importlib.metadata.requires(package) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                name = canonicalize_name(requirement.name)
                new = {(name, each) for each in ("", *requirement.extras)} - found
                found |= new
                waiting += new
    return sorted({name for name, _ in found})


def licence(name: str) -> str:
    """A package's licence: the SPDX expression where it has one, else its classifiers, else its words."""
    metadata = importlib.metadata.metadata(name)
    for expression in metadata.get_all("License-Expression", []):
        return str(expression)
    classes = [line.split(" :: ")[-1] for line in metadata.get_all("Classifier", []) if line.startswith("License ::")]
    named = [each for each in classes if each != "OSI Approved"]
    words = [str(text).strip().splitlines()[0] for text in metadata.get_all("License", []) if str(text).strip()]
    return ", ".join(named or words)


def page() -> str:
    """The whole page. Versions stand in constraints.txt."""
    return HEAD + "\n".join(f"| {name} | {licence(name)} |" for name in base_packages()) + "\n" + FOOT


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
