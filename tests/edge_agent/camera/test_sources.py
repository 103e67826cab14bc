"""The contract of every camera source: pictures as they are, a text for what is wrong, never an exception."""

import random
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from edge_agent.camera.source import AttentiveSource, PictureSource
from edge_agent.cameras import open_camera_source
from edge_agent.config.cameras import CameraSection
from kardus.inference.half_decoded import HalfSizePicture
from kardus.inference.part_decoded import GivenPicture, whole_of
from simulator.script import Script, write_script
from tests.cameras import chart, chart_jpeg
from tests.edge_agent.making import damaged
from tests.pictures import encoded

SHADES = (30, 120, 210)
Make = Callable[[Path], PictureSource]


def _open(kind: str, **settings: Any) -> PictureSource:
    location = {"id": "L", "corners": [[0, 0], [1, 0], [1, 1], [0, 1]]}
    source = {"type": kind, **settings}
    return open_camera_source(CameraSection.model_validate({"name": "c", "source": source, "locations": [location]}))


def _picture(path: Path, shade: int) -> None:
    Image.new("RGB", (64, 48), (shade, shade, shade)).save(path)


def _video(path: Path, frames: int = 3) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            pixels = np.full((48, 64, 3), SHADES[number % 3], dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def _sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), dtype=np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _script(path: Path, **stock: str | None) -> Path:
    places = {f"A-01-1-0{position}": None for position in (1, 2)} | stock
    write_script(path, Script(1, 3, places, dict.fromkeys(places), ()))
    return path


def _folder(folder: Path) -> Path:
    folder.mkdir()
    for number, shade in enumerate(SHADES):
        _picture(folder / f"{number}.png", shade)
    return folder


def _file_source(folder: Path) -> PictureSource:
    _picture(folder / "now.png", SHADES[0])
    return _open("file", path=folder / "now.png")


def _simulated(folder: Path, **settings: Any) -> PictureSource:
    script = folder / "s.json"
    if not script.exists():
        _script(script)
    return _open("simulated", **{"levels": 1, "positions": 2, "script": script} | settings)


GOOD: dict[str, Make] = {
    "file": _file_source,
    "folder": lambda folder: _open("folder", path=_folder(folder / "f")),
    "video": lambda folder: _open("video", path=_video(folder / "v.mp4")),
    "simulated": _simulated,
}


def _photo_class(folder: Path, content: bytes) -> Path:
    for name in ("Tea", "Milk"):
        (folder / name).mkdir(parents=True)
        (folder / name / "1.jpg").write_bytes(content)
    return folder


def _corrupt(path: Path, content: bytes = b"no such thing") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


BROKEN: dict[str, tuple[Make, str]] = {
    "file: missing": (lambda f: _open("file", path=f / "gone.jpg"), "gone.jpg"),
    "file: a folder": (lambda f: _open("file", path=f), ""),
    "file: corrupt": (lambda f: _open("file", path=_corrupt(f / "bad.jpg")), "bad.jpg"),
    "file: empty": (lambda f: _open("file", path=_corrupt(f / "bad.jpg", b"")), "bad.jpg"),
    "folder: missing": (lambda f: _open("folder", path=f / "gone"), "gone"),
    "folder: a file": (lambda f: _open("folder", path=_corrupt(f / "bad")), "bad"),
    "folder: empty": (lambda f: _open("folder", path=f), "no picture in it"),
    "folder: corrupt": (lambda f: _open("folder", path=_corrupt(f / "f" / "bad.png").parent), "bad.png"),
    "video: missing": (lambda f: _open("video", path=f / "gone.mp4"), "gone.mp4"),
    "video: a folder": (lambda f: _open("video", path=f), ""),
    "video: corrupt": (lambda f: _open("video", path=_corrupt(f / "bad.mp4")), "bad.mp4"),
    "video: empty": (lambda f: _open("video", path=_corrupt(f / "bad.mp4", b"")), "bad.mp4"),
    "video: sound": (
        lambda f: _open("video", path=_sound(f / "bad.wav")),
        "bad.wav: cannot be read on (no video stream in it)",
    ),
    "simulated: no script": (lambda f: _simulated(f, script=f / "gone.json"), "gone.json"),
    "simulated: corrupt script": (lambda f: _simulated(f, script=_corrupt(f / "bad.json")), "bad.json"),
    "simulated: another rack": (lambda f: _simulated(f, script=_script(f / "b.json", **{"Z-9": None})), "b.json"),
    "simulated: another class": (
        lambda f: _simulated(f, script=_script(f / "b.json", **{"A-01-1-01": "Coffee"})),
        "b.json",
    ),
    "simulated: no photos": (lambda f: _simulated(f, photos=f / "gone"), "gone"),
    "simulated: corrupt photo": (
        lambda f: _simulated(
            f, photos=_photo_class(f / "p", b"bad"), script=_script(f / "b.json", **{"A-01-1-01": "Tea"})
        ),
        "1.jpg",
    ),
    "simulated: rack too small for the demo": (lambda _: _open("simulated", levels=1, positions=2), "2"),
}


def _shade(picture: object) -> int:
    assert isinstance(picture, GivenPicture)
    return int(np.asarray(whole_of(picture)).mean())


@pytest.mark.parametrize("kind", GOOD)
def test_pictures_are_rgb_of_8_bits(tmp_path: Path, kind: str) -> None:
    pictures = list(islice(GOOD[kind](tmp_path).pictures(), 3))
    assert len(pictures) == 3
    for picture in pictures:
        assert not isinstance(picture, str)
        assert whole_of(picture).mode == "RGB"
        assert whole_of(picture).size == picture.size == ((1920, 1080) if kind == "simulated" else (64, 48))


@pytest.mark.parametrize("kind", ["folder", "video", "simulated"])
def test_these_end_after_their_last_picture(tmp_path: Path, kind: str) -> None:
    assert len(list(GOOD[kind](tmp_path).pictures())) == 3


@pytest.mark.parametrize("kind", ["folder", "video"])
def test_pictures_come_in_their_order(tmp_path: Path, kind: str) -> None:
    shades = [_shade(picture) for picture in GOOD[kind](tmp_path).pictures()]
    assert shades == pytest.approx(SHADES, abs=4)


@pytest.mark.parametrize("kind", GOOD)
def test_opening_a_source_reads_nothing_yet(kind: str, tmp_path: Path) -> None:
    settings = {"script": tmp_path / "gone"} if kind == "simulated" else {"path": tmp_path / "gone"}
    _open(kind, **settings)


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_said_in_a_line_that_names_it_and_never_raised(tmp_path: Path, case: str) -> None:
    make, named = BROKEN[case]
    first = next(iter(make(tmp_path).pictures()))
    assert isinstance(first, str)
    assert named in first
    assert len(first.splitlines()) == 1


@pytest.mark.parametrize("case", [case for case in BROKEN if not case.startswith("file")])
def test_a_broken_source_ends(tmp_path: Path, case: str) -> None:
    texts = list(islice(BROKEN[case][0](tmp_path).pictures(), 5))
    assert 1 <= len(texts) < 5
    assert all(isinstance(text, str) for text in texts)


def test_a_file_goes_on_and_shows_what_is_there_now(tmp_path: Path) -> None:
    pictures = GOOD["file"](tmp_path).pictures()
    assert [_shade(next(pictures)) for _ in range(5)] == [SHADES[0]] * 5
    _picture(tmp_path / "now.png", SHADES[2])
    assert _shade(next(pictures)) == SHADES[2]


def test_a_file_that_was_away_for_a_while_comes_back(tmp_path: Path) -> None:
    pictures = GOOD["file"](tmp_path).pictures()
    next(pictures)
    (tmp_path / "now.png").unlink()
    assert isinstance(next(pictures), str)
    _picture(tmp_path / "now.png", SHADES[1])
    assert _shade(next(pictures)) == SHADES[1]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_while_all_rests_a_jpeg_is_decoded_by_half(tmp_path: Path, kind: str) -> None:
    (tmp_path / "f").mkdir()
    for name in ("0.jpg", "1.jpg", "2.jpg"):
        chart().resize((960, 720)).save(tmp_path / "f" / name)
    source = _open(kind, path=tmp_path / "f" / "0.jpg" if kind == "file" else tmp_path / "f")
    assert isinstance(source, AttentiveSource)
    pictures = source.pictures()
    assert isinstance(next(pictures), Image.Image)
    source.attention = "rest"
    given = next(pictures)
    assert isinstance(given, HalfSizePicture)
    assert (given.half.size, given.whole.size) == ((480, 360), (960, 720))
    _corrupt(tmp_path / "f" / ("0.jpg" if kind == "file" else "2.jpg"))
    text = next(pictures)
    assert isinstance(text, str)
    assert text.endswith("check the path, and what writes the picture")


def test_one_bad_picture_of_a_folder_costs_no_other(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "f")
    _corrupt(folder / "1.png")
    (folder / "notes.txt").write_text("no picture")
    first, bad, last = _open("folder", path=folder).pictures()
    assert (_shade(first), _shade(last)) == (SHADES[0], SHADES[2])
    assert isinstance(bad, str)
    assert "1.png" in bad


def test_of_a_folder_hidden_files_are_passed_over_and_pictures_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "f")
    (folder / "._0.png").write_bytes(b"\0\5\x16\7")
    (folder / ".DS_Store").touch()
    (folder / "9.JXL").write_bytes(b"\xff\x0a" + bytes(40))
    *seen, unread = _open("folder", path=folder).pictures()
    assert [_shade(picture) for picture in seen] == list(SHADES[:3])
    assert isinstance(unread, str)
    assert "9.JXL: not a readable picture" in unread


def test_every_nth_frame_is_taken(tmp_path: Path) -> None:
    source = _open("video", path=_video(tmp_path / "v.mp4", frames=7), every=3)
    assert [_shade(picture) for picture in source.pictures()] == pytest.approx([SHADES[0]] * 3, abs=4)


def test_a_jpeg_in_a_video_that_was_cut_off_is_a_reason_and_costs_no_other(tmp_path: Path) -> None:
    """As V4L2 cameras send them, too."""
    whole = chart_jpeg()
    marked = encoded(chart(), "JPEG", quality=95, restart_marker_blocks=1)
    middle = marked[: marked.index(b"\xff\xd1")] + marked[marked.index(b"\xff\xd3") :]
    noughts = marked.replace(b"\0\x3f\0", b"\0\0\0", 1)
    with av.open(str(tmp_path / "v.avi"), "w") as container:
        stream: Any = container.add_stream("mjpeg", rate=5)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuvj420p"
        for number, data in enumerate([whole, whole[:-300], whole[:-300] + b"\xff\xd9", middle, noughts]):
            packet = av.Packet(data)
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 5), number, number
            container.mux(packet)
    first, cut, ended, jumped, last = _open("video", path=tmp_path / "v.avi").pictures()
    assert isinstance(first, GivenPicture)
    assert "cut off" in str(cut)
    assert "cut off" in str(ended)
    assert "cut off" in str(jumped)
    assert isinstance(last, GivenPicture)


def test_a_damaged_video_gives_pictures_or_texts(tmp_path: Path) -> None:
    whole, rng = _video(tmp_path / "v.mp4", frames=6).read_bytes(), random.Random(2)
    path, texts = tmp_path / "bad.mp4", 0
    for _ in range(12):
        path.write_bytes(damaged(whole, rng))
        for picture in islice(_open("video", path=path).pictures(), 20):
            if isinstance(picture, str):
                texts += 1
                assert "bad.mp4" in picture
            else:
                assert whole_of(picture).mode == "RGB"
    assert texts
