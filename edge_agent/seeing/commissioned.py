"""What was laid down when a camera was commissioned: its pictures, and the size that its corners belong to."""

from pathlib import Path

from edge_agent.config.cameras import CameraSection, PictureSize
from kardus.inference.preprocess import Pixels, read_photo
from kardus.support.errors import ConfigError, DataError

SAME_SHAPE = 0.01
"""By so much two pictures' ratios of width to height may differ: 1920 x 1088 is 1920 x 1080 with a coder's margin."""


class Commissioned:
    """One camera's pictures from its commissioning."""

    def __init__(self, camera: CameraSection) -> None:
        """Read them.

        Raises:
            ConfigError: one can't be read, or is of another shape; the message names camera, key and remedy.
        """
        self.reference = _read(camera, "reference", camera.reference)
        """(height, width, 3) uint8 RGB; None where none is configured."""
        self.empty_picture = _read(camera, "empty_picture", camera.empty_picture)
        """As `reference`."""
        self.size = camera.picture_size
        """Width and height of the picture in which the corners were laid out; None: it isn't known."""
        if self.size is None:
            self.size = _size(self.reference)
        self._require_one_shape(camera)

    def _require_one_shape(self, camera: CameraSection) -> None:
        """A picture of another shape shows other places than the corners', and would be squeezed into them."""
        shape = self.size or _size(self.reference)
        for key, picture in (("reference", self.reference), ("empty_picture", self.empty_picture)):
            own = _size(picture)
            if shape and own and not _is_alike(shape, *own):
                option = " --empty" if key == "empty_picture" else ""
                raise ConfigError(
                    f"cameras '{camera.name}': {key} is {own[0]} x {own[1]}, and its locations were laid out at "
                    f"{shape[0]} x {shape[1]}, a picture of another shape: take it again (kardus-agent slots "
                    f"snapshot{option}), or leave the key out"
                )


def other_shape(size: PictureSize | None, width: int, height: int) -> str:
    """Why slots laid out in a picture of one size have no place in another one, in words; empty if they have."""
    if size is None or _is_alike(size, width, height):
        return ""
    return (
        f"its picture is {width} x {height}, and its locations were laid out at {size[0]} x {size[1]}, a picture of "
        "another shape: set the camera's resolution back, or lay them out anew (reference, picture_size)"
    )


def _is_alike(size: PictureSize, width: int, height: int) -> bool:
    return abs(width * size[1] / (height * size[0]) - 1) <= SAME_SHAPE


def _size(picture: Pixels | None) -> PictureSize | None:
    """Width and height."""
    return None if picture is None else (picture.shape[1], picture.shape[0])


def _read(camera: CameraSection, key: str, path: Path | None) -> Pixels | None:
    if path is None:
        return None
    try:
        return read_photo(path)
    except DataError as error:
        reason = str(error).removeprefix(f"{path}: ")
        option = " --empty" if key == "empty_picture" else ""
        raise ConfigError(
            f"cameras '{camera.name}': {key} = {path}: {reason}: take it again (kardus-agent slots snapshot{option}), "
            "or leave the key out"
        ) from error
