"""What the options of `kardus-export` that several commands share come to."""

import re
from pathlib import Path

from pydantic import ValidationError

from export.enroll import Release
from export.keys import read_key
from kardus.contract.manifest import VERSION_PATTERN, ClassInfo
from kardus.inference.bundle import Bundle
from kardus.support.errors import UsageError


def require_bundle_name(path: Path) -> None:
    if path.suffix != ".bundle":
        raise UsageError(f"--out {path}: the name must end in .bundle")


def next_release(bundle: Bundle, out_file: Path, version: str, sign: list[Path] | None) -> Release:
    require_bundle_name(out_file)
    if version and not re.fullmatch(VERSION_PATTERN, version):
        raise UsageError(f"--version '{version}': can't be used: use three numbers, such as 1.2.0")
    before = bundle.manifest.version
    major, minor, _ = before.split(".")
    after = version or f"{major}.{int(minor) + 1}.0"
    if [int(part) for part in after.split(".")] <= [int(part) for part in before.split(".")]:
        raise UsageError(f"--version {after}: not above {before}, so that agents would refuse it: name a higher one")
    return Release(out_file, after, [read_key(path) for path in sign or []])


def class_info(**given: str) -> ClassInfo:
    """The new class, as it was described.

    Raises:
        UsageError: a text can't be used; the message names its option.
    """
    for option, text in given.items():
        if text != text.strip() or not text.isprintable():
            raise UsageError(f"--{option} {text!r}: blanks around it, or something that can't be printed: leave it out")
    try:
        return ClassInfo(**given)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{first['loc'][0]}: {first['msg']}: name it otherwise") from error
