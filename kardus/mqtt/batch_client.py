"""A paho client for whoever gets thousands of messages a second and acknowledges them by hand.

    socket ─> as much as is there ─┬─> PUBLISH ─> on_messages, all that came together
                                   └─> other packets, and a PUBLISH that is none of the usual ─> paho

paho makes four calls of the system for each message and a lock, and decodes properties that nobody asks for. So
what is usual is taken out of the stream before paho sees it; paho keeps the connection, and judges what is wrong.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion

RECEIVE_BYTES = 262_144
"""What is asked of the socket at once."""
_PUBLISH, _PUBACK = 0x30, b"\x40\x02"
_MAX_LENGTH_SHIFT = 28
"""A length has four bytes of seven bits at most (MQTT 5, 1.5.5)."""


class PublishPacket(NamedTuple):
    """A message as the broker sent it."""

    topic: str
    payload: bytes
    retained: bool
    number: int
    """Of its packet, to acknowledge it by; 0: it has QoS 0."""


class BatchClient(paho.Client):
    """Gives messages with QoS 0 or 1 to `on_messages`, in the order in which they came, without their properties.

    Other packets that came with them follow. What has another QoS, can't be read or came with the CONNACK comes by
    paho's own `on_message`, or ends the connection. Nothing is acknowledged by itself.
    """

    def __init__(self, on_messages: Callable[["BatchClient", list[PublishPacket]], None], **options: Any) -> None:
        """`on_messages` is called from the network's thread; `options`: as paho's."""
        super().__init__(manual_ack=True, **options)
        self.on_messages: Callable[[BatchClient, list[PublishPacket]], None] = on_messages
        self._came, self._left = bytearray(), bytearray()
        """What isn't a whole packet yet, and whole packets that paho has to read."""

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Read what has come; all of it, since nothing tells of what is in memory."""
        rc = super().loop_read(max_packets)
        while rc == MQTTErrorCode.MQTT_ERR_SUCCESS and self._left:
            rc = super().loop_read(max_packets)
        return rc

    def acknowledge(self, numbers: Sequence[int]) -> None:
        """Acknowledge messages by their packets' numbers, in one piece."""
        packets = b"".join(_PUBACK + number.to_bytes(2, "big") for number in numbers)
        self._packet_queue(_PUBACK[0], packets, 0, 1)

    def _sock_recv(self, bufsize: int) -> bytes:
        """What paho reads: the packets that are left for it, and nothing while there are none."""
        if not self._left:
            received = super()._sock_recv(RECEIVE_BYTES)
            if not received:
                return received
            self._last_bytes_received = time.monotonic()  # paho goes by it when it asks whether the broker is there
            self._part(received)
            if not self._left:
                raise BlockingIOError
        given = bytes(self._left[:bufsize])
        del self._left[:bufsize]
        return given

    def _part(self, received: bytes) -> None:
        """Take the messages out of what has come."""
        self._came += received
        is_5, found, done = self._protocol == MQTTProtocolVersion.MQTTv5, [], 0
        usual = self.is_connected()  # else whoever takes messages may hold up the CONNACK that they came with
        with memoryview(self._came) as view:
            for start, body, end in whole_packets(view):
                message = read_publish(view, start, body, end, is_5=is_5) if usual else None
                if message is None:
                    self._left += view[start:end]
                else:
                    found.append(message)
                done = end
        del self._came[:done]
        if found:
            self.on_messages(self, found)


def whole_packets(view: memoryview) -> Iterator[tuple[int, int, int]]:
    """Of each packet that is there as a whole: where it begins, where what follows its length begins, where it ends.

    What can't be a packet's length goes as far as there is something.
    """
    start, there = 0, len(view)
    while start < there:
        body, length, shift, byte = start + 1, 0, 0, 0x80
        while byte & 0x80 and shift < _MAX_LENGTH_SHIFT:
            if body == there:
                return
            byte = view[body]
            length |= (byte & 0x7F) << shift
            body, shift = body + 1, shift + 7
        end = there if byte & 0x80 else body + length
        if end > there:
            return
        yield start, body, end
        start = end


def read_publish(view: memoryview, start: int, body: int, end: int, *, is_5: bool) -> PublishPacket | None:
    """A PUBLISH with QoS 0 or 1; None: another packet, or one that isn't in order."""
    first = view[start]
    qos = first >> 1 & 3
    if first & 0xF0 != _PUBLISH or qos > 1:
        return None
    try:
        at = body + 2 + (view[body] << 8 | view[body + 1])
        topic = str(view[body + 2 : at], "utf-8")
        number = view[at] << 8 | view[at + 1] if qos else 0
        at = _behind_properties(view, at + 2 * qos) if is_5 else at + 2 * qos
    except (IndexError, ValueError):
        return None
    in_order = at <= end and topic and (number or not qos)
    return PublishPacket(topic, bytes(view[at:end]), bool(first & 1), number) if in_order else None


def _behind_properties(view: memoryview, at: int) -> int:
    """Where the payload begins.

    Raises:
        ValueError: their length is none.
    """
    length, shift = view[at], 7
    if length & 0x80:
        length &= 0x7F
        while view[at] & 0x80:
            at += 1
            if shift == _MAX_LENGTH_SHIFT:
                raise ValueError("a length of more than four bytes")
            length |= (view[at] & 0x7F) << shift
            shift += 7
    return at + 1 + length
