"""A decoded frame as it is meant to be seen: its colours as they were coded, its pixels square, the right way up."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from edge_agent.camera.decoding.protocol import StreamRequest
from kardus.inference.geometry import MAX_PIXELS
from kardus.inference.planes import BT601, BT709, CODINGS, Coding

HD_LINES = 720
"""From here on a stream that doesn't say how its colours are coded is taken as BT.709, as players do."""
WIDEST = 4
"""Pixels that are wider or higher than so many times the other way are a mistake of the stream's."""
_UNSPECIFIED = 2
_CODES = {"bt601": Colorspace.ITU601, "bt709": Colorspace.ITU709}
_SHARES = {"bt601": BT601, "bt709": BT709}
_TAGS: dict[int, Literal["bt601", "bt709"]] = {1: "bt709", 5: "bt601", 6: "bt601"}  # ITU-T H.273, matrix coefficients
_FULL_RANGE = 2


@dataclass(frozen=True)
class DecodedFrame:
    """A frame as the decoder gave it, and the shape of its pixels."""

    frame: av.VideoFrame
    pixel_shape: Fraction
    """Width by height of one pixel; 1 where the stream doesn't say."""
    matrix: bytes | None = None
    """How it is to be turned (`Orientation`); None: not at all."""


class Orientation:
    """How a stream's pictures are to be turned: what is said with a key frame holds until the next one.

    A camera that hangs upside down may say so with each picture, or with its key frames alone (ITU-T H.264, D.2.26).
    """

    def __init__(self) -> None:
        """No picture has come."""
        self._matrix: bytes | None = None

    def of(self, frame: av.VideoFrame) -> bytes | None:
        """The display matrix of the next frame: nine numbers of 32 bits."""
        said: Any = frame.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload] # PyAV's stub knows no key
        if said is not None or frame.key_frame:
            self._matrix = bytes(said) if said is not None else None
        return self._matrix


@dataclass(frozen=True)
class DisplayPlanes:
    """A frame's planes, where they are as they are meant to be seen."""

    planes: tuple[NDArray[np.uint8], ...]
    """Luma (height, width), and two of chroma, (height / 2, width / 2)."""
    coding: int
    """Which of `CODINGS`."""


def display_frame(
    decoded: DecodedFrame, stream: StreamRequest, reformatter: VideoReformatter
) -> "DisplayPlanes | NDArray[np.uint8]":
    """A frame's planes if they are as they are meant to be seen, as nearly every camera's are; else its RGB."""
    frame = decoded.frame
    code = _known_code(frame, stream)
    if code is None or _squared(frame.width, frame.height, decoded.pixel_shape) != (frame.width, frame.height):
        return display_rgb(decoded, stream, reformatter)
    if frame.width % 2 or frame.height % 2 or decoded.matrix is not None:
        return display_rgb(decoded, stream, reformatter)
    is_full = frame.format.name == "yuvj420p" or frame.color_range == _FULL_RANGE
    planes = tuple(
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    )
    return DisplayPlanes(planes, CODINGS.index(Coding(*_SHARES[code], is_full)))


def _known_code(frame: av.VideoFrame, stream: StreamRequest) -> Literal["bt601", "bt709"] | None:
    """How the colours of a frame of 4:2:0 are coded; None: in another way."""
    if frame.format.name not in {"yuv420p", "yuvj420p"}:
        return None
    if stream.colour is not None:
        return stream.colour
    return _untagged(frame, stream) if frame.colorspace == _UNSPECIFIED else _TAGS.get(int(frame.colorspace))


def display_rgb(decoded: DecodedFrame, stream: StreamRequest, reformatter: VideoReformatter) -> NDArray[np.uint8]:
    """(height, width, 3) uint8 RGB, contiguous."""
    frame = decoded.frame
    width, height = _squared(frame.width, frame.height, decoded.pixel_shape)
    rgb = reformatter.reformat(
        frame,
        width,
        height,
        "rgb24",
        src_colorspace=_colours(frame, stream),
        interpolation=Interpolation.BICUBIC,
    )
    return np.ascontiguousarray(_turned(rgb.to_ndarray().astype(np.uint8, copy=False), decoded.matrix))


def _squared(width: int, height: int, shape: Fraction) -> tuple[int, int]:
    """The size with square pixels: never fewer of them than there were, either way."""
    if shape == 1 or not Fraction(1, WIDEST) <= shape <= WIDEST:
        return width, height
    squared = (round(width * shape), height) if shape > 1 else (width, round(height / shape))
    return squared if squared[0] * squared[1] <= MAX_PIXELS else (width, height)


def _colours(frame: av.VideoFrame, stream: StreamRequest) -> Colorspace | None:
    """How its colours are coded; None: as the frame says."""
    if frame.format.is_rgb:
        return None
    if stream.colour is not None:
        return _CODES[stream.colour]
    if frame.colorspace != _UNSPECIFIED:
        return None
    return _CODES[_untagged(frame, stream)]


def _untagged(frame: av.VideoFrame, stream: StreamRequest) -> Literal["bt601", "bt709"]:
    """What a frame is taken as that doesn't say."""
    return stream.untagged or ("bt709" if frame.height >= HD_LINES else "bt601")


def _turned(pixels: NDArray[np.uint8], matrix: bytes | None) -> NDArray[np.uint8]:
    """By quarter turns and mirrored, as a display matrix says: x' = a x + c y, y' = b x + d y."""
    if matrix is None:
        return pixels
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    if abs(a) < abs(b):
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
