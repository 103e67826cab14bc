"""Codes pictures with an encoder of GStreamer, run by Debian's own Python, which has its bindings.

python3 gst_encode.py RAW SIZE ENCODER OUT: RAW holds I420 pictures one after the other, of this SIZE and rate
(`width=320 height=192 framerate=25/1`), ENCODER is a part of a pipeline (`x264enc key-int-max=50`), OUT becomes a
Matroska file.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402 - after the version was asked for


def main(raw: str, size: str, encoder: str, out: str) -> None:
    """Code all of it."""
    Gst.init(None)
    kind = "h265parse" if encoder.startswith("x265enc") else "h264parse"
    pipeline = Gst.parse_launch(
        f"filesrc location={raw} ! rawvideoparse format=i420 {size} ! {encoder} ! {kind} ! matroskamux ! "
        f"filesink location={out}"
    )
    pipeline.set_state(Gst.State.PLAYING)
    ended = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if ended.type == Gst.MessageType.ERROR:
        sys.exit(str(ended.parse_error()))


if __name__ == "__main__":
    main(*sys.argv[1:])
