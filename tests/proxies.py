"""A TCP proxy between a client and a server of the tests, that does something to what the server says."""

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.listeners import listener

Change = Callable[[bytes], bytes]


@contextlib.contextmanager
def slow_link(server_port: int, delay_s: float) -> Iterator[int]:
    """Listen on a port of 127.0.0.1; what the server answers arrives `delay_s` later."""

    def delay(data: bytes) -> bytes:
        time.sleep(delay_s)  # the link's own length, not something to wait for
        return data

    with _link(server_port, delay) as port:
        yield port


@contextlib.contextmanager
def damaging_link(server_port: int, seed: int, share: float) -> Iterator[int]:
    """Listen on a port of 127.0.0.1; of what the server says, after its first words, bytes are changed."""
    rng = random.Random(seed)
    passed = 0

    def damage(data: bytes) -> bytes:
        nonlocal passed
        passed += len(data)
        changed = bytearray(data)
        if passed > SPARED:
            for _ in range(int(len(data) * share) + 1):
                changed[rng.randrange(len(data))] = rng.randrange(256)
        return bytes(changed)

    with _link(server_port, damage) as port:
        yield port


@dataclass
class Recording:
    """A link that passes everything on, and keeps what clients said."""

    port: int
    server_port: int
    """May be changed; later connections go there."""
    said: list[bytes] = field(default_factory=list)
    """What each client sent, a connection each."""


@contextlib.contextmanager
def recording_link(server_port: int) -> Iterator[Recording]:
    """Listen on a port of 127.0.0.1; everything that a client sends is recorded."""
    with listener() as listening:
        recording = Recording(int(listening.getsockname()[1]), server_port)
        threading.Thread(target=_record, args=(listening, recording), daemon=True).start()
        yield recording


def _record(listening: socket.socket, recording: Recording) -> None:
    with contextlib.suppress(OSError):  # the listener was closed: the test is over
        while True:
            client, _ = listening.accept()
            try:
                server = socket.create_connection(("127.0.0.1", recording.server_port))
            except OSError:  # the server is being restarted
                client.close()
                continue
            number = len(recording.said)
            recording.said.append(b"")

            def keep(data: bytes, number: int = number) -> bytes:
                recording.said[number] += data
                return data

            threading.Thread(target=_pass_on, args=(client, server, keep), daemon=True).start()
            threading.Thread(target=_pass_on, args=(server, client, bytes), daemon=True).start()


SPARED = 3000
"""Bytes at the beginning that a damaging link leaves alone, so that there is a session to be damaged."""


@contextlib.contextmanager
def _link(server_port: int, change: Change) -> Iterator[int]:
    with listener() as listening:
        threading.Thread(target=_accept, args=(listening, server_port, change), daemon=True).start()
        yield int(listening.getsockname()[1])


def _accept(listening: socket.socket, server_port: int, change: Change) -> None:
    with contextlib.suppress(OSError):  # the listener was closed: the test is over
        while True:
            client, _ = listening.accept()
            server = socket.create_connection(("127.0.0.1", server_port))
            threading.Thread(target=_pass_on, args=(client, server, bytes), daemon=True).start()
            threading.Thread(target=_pass_on, args=(server, client, change), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, change: Change) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(change(data))
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
