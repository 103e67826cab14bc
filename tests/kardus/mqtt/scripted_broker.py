"""A broker (MQTT 5) that answers as a test says: what the real ones at hand don't say, others do."""

import socket
import threading
from collections.abc import Callable
from typing import Self

CONNECT, PUBLISH, SUBSCRIBE, UNSUBSCRIBE, PINGREQ = 1, 3, 8, 10, 12
Answer = Callable[[int, bytes], bytes | None]
"""What is answered to a packet (its kind, its body); None: the connection is closed."""


def connack(*, properties: bytes = b"", reason: int = 0) -> bytes:
    """CONNACK."""
    return packet(0x20, bytes([0, reason, len(properties)]) + properties)


def disconnect(reason: int, words: str = "") -> bytes:
    """DISCONNECT, with the broker's own words."""
    text = b"\x1f" + len(words).to_bytes(2, "big") + words.encode() if words else b""
    return packet(0xE0, bytes([reason, len(text)]) + text)


def suback(body: bytes, *reasons: int) -> bytes:
    """SUBACK to a SUBSCRIBE."""
    return packet(0x90, body[:2] + b"\x00" + bytes(reasons))


def acknowledging_nothing(kind: int, body: bytes) -> bytes:
    """Takes a client and all its subscriptions, and acknowledges no message of its."""
    if kind == SUBSCRIBE:
        filters, place = 0, 3 + body[2]
        while place < len(body):
            filters, place = filters + 1, place + 3 + int.from_bytes(body[place : place + 2], "big")
        return suback(body, *[1] * filters)
    return {CONNECT: connack(), PINGREQ: packet(0xD0, b"")}.get(kind, b"")


def packet(head: int, body: bytes) -> bytes:
    """A packet of at most 127 bytes."""
    return bytes([head, len(body)]) + body


class ScriptedBroker:
    """Serves one connection after another in a thread of its own; use it in a `with` statement."""

    def __init__(self, answer: Answer) -> None:
        """`answer` is asked for every packet."""
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        """How many there have been."""
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Serve no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                self.connections += 1
                self._serve_one(client)

    def _serve_one(self, client: socket.socket) -> None:
        stream = client.makefile("rb")
        while head := stream.read(1):
            length, shift = 0, 0
            while True:
                byte = stream.read(1)[0]
                length, shift = length | (byte & 127) << shift, shift + 7
                if byte < 128:
                    break
            answer = self._answer(head[0] >> 4, stream.read(length))
            if answer is None:
                return
            client.sendall(answer)
