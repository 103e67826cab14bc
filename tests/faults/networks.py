"""A network namespace at the end of a cable (veth) that can be pulled. Needs root."""

import os
import subprocess
from typing import Self


class Cable:
    """Use it in a `with` statement; what runs with `prefix` lives at the other end."""

    def __init__(self) -> None:
        """Names and addresses of its own, so that several can be laid, by several processes of tests."""
        self.namespace = f"kardus-{os.getpid()}"
        self.near, self._far = f"kd{os.getpid()}a", f"kd{os.getpid()}b"
        net, part = divmod(os.getpid() % (256 * 64), 64)
        self.here, self._there = (f"10.213.{net}.{4 * part + end}" for end in (1, 2))
        """The address of this end, and of the other."""
        self.prefix = ("ip", "netns", "exec", self.namespace)

    def __enter__(self) -> Self:
        """Lay it."""
        _ip("netns", "add", self.namespace)
        _ip("link", "add", self.near, "type", "veth", "peer", "name", self._far, "netns", self.namespace)
        _ip("addr", "add", f"{self.here}/30", "dev", self.near)
        _ip("link", "set", self.near, "up")
        self._ip_there("addr", "add", f"{self._there}/30", "dev", self._far)
        self._ip_there("link", "set", "lo", "up")  # paho talks to itself over it
        self.plug_in()
        return self

    def __exit__(self, *_: object) -> None:
        """Take it away."""
        _ip("netns", "del", self.namespace)

    def pull(self) -> None:
        """Pull the cable at the far end."""
        self._ip_there("link", "set", self._far, "down")

    def plug_in(self) -> None:
        """Plug it in again."""
        self._ip_there("link", "set", self._far, "up")

    def swallow(self) -> None:
        """Everything to this end disappears on its way, and nobody says so."""
        self._ip_there("route", "add", "blackhole", self.here)

    def let_through(self) -> None:
        """The end of `swallow`."""
        self._ip_there("route", "del", "blackhole", self.here)

    def lead_everywhere(self) -> None:
        """All addresses are to be found at this end."""
        self._ip_there("route", "add", "default", "via", self.here)

    def _ip_there(self, *words: str) -> None:
        _ip("-n", self.namespace, *words)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
