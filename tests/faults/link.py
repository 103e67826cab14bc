"""A TCP link between a client and a server that can be slowed, stalled, reset and cut."""

import contextlib
import random
import socket
import struct
import threading
import time
from dataclasses import dataclass
from typing import Self

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends RST."""


@dataclass
class Weather:
    """What the link does to what passes; may be changed at any time."""

    delay_s: tuple[float, float] = (0.0, 0.0)
    """Every piece is held up for a random time between these."""
    loss: float = 0.0
    """This share of pieces is lost on the way: TCP sends them again after its time-out, so that they come so late."""
    resend_s: float = 0.4
    reset: float = 0.0
    """At this share of pieces the connection is reset instead."""


class Link:
    """Listens on a port of 127.0.0.1; use it in a `with` statement."""

    def __init__(self, server_port: int, seed: int = 1) -> None:
        """The link to a server."""
        self.weather = Weather()
        self.resets = 0
        self._server_port, self._rng = server_port, random.Random(seed)
        self._lock = threading.Lock()
        self._ends: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = int(listener.getsockname()[1])

    def __enter__(self) -> Self:
        """Listen."""
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        """Cut it for good."""
        self.down()

    def up(self) -> None:
        """Let connections through."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def down(self) -> None:
        """Reset every connection, and refuse new ones."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.reset()

    def reset(self) -> None:
        """Reset every connection."""
        with self._lock:
            ends = list(self._ends)
        for end in ends:
            self._close(end)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the link is down
            while True:
                client, _ = listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._server_port))
                except OSError:
                    self._close(client)
                    continue
                with self._lock:
                    self._ends |= {client, server}
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                weather = self.weather
                if self._rng.random() < weather.reset:
                    self.resets += 1
                    break
                wait_s = self._rng.uniform(*weather.delay_s)
                wait_s += weather.resend_s if self._rng.random() < weather.loss else 0.0
                if wait_s:
                    time.sleep(wait_s)  # the link's own length
                target.sendall(data)
        for end in (source, target):
            self._close(end)

    def _close(self, end: socket.socket) -> None:
        with self._lock:
            self._ends.discard(end)
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.shutdown(socket.SHUT_RDWR)  # wakes whoever reads from it
        end.close()
