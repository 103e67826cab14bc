"""Reads folders that are classes: one for each class, or `train/CLASS`, `val/CLASS` and `test/CLASS`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kardus.contract.manifest import MAX_CLASS_NAME, class_name
from kardus.inference.photo_files import (
    READ_FORMATS,
    FolderContent,
    heic_remedy,
    hidden_note,
    left_out_notes,
    sort_folder,
)
from kardus.support.errors import DataError
from kardus.support.spelling import require_utf8

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""What a split may be called, as a folder or in a table, in any case."""


@dataclass(frozen=True)
class FoundPhoto:
    """A photo in the folder of its class; `split` is empty where no folder marks one."""

    path: Path
    name: str
    split: str


@dataclass(frozen=True)
class ClassFolders:
    """What class folders hold."""

    photos: tuple[FoundPhoto, ...]
    notes: tuple[str, ...]
    """On what is left out, each a line."""


@dataclass(frozen=True)
class _ClassFolder:
    folder: Path
    split: str
    content: FolderContent

    @property
    def name(self) -> str:
        return class_name(self.folder.name)


def read_class_folders(source: Path) -> ClassFolders:
    """The photos of a folder of class folders, or of folders of splits with class folders in them.

    Raises:
        DataError: a folder can't be listed, holds both, has a class none of whose pictures can be read, or a name
            that is too long or isn't UTF-8.
    """
    try:
        return _read(source)
    except OSError as error:
        raise DataError(f"{error.filename}: can't be listed ({error.strerror}): check the folder's rights") from error


def _read(source: Path) -> ClassFolders:
    top = sort_folder(source)
    parts = _parts(source, top)
    divided = any(split for _, _, split in parts)
    classes = [
        _ClassFolder(folder, split, sort_folder(folder)) for _, content, split in parts for folder in content.folders
    ]
    hidden = [
        path for content in (*(part[1] for part in parts), *(own.content for own in classes)) for path in content.hidden
    ]
    notes = (
        *(_beside_splits(source, top) if divided else ()),
        *(note for folder, content, _ in parts for note in _beside_classes(folder, content)),
        *(note for own in classes for note in _of_class(own, classes)),
        *hidden_note(source, (*hidden, *top.hidden) if divided else hidden),
    )
    photos = tuple(FoundPhoto(path, own.name, own.split) for own in classes for path in own.content.photos)
    for photo in photos:
        _require_usable_names(photo)
    return ClassFolders(photos, notes)


def _require_usable_names(photo: FoundPhoto) -> None:
    require_utf8(photo.path)
    if len(photo.name) > MAX_CLASS_NAME:
        folder = photo.path.parent
        raise DataError(f"{folder}: a class's name has at most {MAX_CLASS_NAME} characters: rename the folder")


def _parts(source: Path, top: FolderContent) -> list[tuple[Path, FolderContent, str]]:
    """The folders whose folders are classes, each with its content and its split.

    Raises:
        DataError: some folders of it are classes and some are splits.
    """
    insides = {folder: sort_folder(folder) for folder in top.folders}
    splits = {folder: split for folder in insides if (split := SPLIT_NAMES.get(folder.name.lower()))}
    divided = [folder for folder in splits if _holds_classes(insides[folder])]
    if not divided:
        return [(source, top, "")]
    classes = [folder.name for folder, inside in insides.items() if inside.photos and folder not in divided]
    if classes:
        raise DataError(
            f"{source}: '{divided[0].name}' is divided into classes, and '{classes[0]}' is one: move it into a split"
        )
    return [
        (folder, insides[folder], splits[folder]) for folder in sorted(divided, key=lambda one: _order(splits[one]))
    ]


def _holds_classes(inside: FolderContent) -> bool:
    return not inside.photos and any(sort_folder(folder).pictures for folder in inside.folders)


def _order(split: str) -> int:
    return list(SPLIT_NAMES.values()).index(split)


def _beside_splits(source: Path, top: FolderContent) -> Iterator[str]:
    for folder in top.folders:
        if folder.name.lower() not in SPLIT_NAMES:
            yield f"{source}: '{folder.name}' is none of train, val and test: left out"
    yield from _beside_classes(source, top)


def _beside_classes(folder: Path, content: FolderContent) -> Iterator[str]:
    if content.pictures:
        yield (
            f"{folder}: {len(content.pictures)} photos such as '{content.pictures[0].name}' lie beside the folders of "
            "classes: left out: move them into one"
        )


def _of_class(own: _ClassFolder, classes: Sequence[_ClassFolder]) -> Iterator[str]:
    content = own.content
    if content.unread and not any(other.content.photos for other in classes if other.name == own.name):
        raise DataError(
            f"{own.folder}: '{content.unread[0].name}' is no {READ_FORMATS}: convert the photos of this class"
            f"{heic_remedy(content.unread)}"
        )
    if not content.photos and not content.unread:
        what = "folders" if content.folders else "no photo"
        yield f"{own.folder}: holds {what} and is no class: left out"
    elif content.folders:
        yield f"{own.folder}: '{content.folders[0].name}' is a folder in a class: left out"
    yield from left_out_notes(own.folder, content)
