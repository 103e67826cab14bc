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
from collections import deque
from collections.abc import Callable, Iterable

import av
from av.error import FFmpegError
from av.video.stream import VideoStream

from edge_agent.camera.attention import Attention
from edge_agent.camera.decoding.deinterlacing import Deinterlacer
from edge_agent.camera.decoding.display_frame import DecodedFrame, Orientation
from edge_agent.camera.decoding.latest_item import FRESH_S
from edge_agent.camera.decoding.protocol import StreamRequest
from edge_agent.camera.decoding.refusals import explained
from edge_agent.camera.decoding.tunnel import tunnelled
from edge_agent.camera.decoding.video import checked, decode_packet, in_time, opened, seen_frame
from edge_agent.camera.errors import StreamEndedError
from edge_agent.camera.rest.filler import size_without_filler
from edge_agent.camera.rest.kept_packets import CATCH_UP_S, KEPT_BYTES, KeptPackets
from edge_agent.camera.rest.rules import SELDOM_S, RestRules
from edge_agent.camera.rest.slices import VideoPacket, joined
from edge_agent.camera.rest.stream_time import StreamTime

OLDEST_S = SELDOM_S
"""A key frame that waits to be asked for is given up to this age: had anything moved since, rest would have ended."""
BEHIND_S, LAY_THERE = 0.25, 0.1
"""Who is behind decodes for so long, at most, with each packet that comes: in between pictures can be asked for. What
was waited for less than so much of its step lay there already."""
GAPS = 2.5
"""A stream stalls where nothing has come for FRESH_S, and for so many times as long as from its last packet to that
before: some cameras send a frame a second, or fewer, while nothing moves."""


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
        self._rest, self._time = RestRules(), StreamTime()
        self._is_resting = stream.decoded == "keyframes"
        self._is_intra: bool | None = None
        """Whether each packet is a picture by itself, as the stream's codec says; None: it wasn't asked yet."""
        self._is_alone = False
        """Whether that is made use of: a picture is decoded when one is asked for."""
        self._newest: DecodedFrame | str | None = None
        self._newest_s = 0.0
        """When the packet had come that showed it."""
        self._key: tuple[VideoPacket, float] | None = None
        """What can be decoded by itself and was not given yet, and when it came."""
        self._kept = KeptPackets()
        self._behind: deque[tuple[VideoPacket, float]] = deque()
        """What isn't decoded yet though every frame is to be."""
        self.age_s = 0.0
        """How long ago what was last given had come."""
        self._end: str | None = None
        self._came_s = self._packet_s = float("-inf")
        """When the last packet came, and when it had been dealt with."""
        self._gap_s = self._waited_s = self._step_s = 0.0
        """How long after the one before it came, how long it was waited for, and by how much later it was sent."""
        self._gave_at_rest = False
        """Whether all rested when the last picture was given: what is made of it is known later."""
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
        if not packet.size:
            return  # FFmpeg's mark of the end
        came_s = self._clock()
        with self._changed:
            if self._came_s > float("-inf"):
                self._gap_s, self._waited_s = came_s - self._came_s, came_s - self._packet_s
            self._came_s = self._packet_s = came_s
            if self._stream.decoded == "auto":
                at_s = self._time.of(packet, came_s)
                self._step_s, self._rest.at_s = at_s - self._rest.at_s, at_s
                if self._is_intra is None:
                    self._is_intra = packet.stream.codec_context.codec.intra_only
                self._is_alone = self._is_intra and self._rest.are_keys_whole
            if self._is_alone:
                self._newest, self._key = None, (packet, came_s)  # what was decoded before is older
                self._deinterlacer = None  # and so is what it keeps
            else:
                self._take(packet, came_s)
            self._packet_s = self._clock()  # a box that was slow to decode it has no camera that stalls
            if self._newest is not None or self._key is not None:
                self._changed.notify()  # else whoever waits would be woken 25 times a second for nothing

    def _leave(self) -> None:
        """Decode nothing more: what packets say of their stream is gone once it is closed, and reading it crashes."""
        with self._changed:
            self._kept.clear()
            self._behind.clear()
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
            self._rest.attend(attention, is_resting=self._gave_at_rest)
            if self._stalls:
                self._newest = self._key = None  # it shows nothing of now
            elif attention != "rest" and self._is_resting and len(self._kept.packets) > 1:
                self._catch_up()  # whoever wants more wants it of now
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
        if self._end is not None and self._stalls:
            self._newest = self._key = None  # of a camera that is gone: it shows nothing of now
        self._decode_key()
        found, self._newest = self._newest, None
        self.age_s = self._clock() - self._newest_s
        if found is not None:
            self._gave_at_rest = self._is_resting
        return found

    @property
    def _stalls(self) -> bool:
        """Whether the stream has fallen silent."""
        return self._clock() - self._packet_s > self._silent_s

    def _decode_key(self) -> None:
        """What can be decoded by itself, where nothing newer waits and it isn't too old."""
        if self._newest is None and self._key is not None:
            (packet, came_s), self._key = self._key, None
            if not self._is_resting or self._clock() - came_s <= self._oldest_s:
                self._decode_alone(packet, came_s)

    @property
    def _oldest_s(self) -> float:
        """Up to which age a key frame is given while all rests: of `auto` it is over as soon as something moves."""
        return OLDEST_S if self._stream.decoded == "auto" else self._silent_s

    @property
    def _silent_s(self) -> float:
        """After so long without a packet the stream stalls."""
        return max(FRESH_S, min(GAPS * self._gap_s, OLDEST_S))

    def _take(self, packet: VideoPacket, came_s: float) -> None:
        if self._stream.decoded == "all":
            self._decode(packet, came_s)
        elif self._stream.decoded == "auto":
            self._rest.take(size_without_filler(packet), self._rest.at_s, is_key=packet.is_keyframe)
            self._kept.take(packet, came_s, is_resting=self._is_resting)
            self._take_in_turn(packet, came_s)
        elif packet.is_keyframe:
            self._key = packet, came_s

    def _take_in_turn(self, packet: VideoPacket, came_s: float) -> None:
        """Rest, decode, or go over to the other."""
        if self._behind and packet.is_keyframe:
            self._begin_with(packet)  # what is left behind shows nothing of now
        is_enough = self._rest.is_enough(self._rest.at_s) and self._kept.are_soon_decoded
        if self._is_resting and not is_enough:
            self._catch_up()
        elif is_enough and packet.is_keyframe:
            self._is_resting, self._key = True, (packet, came_s)
            self._newest = None  # it is older, and would have the key frame wait until the next but one request
        elif not self._is_resting:
            self._decode_or_queue(packet, came_s)

    def _catch_up(self) -> None:
        """Decode every frame again, from the last key frame on.

        By the clock it may take longer than a frame takes of the process's time, beside other work: then the rest is
        decoded with the packets that come, since whoever asks waits meanwhile.
        """
        self._is_resting, self._key = False, None
        self._begin_with(self._kept.packets[0][0])
        self._behind.extend(self._kept.packets)
        self._decode_behind(CATCH_UP_S)
        self._packet_s = self._clock()

    def _begin_with(self, key: VideoPacket) -> None:
        """Decode from a key frame on, as if nothing had come before it."""
        key.stream.codec_context.flush_buffers()
        self._deinterlacer = None  # it keeps a frame, which may be of hours ago
        self._behind.clear()

    def _decode_or_queue(self, packet: VideoPacket, came_s: float) -> None:
        """Decode it, or where others are left behind, these first, in no more time than until the next one comes.

        What lay there to be read is only taken: it would be dated as of when it was read, the later the more is decoded
        in between.
        """
        self._behind.append((packet, came_s))
        if len(self._behind) == 1 or sum(left.size for left, _ in self._behind) > KEPT_BYTES:
            self._decode_behind(float("inf"))
        elif self._waited_s >= LAY_THERE * self._step_s:
            self._decode_behind(min(BEHIND_S, self._step_s))

    def _decode_behind(self, within_s: float) -> None:
        """One packet, and more within this time."""
        until_s = self._clock() + within_s
        while self._behind:
            self._decode(*self._behind.popleft())
            if self._clock() > until_s:
                return

    def _decode(self, packet: VideoPacket, came_s: float) -> None:
        began_s = self._spent()
        decoded = decode_packet(packet)
        if isinstance(decoded, str):
            self._newest = decoded
            return
        if self._deinterlacer is None:
            self._deinterlacer = Deinterlacer(packet.stream)
        for frame in decoded:
            self._show(self._deinterlacer.take(frame), packet.stream, came_s)
            if frame.interlaced_frame:
                self._rest.distrust_keys()
        self._kept.note_decoded(self._spent() - began_s)

    def _show(self, pictures: Iterable[av.VideoFrame], video: VideoStream, came_s: float) -> None:
        for picture in pictures:
            self._newest, self._newest_s = seen_frame(picture, video, self._orientation), came_s

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
        if is_whole:
            self._show(decoded, video, came_s)
        elif self._stream.decoded == "keyframes":
            for frame in decoded:
                deinterlacer = Deinterlacer(video)  # of its own: it would wait for the next key frame, and mix the two
                self._show([*deinterlacer.take(frame), *deinterlacer.end()], video, came_s)
        else:
            self._rest.distrust_keys()  # the next packet catches up
