"""Decodes a live stream, in the decoding process: all of it, or what has to be while nothing moves.

One thread takes the packets apart as they come (`follow`), the other asks for pictures (`take`). Whoever has work for
FFmpeg's decoder holds the lock. At rest packets are kept from the last key frame on, so that every frame can be decoded
again at once: they are caught up with in a fraction of a second.

    every frame  -- key frames are enough -->  rest: a key frame is decoded when a picture is asked for
                 <-- they aren't any more --   the packets since the last key frame are caught up with
"""

import contextlib
import threading
import time
from collections.abc import Callable

import av
from av.error import FFmpegError
from av.video.stream import VideoStream

from edge_agent.camera.decoding import Attention, StreamRequest
from edge_agent.camera.deinterlacing import Deinterlacer
from edge_agent.camera.display_frame import DecodedFrame, Orientation
from edge_agent.camera.errors import StreamEndedError
from edge_agent.camera.latest_item import FRESH_S
from edge_agent.camera.refusals import explained
from edge_agent.camera.rest import SELDOM_S, Rest
from edge_agent.camera.slices import VideoPacket, joined
from edge_agent.camera.stream_time import StreamTime
from edge_agent.camera.tunnel import tunnelled
from edge_agent.camera.video import checked, decode_packet, in_time, opened, seen_frame

OLDEST_S = SELDOM_S
"""A key frame that waits to be asked for is given up to this age where sizes tell: had anything moved since, rest would
have ended. Else up to FRESH_S."""
KEPT_BYTES = 32_000_000
"""With more to catch up with, it is better to decode as it comes."""
CATCH_UP_S = 2.0
"""Nor may it take longer, by what a frame took of late: nothing is read meanwhile, and no picture is of now."""
OF_LATE = 0.02
"""The share of the newest in that mean."""


class LiveDecoder:
    """The newest picture of a live stream, each given once."""

    def __init__(
        self,
        stream: StreamRequest,
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] = time.process_time,
    ) -> None:
        """Nothing is opened yet; see `follow`.

        `clock` gives seconds and never jumps; `spent` gives this process's time: by the clock a frame takes longer the
        more other streams are decoded beside it, and then none of them could come to rest any more.
        """
        self._stream = stream
        self._clock, self._spent = clock, spent
        self._changed = threading.Condition()
        self._rest, self._time = Rest(), StreamTime()
        self._is_resting = stream.decoded == "keyframes"
        self._intra: bool | None = None
        """As the stream's codec says; None: it wasn't asked yet."""
        self._is_alone = False
        """Whether each packet is a picture by itself, and is decoded when one is asked for."""
        self._newest: DecodedFrame | str | None = None
        self._newest_s = 0.0
        """When the packet had come that showed it."""
        self._key: tuple[VideoPacket, float] | None = None
        """What can be decoded by itself and was not given yet, and when it came."""
        self._since_key: list[VideoPacket] = []
        self._kept_bytes = self._most_kept = 0
        """How large those are, and how many there were up to the key frame before, or are by now."""
        self._frame_s = 0.0
        """How long it takes to decode one, of late."""
        self.age_s = 0.0
        """How long ago what was last given had come."""
        self._end: str | None = None
        self._packet_s = float("-inf")
        """When the last packet came."""
        self._deinterlacer: Deinterlacer | None = None
        self._orientation = Orientation()

    def follow(self) -> None:
        """Take the stream's packets as they come, until it ends.

        Raises:
            FFmpegError, NoAnswerError: it can't be opened, read or decoded.
            OSError: its camera can't be reached, or isn't the one that it should be.
            ValueError: it has no video, too large a picture, or falls silent.
        """
        with contextlib.ExitStack() as until_its_end:
            address = until_its_end.enter_context(tunnelled(self._stream))
            try:
                container = until_its_end.enter_context(opened(self._stream, address))
            except FFmpegError as error:
                raise explained(error, self._stream) from error
            until_its_end.callback(self._leave)
            video = container.streams.video[0]
            for packet in joined(in_time(container.demux(video), self._stream.timeout_s)):
                self.take_packet(packet)

    def take_packet(self, packet: VideoPacket) -> None:
        """A packet has come: decode it, or keep it for later.

        Raises:
            FFmpegError: it can't be decoded.
            ValueError: its picture is too large.
        """
        with self._changed:
            if not packet.size:
                return  # FFmpeg's mark of the end
            self._packet_s = came_s = self._clock()
            if self._stream.decoded == "auto":
                self._rest.at_s = self._time.of(packet, came_s)
            self._is_alone = self._is_intra(packet) and self._rest.are_keys_whole
            if self._is_alone:
                self._newest, self._key = None, (packet, came_s)  # what was decoded before is older
            else:
                self._take(packet, came_s)
            if self._newest is not None or self._key is not None:
                self._changed.notify()  # else whoever waits would be woken 25 times a second for nothing

    def _is_intra(self, packet: VideoPacket) -> bool:
        """Whether each packet of the stream is a picture by itself, and that is made use of."""
        if self._stream.decoded != "auto":
            return False
        if self._intra is None:
            self._intra = packet.stream.codec_context.codec.intra_only
        return self._intra

    def _leave(self) -> None:
        """Decode nothing more: what packets say of their stream is gone once it is closed, and reading it crashes."""
        with self._changed:
            self._since_key = []
            if self._newest is not None:
                self._key = None
            with contextlib.suppress(FFmpegError, ValueError):  # why the stream ends is what is told
                self._decode_key()

    @property
    def rests(self) -> bool:
        """Whether no frame is decoded but what is given."""
        return self._is_resting or self._is_alone

    def end(self, reason: str) -> None:
        """Nothing more will come."""
        with self._changed:
            self._end = reason
            self._changed.notify()

    def take(self, attention: Attention, wait_s: float) -> DecodedFrame | str | None:
        """A picture that wasn't given yet, or why there is none; None: none has come in `wait_s`, and all rests.

        Raises:
            StreamEndedError: none will come.
            FFmpegError, ValueError: as `follow`.
        """
        deadline = self._clock() + wait_s
        with self._changed:
            self._rest.attend(attention, is_resting=self._is_resting)
            if self._clock() - self._packet_s > FRESH_S:
                self._newest = self._key = None  # of a camera that stalls: it shows nothing of now
            elif attention != "rest" and self._is_resting and len(self._since_key) > 1:
                self._catch_up(self._since_key[-1].stream)  # whoever wants more wants it of now
            while True:
                found = self._waiting()
                if found is not None:
                    return found
                if self._end is not None:
                    raise StreamEndedError(self._end)
                left_s = deadline - self._clock() if self._is_resting else None
                if left_s is not None and left_s <= 0:
                    return None
                self._changed.wait(left_s)

    def _waiting(self) -> DecodedFrame | str | None:
        """What is there to be given; it counts as given."""
        if self._end is not None and self._clock() - self._packet_s > FRESH_S:
            self._newest = self._key = None  # of a camera that is gone: it shows nothing of now
        self._decode_key()
        found, self._newest = self._newest, None
        self.age_s = self._clock() - self._newest_s
        return found

    def _decode_key(self) -> None:
        """What can be decoded by itself, where nothing newer waits and it isn't too old."""
        if self._newest is None and self._key is not None:
            (packet, came_s), self._key = self._key, None
            if not self._is_resting or self._clock() - came_s <= self._oldest_s:
                self._decode_alone(packet, came_s)

    @property
    def _oldest_s(self) -> float:
        """Up to which age a key frame is given while all rests."""
        return OLDEST_S if self._stream.decoded == "auto" and self._rest.sizes_tell else FRESH_S

    def _take(self, packet: VideoPacket, came_s: float) -> None:
        if self._stream.decoded == "all":
            self._decode(packet)
        elif self._stream.decoded == "auto":
            self._rest.take(packet.size, self._rest.at_s, is_key=packet.is_keyframe)
            self._keep(packet)
            self._take_in_turn(packet, came_s)
        elif packet.is_keyframe:
            self._key = packet, came_s

    def _take_in_turn(self, packet: VideoPacket, came_s: float) -> None:
        """Rest, decode, or go over to the other."""
        is_soon_done = self._kept_bytes <= KEPT_BYTES and self._most_kept * self._frame_s <= CATCH_UP_S
        is_enough = self._rest.is_enough(self._rest.at_s) and is_soon_done
        if self._is_resting and not is_enough:
            self._catch_up(packet.stream)
        elif is_enough and packet.is_keyframe:
            self._is_resting, self._key = True, (packet, came_s)
            self._newest = None  # it is older, and would have the key frame wait until the next but one request
        elif not self._is_resting:
            self._decode(packet)

    def _keep(self, packet: VideoPacket) -> None:
        """Keep what is needed to catch up."""
        if packet.is_keyframe:
            self._most_kept, self._since_key, self._kept_bytes = len(self._since_key), [], 0
        if self._kept_bytes <= KEPT_BYTES:
            self._since_key.append(packet)
            self._kept_bytes += packet.size
            self._most_kept = max(self._most_kept, len(self._since_key))

    def _catch_up(self, video: VideoStream) -> None:
        """Decode every frame again, from the last key frame on."""
        self._is_resting, self._key = False, None
        video.codec_context.flush_buffers()
        for packet in self._since_key:
            self._decode(packet)

    def _decode(self, packet: VideoPacket) -> None:
        began_s = self._spent()
        decoded = decode_packet(packet)
        if isinstance(decoded, str):
            self._newest = decoded
            return
        for frame in decoded:
            self._give(frame, packet.stream, self._packet_s)
        self._frame_s += OF_LATE * (self._spent() - began_s - self._frame_s)

    def _give(self, frame: av.VideoFrame, video: VideoStream, came_s: float) -> None:
        if self._deinterlacer is None:
            self._deinterlacer = Deinterlacer(video)
        for picture in self._deinterlacer.take(frame):
            self._newest, self._newest_s = seen_frame(picture, video, self._orientation), came_s
        if self._deinterlacer.is_active:
            self._rest.distrust_keys()

    def _decode_alone(self, packet: VideoPacket, came_s: float) -> None:
        """A key frame without what follows it: the decoder is emptied, since it may wait for later frames."""
        video, decoded = packet.stream, decode_packet(packet)
        if isinstance(decoded, str):
            self._newest = decoded
            return
        if not video.codec_context.codec.intra_only:
            decoded += checked(video.codec_context.decode(None))
            video.codec_context.flush_buffers()
        is_whole = bool(decoded) and not any(frame.is_corrupt or frame.interlaced_frame for frame in decoded)
        if is_whole or self._stream.decoded == "keyframes":
            for frame in decoded:
                self._give(frame, video, came_s)
        else:
            self._rest.distrust_keys()  # the next packet catches up
