"""Which files of a folder are photos: by their names. What a file really is shows when it is read."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

HEIC_READER = "pillow_heif"
"""The module that reads HEIC; it comes with the extra `heic`."""
HEIC_SUFFIXES = (".heic", ".heif", ".hif")
_ALWAYS_READ = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".mpo"),
    *(".png", ".webp", ".bmp", ".dib", ".tif", ".tiff"),
)
PHOTO_SUFFIXES = (*_ALWAYS_READ, *(HEIC_SUFFIXES if find_spec(HEIC_READER) else ()))
"""Of the formats that are read here."""
_OTHER_PICTURES = (
    *HEIC_SUFFIXES,
    *(".avif", ".jxl", ".jp2", ".j2k", ".jpf", ".jpx", ".gif", ".apng", ".psd", ".svg", ".ico", ".tga", ".exr"),
    *(".dng", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"),
)
UNREAD_SUFFIXES = tuple(suffix for suffix in _OTHER_PICTURES if suffix not in PHOTO_SUFFIXES)
"""Of pictures that are not: they are named, so that none is left out silently."""
READ_FORMATS = "JPEG, PNG, WebP, BMP or TIFF"
_HOUSEKEEPING = frozenset(
    {
        *(
            "thumbs.db",
            "ehthumbs.db",
            "desktop.ini",
            "$recycle.bin",
            "recycler",
            "system volume information",
        ),  # Windows
        *("__macosx", "icon\r", "network trash folder", "temporary items", "lost.dir"),  # Macs, telephones
        *("picasa.ini", "zbthumbnail.info", "wpsettings.dat"),  # programs that show pictures
        *("@eadir", "@synoresource", "@tmp", "@recently-snapshot", "@recycle"),  # network storage
        *("#recycle", "#snapshot", "~snapshot", "lost+found"),
    }
)
_FOUND_BY_CHKDSK = re.compile(r"found\.\d{3}")


@dataclass(frozen=True)
class FolderContent:
    """What lies in a folder, each kind in the order of names."""

    photos: tuple[Path, ...] = ()
    unread: tuple[Path, ...] = ()
    """Pictures in a format that isn't read."""
    folders: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()
    """No pictures by their names, or links that lead nowhere."""
    hidden: tuple[Path, ...] = ()
    """What an operating system keeps there for itself, such as the `._` files of a Mac."""

    @property
    def pictures(self) -> tuple[Path, ...]:
        """Photos, and pictures that can't be read, in the order of names: for those who name a file as they read it."""
        return tuple(sorted((*self.photos, *self.unread)))


def is_hidden(name: str) -> bool:
    """Whether a file or folder of that name is no user's."""
    lower = name.lower()
    return name.startswith(".") or lower in _HOUSEKEEPING or _FOUND_BY_CHKDSK.fullmatch(lower) is not None


def sort_folder(folder: Path) -> FolderContent:
    """What lies in a folder, sorted by kind.

    Raises:
        OSError: it can't be listed.
    """
    return sort_files(folder.iterdir())


def sort_files(paths: Iterable[Path]) -> FolderContent:
    """As `sort_folder`, of these."""
    found: dict[str, list[Path]] = {"photos": [], "unread": [], "folders": [], "others": [], "hidden": []}
    for path in sorted(paths):
        found[_kind(path)].append(path)
    return FolderContent(**{kind: tuple(own) for kind, own in found.items()})


def left_out_notes(folder: Path, content: FolderContent) -> tuple[str, ...]:
    """What of a folder isn't read, each kind a line with the remedy; hidden files apart."""
    notes = []
    if content.unread:
        notes.append(
            f"{folder}: {len(content.unread)} pictures such as '{content.unread[0].name}' are no {READ_FORMATS}, and "
            f"left out: save them as JPEG{heic_remedy(content.unread)}"
        )
    if content.others:
        notes.append(
            f"{folder}: {len(content.others)} files such as '{content.others[0].name}' are no photos: left out"
        )
    return tuple(notes)


def heic_remedy(unread: Sequence[Path]) -> str:
    """What else can be done about pictures that aren't read; empty where none is HEIC."""
    return ", or install pillow-heif" * any(path.suffix.lower() in HEIC_SUFFIXES for path in unread)


def hidden_note(folder: Path, hidden: Sequence[Path]) -> tuple[str, ...]:
    """How many hidden files are passed over; empty where there are none."""
    if not hidden:
        return ()
    return (f"{folder}: {len(hidden)} hidden files such as '{hidden[0].name}' are left out",)


def _kind(path: Path) -> str:
    if is_hidden(path.name):
        return "hidden"
    if path.is_dir():
        return "folders"
    suffix = path.suffix.lower()
    if path.is_file() and suffix in PHOTO_SUFFIXES:
        return "photos"
    return "unread" if suffix in UNREAD_SUFFIXES else "others"
