"""A systemd unit of a service, read and started as systemd does it (systemd.service(5), systemd.exec(5))."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from kardus.support.identifiers import machine_boot_id
from simulator.demo.broker import free_port
from tests.conftest import BIN
from tests.patience import wait_until

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
_INHERITED = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "OMP_NUM_THREADS")
"""Of the tests' environment; a unit's program gets nothing else of the kind."""


class Unit:
    """One unit, on a machine whose files lie below `root` in place of `/`."""

    def __init__(self, name: str, root: Path) -> None:
        """Read it; nothing is run yet. `/etc/kardus` has to be there."""
        self.name, self._root = name, root
        self.port = free_port()
        """In place of the one that it listens on."""
        self.told = list[str]()
        """What the service has told the service manager."""
        self._values = dict[str, list[str]]()
        for line in (UNITS / name).read_text().splitlines():
            key, is_value, value = line.partition("=")
            if is_value and not line.startswith(("#", ";")):
                self._values.setdefault(key, []).append(self._here(value))

    @property
    def environment(self) -> dict[str, str]:
        """What the program gets: variables of files over those that stand in the unit."""
        own = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"}
        own |= {key: os.environ[key] for key in _INHERITED if key in os.environ}
        given = [pair for value in self._values.get("Environment", []) for pair in shlex.split(value)]
        for value in self._values.get("EnvironmentFile", []):
            path = Path(value.removeprefix("-"))
            if path.exists() or not value.startswith("-"):
                lines = path.read_text().splitlines()
                given += [line for line in lines if line.strip() and not line.startswith(("#", ";"))]
        return own | dict(pair.split("=", 1) for pair in given)

    def words(self) -> list[str]:
        """The command line: `${NAME}` is put in as it is, `$NAME` as words; a variable that isn't set is empty."""
        (line,) = self._values["ExecStart"]
        known = self.environment
        found = list[str]()
        for word in shlex.split(line):
            whole = re.fullmatch(r"\$(\w+)", word)
            put_in = re.sub(r"\$\{(\w+)\}", lambda name: known.get(name[1], ""), word).replace("%%", "%")
            found += known.get(whole[1], "").split() if whole else [put_in]
        return found

    @contextlib.contextmanager
    def running(self) -> Iterator["subprocess.Popen[str]"]:
        """The service, once it is ready; stopped in the end as systemd stops it, which it has to be content with.

        Raises:
            AssertionError: it isn't ready in time, ended by itself, or doesn't end well.
        """
        assert self._values["Type"] == ["notify"], "of no other would systemd take a word"
        with self._manager() as address, (self._root / f"{self.name}.log").open("w+") as log:
            environment = self.environment | self._folders() | {"NOTIFY_SOCKET": str(address)}
            if "WatchdogSec" in self._values:
                environment["WATCHDOG_USEC"] = f"{self._values['WatchdogSec'][0]}000000"
            process = subprocess.Popen(
                self.words(), cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True
            )
            try:
                wait_until(lambda: "READY=1" in self.told or process.poll() is not None, self.name)
                assert process.poll() is None, (process.returncode, self.words(), self.log)
                yield process
                process.send_signal(signal.SIGTERM)
                assert process.wait(float(self._values["TimeoutStopSec"][0])) == 0, self.log
            finally:
                process.kill()
                process.wait()

    @contextlib.contextmanager
    def _manager(self) -> Iterator[Path]:
        """Where the service manager listens: it has to, or who tells it something would wait."""
        address, over = self._root / f"{self.name}.socket", threading.Event()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(address))
            manager.settimeout(0.1)

            def listen() -> None:
                while not over.is_set():
                    with contextlib.suppress(TimeoutError):
                        self.told.append(manager.recv(4096).decode())

            listening = threading.Thread(target=listen, daemon=True)
            listening.start()
            try:
                yield address
            finally:
                over.set()
                listening.join()
                address.unlink()

    @property
    def log(self) -> str:
        """What it has written."""
        return (self._root / f"{self.name}.log").read_text()

    def _folders(self) -> dict[str, str]:
        """What systemd makes for it: a folder for its state, and one with its credentials alone."""
        for name in self._values.get("StateDirectory", []):
            (self._root / "var/lib" / name).mkdir(parents=True, exist_ok=True)
        credentials = self._root / "run/credentials" / self.name
        credentials.mkdir(parents=True, exist_ok=True)
        for value in self._values.get("LoadCredential", []):
            name, _, path = value.partition(":")
            shutil.copy(path, credentials / name)
            (credentials / name).chmod(0o440)
        return {"CREDENTIALS_DIRECTORY": str(credentials)}

    def _here(self, value: str) -> str:
        """A value of the unit, with this machine's places and its boot."""
        value = value.replace("%b", machine_boot_id().replace("-", ""))
        value = value.replace("/opt/kardus/bin", str(BIN))
        value = re.sub(r"\b127\.0\.0\.1:\d+", f"127.0.0.1:{self.port}", value)
        return re.sub(r"(?<![\w.])/(etc/kardus|var/lib)", rf"{self._root}/\1", value)
