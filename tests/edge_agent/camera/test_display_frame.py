"""Video is shown as it is meant to be: the right way up, pixels square, no combs, colours as in the same JPEG."""

import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from edge_agent.cameras import open_camera_source
from edge_agent.config.cameras import CameraSection
from kardus.inference.part_decoded import GivenPicture, whole_of
from kardus.inference.preprocess import decode_picture
from tests.cameras import chart

Pixels = NDArray[np.uint8]
SD, HD = (320, 240), (1280, 720)
LEVELS = 3
"""How far a colour in the middle of a field may lie from the same JPEG's."""


def _video(
    path: Path,
    pictures: list[Pixels],
    *,
    code: Colorspace = Colorspace.ITU601,
    levels: ColorRange = ColorRange.MPEG,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    prepare: Callable[[VideoStream], Any] = lambda _: None,
) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=5, options=options or {"crf": "0", "preset": "ultrafast"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        prepare(stream)
        for number, pixels in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = frame.reformat(
                format="yuv420p",
                dst_colorspace=code,
                dst_color_range=levels,
                interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND,
            )
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _shown(path: Path, **settings: Any) -> list[Pixels]:
    location = {"id": "L", "corners": [[0, 0], [1, 0], [1, 1], [0, 1]]}
    source = {"type": "video", "path": str(path), **settings}
    section = CameraSection.model_validate({"name": "c", "source": source, "locations": [location]})
    return list(_pixels(open_camera_source(section).pictures()))


def _pixels(pictures: Iterator[object]) -> Iterator[Pixels]:
    for picture in pictures:
        assert isinstance(picture, GivenPicture), picture
        yield np.asarray(whole_of(picture))


def _jpeg(picture: Image.Image) -> Pixels:
    """The same as JPEG, read back."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=98, subsampling=0)
    return np.asarray(decode_picture(buffer.getvalue(), "chart"))


def _differs(found: Pixels, picture: Image.Image) -> int:
    """By how many levels at most, in the middle of the chart's fields of 16 pixels."""
    assert found.shape[1::-1] == picture.size
    middle = slice(8, None, 16)
    return int(np.abs(found[middle, middle].astype(int) - _jpeg(picture)[middle, middle]).max())


CODED: dict[str, tuple[tuple[int, int], Colorspace, int | None, dict[str, str]]] = {
    "HD without a tag": (HD, Colorspace.ITU709, None, {}),
    "SD without a tag": (SD, Colorspace.ITU601, None, {}),
    "HD, tagged BT.709": (HD, Colorspace.ITU709, 1, {}),
    "HD, tagged BT.601": (HD, Colorspace.ITU601, 6, {}),
    "SD, tagged BT.709": (SD, Colorspace.ITU709, 1, {}),
    "HD without a tag, told": (HD, Colorspace.ITU601, None, {"colour": "bt601"}),
    "SD without a tag, told": (SD, Colorspace.ITU709, None, {"colour": "bt709"}),
    "HD, wrongly tagged, told": (HD, Colorspace.ITU709, 6, {"colour": "bt709"}),
}


@pytest.mark.parametrize("case", CODED)
def test_colours_are_the_same_as_in_a_jpeg(tmp_path: Path, case: str) -> None:
    size, code, tag, settings = CODED[case]
    picture = chart(*size)

    def prepare(stream: VideoStream) -> None:
        if tag is not None:
            stream.codec_context.colorspace = tag

    path = _video(
        tmp_path / "v.mp4",
        [np.asarray(picture)],
        code=code,
        prepare=prepare,
    )
    (found,) = _shown(path, **settings)
    assert _differs(found, picture) <= LEVELS


def test_the_full_range_of_levels_is_known_by_its_tag(tmp_path: Path) -> None:
    """As most network cameras code it."""

    def prepare(stream: VideoStream) -> None:
        stream.codec_context.color_range = ColorRange.JPEG

    picture = chart(*SD)
    path = _video(tmp_path / "v.ts", [np.asarray(picture)], levels=ColorRange.JPEG, prepare=prepare)
    (found,) = _shown(path)
    assert _differs(found, picture) <= LEVELS


@pytest.mark.parametrize("degrees", [0, 90, 180, 270, -90])
def test_a_turned_video_is_shown_upright(tmp_path: Path, degrees: int) -> None:
    """As FFmpeg's players turn it: by its display matrix, anticlockwise."""
    picture = chart(*SD)
    path = _video(
        tmp_path / "v.mp4", [np.asarray(picture)], prepare=lambda stream: stream.set_display_rotation(degrees)
    )
    (found,) = _shown(path)
    assert _differs(found, picture.rotate(degrees, expand=True)) <= LEVELS


TURNED = b"\0\0\0\1\x06\x2f\x03\x08\x00\x09\x80"
"""A message in H.264 (ITU-T H.264, D.1.26): a quarter turn anticlockwise, until the next key frame."""


def test_what_a_key_frame_says_of_its_turn_holds_until_the_next(tmp_path: Path) -> None:
    """A camera that hangs on its side says so with its key frames alone."""
    coder: Any = av.CodecContext.create("libx264", "w")
    coder.width, coder.height, coder.pix_fmt, coder.time_base = *SD, "yuv420p", Fraction(1, 5)
    coder.options = {"crf": "0", "preset": "ultrafast", "tune": "zerolatency", "g": "4", "sc_threshold": "0"}
    picture, coded = chart(*SD), b""
    for number in range(12):
        frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
        frame.pts, frame.time_base = number, coder.time_base
        for packet in coder.encode(frame):
            coded += TURNED * (packet.is_keyframe and number < 8) + bytes(packet)
    (tmp_path / "v.h264").write_bytes(coded)
    shown = _shown(tmp_path / "v.h264")
    upright, turned = (SD[1], SD[0], 3), (*SD, 3)
    assert [pixels.shape for pixels in shown] == [turned] * 8 + [upright] * 4
    assert _differs(shown[5], picture.rotate(90, expand=True)) <= 30  # its colours aren't coded as the chart's are


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((-1, 0, 0, 1), Image.Transpose.FLIP_LEFT_RIGHT),
        ((1, 0, 0, -1), Image.Transpose.FLIP_TOP_BOTTOM),
        ((0, 1, 1, 0), Image.Transpose.TRANSPOSE),
        ((0, -1, -1, 0), Image.Transpose.TRANSVERSE),
    ],
)
def test_a_mirrored_video_is_mirrored_back(
    tmp_path: Path, matrix: tuple[int, int, int, int], shown: Image.Transpose
) -> None:
    picture = chart(*SD)
    a, b, c, d = (65536 * value for value in matrix)
    path = _video(
        tmp_path / "v.mp4",
        [np.asarray(picture)],
        prepare=lambda stream: stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30]),
    )
    (found,) = _shown(path)
    assert _differs(found, picture.transpose(shown)) <= LEVELS


@pytest.mark.parametrize("name", ["v.mp4", "v.ts"])
@pytest.mark.parametrize(
    ("shape", "size"),
    [
        (Fraction(4, 3), (427, 240)),
        (Fraction(8, 9), (320, 270)),
        (Fraction(1), SD),
        (Fraction(100), SD),
        (Fraction(1, 100), SD),
    ],
)
def test_pixels_are_made_square_and_never_fewer(
    tmp_path: Path, name: str, shape: Fraction, size: tuple[int, int]
) -> None:
    picture = chart(*SD)

    def prepare(stream: VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = shape

    (found,) = _shown(_video(tmp_path / name, [np.asarray(picture)], prepare=prepare))
    assert found.shape[1::-1] == size
    stretched = np.asarray(picture.resize(size, Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(found.astype(int) - stretched).mean() < 10


def test_a_video_that_is_turned_and_not_square_is_both(tmp_path: Path) -> None:
    def prepare(stream: VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        stream.set_display_rotation(90)

    (found,) = _shown(_video(tmp_path / "v.mp4", [np.asarray(chart(*SD))], prepare=prepare))
    assert found.shape == (427, 240, 3)


def _interlaced(path: Path, pictures: list[tuple[Pixels, Pixels]], codec: str, options: dict[str, str]) -> Path:
    """Each of two moments: the first's even lines, the second's odd ones."""
    woven = [np.where((np.arange(first.shape[0]) % 2)[:, None, None], second, first) for first, second in pictures]
    return _video(path, [picture.astype(np.uint8) for picture in woven], codec=codec, options=options)


def _bar(left: int) -> Pixels:
    pixels = np.full((96, 160, 3), 40, np.uint8)
    pixels[20:76, left : left + 30] = 220
    return pixels


def _combs(pixels: Pixels) -> int:
    """How far at most a line lies from the mean of its neighbours, inside the bar's height."""
    lines = pixels[24:72, :, 1].astype(int)
    return int(np.abs(2 * lines[1:-1] - lines[:-2] - lines[2:]).max())


INTERLACED = {
    "h264": ("libx264", {"crf": "3", "x264-params": "interlaced=1:tff=1"}),
    "mpeg2": ("mpeg2video", {"b": "8000000", "flags": "+ildct+ilme", "top": "1"}),
}


@pytest.mark.parametrize("case", INTERLACED)
def test_an_interlaced_video_has_no_combs_and_as_many_pictures(tmp_path: Path, case: str) -> None:
    moments = [(_bar(10 + 16 * number), _bar(18 + 16 * number)) for number in range(7)]
    found = _shown(_interlaced(tmp_path / "v.ts", moments, *INTERLACED[case]))
    assert len(found) == 7
    assert max(_combs(pixels) for pixels in found[1:-1]) < 60
    lefts = [int(np.argmax(pixels[48, :, 1] > 130)) for pixels in found]
    assert lefts == pytest.approx([10 + 16 * number for number in range(7)], abs=9)


def test_what_stands_still_keeps_every_line_of_an_interlaced_video(tmp_path: Path) -> None:
    lines = np.repeat(np.where(np.arange(96) % 8 < 4, 60, 180).astype(np.uint8)[:, None], 160, axis=1)
    still = np.stack([lines] * 3, axis=2)
    found = _shown(_interlaced(tmp_path / "v.ts", [(still, still)] * 5, *INTERLACED["h264"]))
    assert np.abs(found[2].astype(int) - still).max() <= 2 * LEVELS


def test_a_progressive_video_gives_each_frame_as_it_comes(tmp_path: Path) -> None:
    found = _shown(_video(tmp_path / "v.mp4", [_bar(10 + 16 * number) for number in range(5)]))
    assert [int(np.argmax(pixels[48, :, 1] > 130)) for pixels in found] == [10, 26, 42, 58, 74]
