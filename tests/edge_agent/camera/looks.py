"""An agent that looks at a coded stream, in the stream's own time."""

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av

from edge_agent.camera.attention import Attention
from edge_agent.camera.decoding.display_frame import DecodedFrame
from edge_agent.camera.decoding.live import LiveDecoder
from edge_agent.camera.decoding.protocol import StreamRequest
from edge_agent.camera.rest.slices import VideoPacket
from tests.edge_agent.camera.coded_streams import RATE


@dataclass
class Looks:
    """An agent that looks every second, and what it was given."""

    every: LiveDecoder
    now_s: float = 0.0
    shown: list[tuple[float, float]] = field(default_factory=list)
    """When it asked, and of when the picture is."""

    def play(self, path: Path, attention: Attention = "rest", interval: int = 1) -> "Looks":
        """Take the packets in their own time; a picture is asked for after so many of them, where there may be one."""
        with av.open(str(path)) as container:
            for number, packet in enumerate(container.demux(container.streams.video[0])):
                self.now_s = max(self.now_s + 1 / RATE, _sent_s(packet))
                self.every.take_packet(packet)
                if packet.size and number % interval == 0:
                    self.look(attention)
        return self

    def look(self, attention: Attention) -> None:
        """Ask for a picture, where there may be one."""
        found = self.every.take(attention, 0) if self.every._is_resting or self.every._newest else None
        if isinstance(found, DecodedFrame):
            self.shown.append((self.now_s, float(found.frame.time or 0)))

    def between(self, since_s: float, until_s: float) -> list[tuple[float, float]]:
        """What was given in this time."""
        return [(asked, of) for asked, of in self.shown if since_s <= asked < until_s]


def _sent_s(packet: VideoPacket) -> float:
    """When a packet was sent, where that is known: one frame after another, but for those that never were."""
    return 0.0 if packet.dts is None else float(packet.dts * packet.time_base)


def looks_at(decoded: str = "auto") -> Looks:
    """An agent of a stream that is decoded so."""
    looks = Looks(LiveDecoder(StreamRequest("", decoded=decoded), lambda: looks.now_s))  # type: ignore[arg-type]
    return looks


@contextlib.contextmanager
def open_packets(path: Path) -> Iterator[Iterator[VideoPacket]]:
    """A stream's packets, while this is open: a packet that is decoded after it may crash the process."""
    with av.open(str(path)) as container:
        yield container.demux(container.streams.video[0])


@contextlib.contextmanager
def played_until(looks: Looks, path: Path, until_s: float) -> Iterator[None]:
    """A stream, open as long as this is, whose pictures are asked for until two seconds before then."""
    with av.open(str(path)) as container:
        packets = container.demux(container.streams.video[0])
        for packet in itertools.islice(packets, round(until_s * RATE)):
            looks.now_s += 1 / RATE
            looks.every.take_packet(packet)
            if looks.now_s < until_s - 2:
                looks.look("rest")
        yield
