"""An exchange over the network that is over in time, whatever the other side does.

A client's own time-outs hold for one read each: whoever sends a byte now and then is never late, and a name that nobody
resolves has no time-out at all. So an exchange runs in a thread of its own, which is waited for so long and no longer;
then its connections are shut down, and that ends the thread.
"""

import contextlib
import functools
import socket
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import Any

from kardus.support.threaded_call import Result, begin_call, is_over

ENDING_S = 1.0
"""How long a thread whose connections were shut down is waited for."""
_OPENED = ("connect_tcp.complete", "start_tls.complete")
Trace = Callable[[str, Mapping[str, Any]], None]
"""What httpx2 tells of a request's progress to: its request extension `trace`."""


class Exchanges:
    """The exchanges of one HTTP client, one after another."""

    def __init__(self, stopping: threading.Event, grace_s: float = 0.0) -> None:
        """Once `stopping` is set, an exchange has `grace_s` seconds left."""
        self._stopping = stopping
        self._grace_s = grace_s
        self._lock = threading.Lock()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        """Of connections that were opened, and may be used again."""

    def run(self, work: Callable[[Trace], Result], limit_s: float) -> Result:
        """What `work` returns, or raises; it must give its argument to each request as the extension `trace`.

        Raises:
            TimeoutError: it wasn't over within `limit_s` seconds, or isn't wanted any more.
        """
        given_up = threading.Event()
        result = begin_call(lambda: work(functools.partial(self._note, given_up)), "exchange")
        if not self._is_over(result, time.monotonic() + limit_s):
            given_up.set()
            self._shut_down()
            wait([result], ENDING_S)
            raise TimeoutError(
                "it isn't wanted any more" if self._stopping.is_set() else f"it isn't over within {limit_s:g} s"
            )
        return result.result()

    def _is_over(self, result: Future[Result], deadline_s: float) -> bool:
        """Wait for the end, until the deadline or, once it isn't wanted any more, the end of the grace."""
        if is_over(result, deadline_s, self._stopping.is_set):
            return True
        if self._stopping.is_set():
            wait([result], min(self._grace_s, max(0.0, deadline_s - time.monotonic())))
        return result.done()

    def _note(self, given_up: threading.Event, event: str, info: Mapping[str, Any]) -> None:
        """Remember a connection that was opened; one that is opened too late is shut down at once."""
        if event.endswith(_OPENED):
            opened = info["return_value"].get_extra_info("socket")
            with self._lock:
                self._sockets.add(opened)
            if given_up.is_set():
                _shut_down(opened)

    def _shut_down(self) -> None:
        with self._lock:
            opened = list(self._sockets)
        for one in opened:
            _shut_down(one)


def _shut_down(opened: socket.socket) -> None:
    """Wake whoever reads from it or writes to it; it stays theirs to close."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(opened, socket.SHUT_RDWR)  # an SSLSocket's own would take TLS away under its reader
