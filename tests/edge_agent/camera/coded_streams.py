"""Streams of a still chart with a sensor's noise, in which a carton slides in after `MOVES_S`, coded in many ways.

They are the same on every machine: encoders cut pictures into as many slices as there are processors, which gives other
sizes.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from av.video.frame import PictureType
from numpy.typing import NDArray

from tests.cameras import chart

ENCODE = Path(__file__).parents[2] / "gst_encode.py"
WIDTH, HEIGHT, RATE = 320, 192, 25
CALM_S, MOVES_S, MOVED_S, ENDS_S = 14.0, 24.0, 25.5, 34.0
"""All is learnt by the first: five courses of key frames that come every 2 s, and `RESTS_AFTER_S`."""
ALONE, ALONE_265 = {"threads": "1"}, "log-level=none:pools=none:frame-threads=1"
BOTH_WAYS = f"{ALONE_265}:bframes=2"
QUICK = {"preset": "ultrafast", "tune": "zerolatency"}
OF_GSTREAMER = "speed-preset=ultrafast key-int-max=50"


@dataclass(frozen=True)
class Coded:
    """How a stream is made."""

    codec: str
    options: dict[str, str] = field(default_factory=dict)
    key_every_s: float = 2.0
    bits_a_second: int = 0
    strays: float = 0.0
    """So much of the time at rest, at most, is decoded in full, since sizes stray by chance."""
    lost: float = 0.0
    """So many of the frames were never sent, at random: the rate varies."""
    keys_s: tuple[float, ...] = ()
    """More key frames, at these times."""


SPARING = {
    "x264": Coded("libx264", QUICK | {"crf": "28"}),
    "x264 in a noise that is sent": Coded("libx264", QUICK | {"crf": "18"}, strays=0.5),
    "x264, key frames every 3 s": Coded("libx264", QUICK | {"crf": "28"}, 3.0),
    "x264 with B-frames": Coded("libx264", {"preset": "superfast", "crf": "26", "bf": "2"}, strays=0.5),
    "x264 at a rate that varies": Coded("libx264", QUICK | {"crf": "28"}, 3.0, lost=0.35, strays=0.5),
    "x265": Coded("libx265", QUICK | {"crf": "28", "x265-params": ALONE_265}, strays=0.5),
    "x265 with B-frames": Coded("libx265", {"preset": "ultrafast", "crf": "28", "x265-params": BOTH_WAYS}, strays=0.5),
    "GStreamer's x264": Coded(f"x264enc {OF_GSTREAMER} pass=qual quantizer=28 bframes=0 threads=1"),
    "GStreamer's x264 with B-frames": Coded(
        f"x264enc {OF_GSTREAMER} pass=qual quantizer=28 bframes=2 threads=1", strays=0.5
    ),
    "GStreamer's x265": Coded(f"x265enc {OF_GSTREAMER} option-string=crf=28:pools=none:frame-threads=1", strays=0.5),
}
"""At rest key frames alone are decoded of these, ..."""
ONE_KEY = QUICK | {"crf": "28", "sc_threshold": "0", "forced-idr": "1"}
HELD = QUICK | {"maxrate": "500k", "bufsize": "250k"}
WHOLE = {
    "x264 at a held rate, key frames every 4 s": Coded("libx264", HELD, 4.0, 500_000),
    "x264, key frames every 8 s": Coded("libx264", QUICK | {"crf": "28"}, 8.0),
    "x264, one key frame in minutes": Coded("libx264", ONE_KEY, 600.0),
    "x264, key frames that become seldom": Coded("libx264", ONE_KEY, 600.0, keys_s=(2, 4, 6, 8)),
    "x265, one key frame in minutes": Coded(
        "libx265", QUICK | {"crf": "28", "x265-params": f"{ALONE_265}:scenecut=0"}, 600.0
    ),
    "x264, refreshed bit by bit": Coded("libx264", QUICK | {"crf": "28", "x264-params": "intra-refresh=1"}),
    "x264, interlaced": Coded("libx264", {"preset": "ultrafast", "crf": "28", "flags": "+ildct+ilme"}),
}
"""... and of these every frame."""


@cache
def _noises() -> list[NDArray[np.int16]]:
    rng = np.random.default_rng(0)
    return [rng.normal(0, 3, (HEIGHT, WIDTH, 3)).astype(np.int16) for _ in range(8)]


def _frame(number: int) -> NDArray[np.uint8]:
    at_s = number / RATE
    picture = np.asarray(chart(WIDTH, HEIGHT)).astype(np.int16)
    if at_s >= MOVES_S:
        left = round(20 + 100 * min(1.0, (at_s - MOVES_S) / (MOVED_S - MOVES_S)))
        picture[80:112, left : left + 28] = np.asarray(chart(28, 32))[:, ::-1]
    noisy: NDArray[np.int16] = picture + np.roll(_noises()[number % 8], number * 37, 1)
    return noisy.clip(0, 255).astype(np.uint8)


def _frames(coded: Coded) -> Iterator[av.VideoFrame]:
    """Those that are sent, each with its time."""
    rng, count = np.random.default_rng(1), round(ENDS_S * RATE)
    for number in np.flatnonzero(rng.random(count) >= coded.lost).tolist():
        frame = av.VideoFrame.from_ndarray(_frame(number), "rgb24")
        frame.pts, frame.time_base = number, Fraction(1, RATE)
        if number in {round(at_s * RATE) for at_s in coded.keys_s}:
            frame.pict_type = PictureType.I
        yield frame


def write_stream(path: Path, coded: Coded) -> Path:
    """Write a stream of this kind; its path."""
    if coded.codec.startswith("x26"):
        return _write_by_gstreamer(path, coded)
    with av.open(str(path), "w") as out:
        video = out.add_stream(coded.codec, rate=RATE, options=ALONE | coded.options)
        assert isinstance(video, av.VideoStream)
        video.width, video.height = WIDTH, HEIGHT
        video.pix_fmt = "yuvj420p" if coded.codec == "mjpeg" else "yuv420p"
        video.gop_size = round(coded.key_every_s * RATE * (1 - coded.lost))
        if coded.bits_a_second:
            video.bit_rate = coded.bits_a_second
        for frame in _frames(coded):
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return path


def _write_by_gstreamer(path: Path, coded: Coded) -> Path:
    raw = path.with_suffix(".raw")
    with raw.open("wb") as file:
        for frame in _frames(coded):
            file.write(frame.reformat(format="yuv420p").to_ndarray().tobytes())
    size = f"width={WIDTH} height={HEIGHT} framerate={RATE}/1"
    subprocess.run(["/usr/bin/python3", str(ENCODE), str(raw), size, coded.codec, str(path)], check=True)
    raw.unlink()
    return path
