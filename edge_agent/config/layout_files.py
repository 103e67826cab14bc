"""A camera's layout file: what was laid out over MQTT, with its earlier revisions. The agent alone writes it.

Written whole and durably, first the file and then its copy: of a torn one the copy is the last good one.
"""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveInt, ValidationError

from kardus.contract.base import Record
from kardus.contract.layouts import Layout, PlacedLocation
from kardus.contract.messages import UtcTime
from kardus.support.errors import ConfigError
from kardus.support.files import make_folder, write_durably

LAYOUTS_FOLDER = "layouts"
KEPT_REVISIONS = 20
"""So many revisions are kept."""
MAX_BYTES = 16_000_000


def _plain(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}\.json", name):
        raise ValueError("it isn't NAME.json, of letters, digits, _ and -: the file lies in data_dir/layouts")
    return name


LayoutName = Annotated[str, AfterValidator(_plain)]
_VIEW_PATTERN = r"^([A-Za-z0-9][A-Za-z0-9_-]{0,99}\.[0-9]{1,16}\.jpg)?$"
log = logging.getLogger("kardus.layouts")


class LayoutRevision(Record):
    """What somebody has laid out."""

    revision: PositiveInt
    """Counts from 1."""
    by: str
    """Who."""
    at: UtcTime
    """When."""
    restored: PositiveInt | None = None
    """The revision that was gone back to; null: it is a new one."""
    view: Annotated[str, Field(pattern=_VIEW_PATTERN)] = ""
    """The commissioning picture's file, beside this one; empty: none was kept."""
    layout: Layout
    """The revision that is used."""


class _Content(Record):
    """The file."""

    schema_version: Literal[1] = 1
    revisions: Annotated[tuple[LayoutRevision, ...], Field(min_length=1)]


class LayoutFile:
    """One camera's."""

    def __init__(self, data_dir: Path, name: str) -> None:
        """Read nothing yet; `name` is the key `layout`."""
        self.path = data_dir / LAYOUTS_FOLDER / name
        self._copy = self.path.with_name(name + ".copy")

    def read(self) -> tuple[LayoutRevision, ...]:
        """Its revisions, the one that holds last; empty: nothing was saved. Of a damaged file those of its copy.

        Raises:
            ConfigError: neither can be read.
        """
        if not self.path.exists():
            return ()
        try:
            return _read(self.path)
        except _UnreadableError as error:
            try:
                found = _read(self._copy)
            except _UnreadableError:
                raise ConfigError(
                    f"{self.path}: {error}, and its copy can't be read either: remove it, and lay the camera out anew"
                ) from error
            log.error("%s: %s: its last good copy holds (revision %d)", self.path, error, found[-1].revision)  # noqa: TRY400
            return found

    def write_view(self, revision: int, view: bytes) -> str:
        """Keep the commissioning picture (JPEG) of a revision that is to be tried; its name.

        Raises:
            DataError: the disk doesn't take it.
        """
        make_folder("agent.data_dir", self.path.parent)
        name = f"{self.path.stem}.{revision}.jpg"
        write_durably(self.path.with_name(name), view)
        return name

    def add(self, revision: LayoutRevision) -> None:
        """Use another revision from now on.

        Raises:
            DataError: the disk doesn't take it; what was there stays as it was.
        """
        kept = (*self.read(), revision)[-KEPT_REVISIONS:]
        make_folder("agent.data_dir", self.path.parent)
        content = _Content(revisions=kept).model_dump_json().encode()
        write_durably(self.path, content)
        write_durably(self._copy, content)
        self._remove_views({one.view for one in kept})

    def remove_view(self, name: str) -> None:
        """Delete the picture of a revision that was refused."""
        if name:
            self.path.with_name(name).unlink(missing_ok=True)

    def _remove_views(self, kept: set[str]) -> None:
        for path in self.path.parent.glob(f"{self.path.stem}.*.jpg"):
            if path.name not in kept:
                path.unlink(missing_ok=True)


def as_keys(revision: LayoutRevision, folder: Path) -> dict[str, Any]:
    """The keys of `[[cameras]]` that a revision stands for; `folder` is that of its file."""
    layout = revision.layout
    return {
        "units": "pixels",
        "picture_size": layout.picture_size,
        "mask": layout.mask,
        "locations": [{"id": one.id, **_places(one)} for one in layout.locations],
        **({"reference": folder.resolve() / revision.view} if revision.view else {}),
    }


def changes(before: Layout | None, after: Layout) -> dict[str, Any]:
    """What differs: the codes that were added, removed and moved, and whether the mask did."""
    known = {one.id: one.facings for one in before.locations} if before else {}
    now = {one.id: one.facings for one in after.locations}
    return {
        "added": sorted(now.keys() - known.keys()),
        "removed": sorted(known.keys() - now.keys()),
        "moved": sorted(code for code in now.keys() & known.keys() if now[code] != known[code]),
        "mask": after.mask != (before.mask if before else ()),
    }


class _UnreadableError(Exception):
    """A file that is torn, or isn't one of these."""


def _places(location: PlacedLocation) -> dict[str, Any]:
    several = len(location.facings) > 1
    return {"facings": location.facings} if several else {"corners": location.facings[0]}


def _read(path: Path) -> tuple[LayoutRevision, ...]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _UnreadableError("too large for a layout")
        found: Sequence[LayoutRevision] = _Content.model_validate_json(path.read_bytes()).revisions
    except OSError as error:
        raise _UnreadableError(f"cannot be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise _UnreadableError(f"no layout: {'.'.join(map(str, first['loc']))} {first['msg']}") from error
    except RecursionError as error:
        raise _UnreadableError("nested too deeply") from error
    numbers = [one.revision for one in found]
    if numbers != sorted(set(numbers)):
        raise _UnreadableError("its revisions don't count up")
    return tuple(found)
