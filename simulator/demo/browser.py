"""Pictures of web pages, by the Chromium or Chrome of this machine, where there is one.

It is spoken to over a pair of pipes in the DevTools protocol: messages of JSON, each ended by a zero byte
(https://chromedevtools.github.io/devtools-protocol/). So the demo needs no package for it.
"""

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from kardus.support.errors import KardusError

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # it would ask for its maker's servers all the same
    "--hide-scrollbars",
)
PATIENCE_S = 20.0
"""For one answer. Who waits longer goes without pictures."""
COMPLETE = """
document.readyState === "complete" && [...document.images].every(image => {
    const place = image.getBoundingClientRect();
    return image.complete || place.top > innerHeight || place.left > innerWidth;
})
"""
"""Whether the page is there, with every picture that can be seen of it."""
STARTER = """
import os, sys
theirs_in, theirs_out, *command = sys.argv[1:]
os.dup2(int(theirs_in), 3)
os.dup2(int(theirs_out), 4)
os.execv(command[0], command)
"""
"""Gives the pipes the numbers that the browser looks for: it reads from 3 and writes to 4."""


class Browser:
    """One tab of a browser that runs."""

    def __init__(self, send: int, receive: int) -> None:
        """Open the tab. `send` and `receive` are ends of pipes.

        Raises:
            KardusError: it doesn't answer.
        """
        self._send, self._receive = send, receive
        self._numbers = itertools.count(1)
        self._session = ""
        self._unread = b""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def picture(self, address: str, cookies: dict[str, str], width: int, height: int) -> bytes:
        """A page as PNG, once it and its pictures are there.

        Raises:
            KardusError: the browser doesn't answer, or the page doesn't come.
        """
        for name, value in cookies.items():
            self._ask("Network.setCookie", name=name, value=value, url=address)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._ask("Emulation.setDeviceMetricsOverride", **size)
        if failed := self._ask("Page.navigate", url=address).get("errorText"):
            raise KardusError(f"{address}: {failed}")
        until_s = time.monotonic() + PATIENCE_S
        while not self._ask("Runtime.evaluate", expression=COMPLETE)["result"].get("value"):
            if time.monotonic() > until_s:
                raise KardusError(f"{address}: not there within {PATIENCE_S:.0f} s")
        return base64.b64decode(self._ask("Page.captureScreenshot")["data"])

    def _ask(self, method: str, **given: Any) -> dict[str, Any]:
        number = next(self._numbers)
        asked = {"id": number, "method": method, "params": given}
        if self._session:
            asked["sessionId"] = self._session
        with _as_error():
            os.write(self._send, json.dumps(asked).encode() + b"\0")
        while True:
            said = self._message()
            if said.get("id") == number:
                if "error" in said:
                    raise KardusError(f"the browser refuses {method}: {said['error'].get('message', '')}")
                return dict(said["result"])

    def _message(self) -> dict[str, Any]:
        """The next answer or event."""
        while b"\0" not in self._unread:
            if not select.select([self._receive], [], [], PATIENCE_S)[0]:
                raise KardusError(f"the browser hasn't answered for {PATIENCE_S:.0f} s")
            with _as_error():
                more = os.read(self._receive, 1 << 20)
            if not more:
                raise KardusError("the browser has ended")
            self._unread += more
        message, _, self._unread = self._unread.partition(b"\0")
        return dict(json.loads(message))


def program() -> str | None:
    """The browser's program; None where there is none."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


@contextlib.contextmanager
def run_browser(path: str) -> Iterator[Browser]:
    """Run one, with a profile of its own that goes with it.

    Raises:
        KardusError: it doesn't start.
    """
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()  # Chromium's sandbox refuses root
    with tempfile.TemporaryDirectory(prefix="kardus-browser-", ignore_cleanup_errors=True) as profile:
        command = [path, *FLAGS, *as_root, f"--user-data-dir={profile}"]
        given = [sys.executable, "-c", STARTER, str(theirs_in), str(theirs_out), *command]
        own = os.environ | dict.fromkeys(("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"), profile)
        silent = subprocess.DEVNULL
        with subprocess.Popen(  # noqa: S603 - the browser that was found
            given, env=own, pass_fds=(theirs_in, theirs_out), stdout=silent, stderr=silent
        ) as process:
            os.close(theirs_in)
            os.close(theirs_out)
            try:
                yield Browser(ours_out, ours_in)
            finally:
                process.kill()
                os.close(ours_out)
                os.close(ours_in)


@contextlib.contextmanager
def _as_error() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KardusError(f"the browser has ended ({error.strerror})") from error
