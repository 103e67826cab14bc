"""Pictures from files: one that something else keeps up to date, or all of a folder."""

from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from edge_agent.camera.attention import Attention
from kardus.inference.part_decoded import GivenPicture
from kardus.inference.photo_files import PHOTO_SUFFIXES, sort_folder
from kardus.inference.preprocess import read_half, read_picture
from kardus.support.errors import DataError


class StillPicture:
    """A picture file, read again for every frame. Never ends."""

    live = False

    def __init__(self, path: Path) -> None:
        """Name the file; it need not be there yet."""
        self.attention: Attention = "moving"
        self._path = path

    def pictures(self) -> Iterator[GivenPicture | str]:
        """The file's picture as it is for each frame, or why it can't be read."""
        while True:
            yield _looked_at(self._path, self.attention)

    def close(self) -> None:
        """Holds nothing."""


class FolderPictures:
    """The pictures of a folder in the order of their names. Ends after the last."""

    live = False

    def __init__(self, folder: Path) -> None:
        """Name the folder."""
        self.attention: Attention = "moving"
        self._folder = folder

    def pictures(self) -> Iterator[GivenPicture | str]:
        """Each picture once, or why it can't be read."""
        try:
            paths = sort_folder(self._folder).pictures
        except OSError as error:
            yield f"{self._folder}: cannot be listed ({error.strerror}): name a folder of pictures"
            return
        if not paths:
            yield f"{self._folder}: no picture in it ({', '.join(PHOTO_SUFFIXES)}): name a folder of pictures"
        for path in paths:
            yield _looked_at(path, self.attention)

    def close(self) -> None:
        """Holds nothing."""


def try_picture(path: Path) -> Image.Image | str:
    """A picture, or why it can't be read."""
    try:
        return read_picture(path)
    except DataError as error:
        return _reason(error)


def _looked_at(path: Path, attention: Attention) -> GivenPicture | str:
    """As `try_picture`, decoded to what is needed."""
    if attention != "rest":
        return try_picture(path)
    try:
        return read_half(path)
    except DataError as error:
        return _reason(error)


def _reason(error: DataError) -> str:
    return f"{error}: check the path, and what writes the picture"
