"""Real brokers for the tests, each on a port of its own."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from simulator.demo.broker import find_mosquitto, free_port, wait_for_port
from tests.node import install
from tests.patience import PATIENCE_S

_LOGGED = "".join(f"log_type {kind}\n" for kind in ("error", "warning", "notice", "information", "subscribe"))

AMQTT_PLUGIN = "amqtt.plugins.authentication.AnonymousAuthPlugin"


class Mosquitto:
    """Mosquitto with persistence, that can be killed, stopped in its tracks, and started again on the same port."""

    def __init__(self, folder: Path, extra: str = "", settings: Callable[[int], str] | None = None) -> None:
        """Write its configuration, the tests' own with `extra` or what `settings` gives for a port; `start` runs it."""
        program = find_mosquitto()
        if program is None:
            pytest.fail("Mosquitto is not installed: apt-get install mosquitto, then run the tests again")
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._program = program
        self._settings = folder / "mosquitto.conf"
        # As root, Mosquitto would give up its rights and could not write to a folder of the tests.
        self._settings.write_text(
            settings(self.port)
            if settings
            else f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\n"
            f"{_LOGGED}set_tcp_nodelay true\npersistence true\npersistence_location {folder}/\n"
            f"autosave_interval 1\n{extra}",
            encoding="utf-8",
        )
        self._process: subprocess.Popen[str] | None = None
        self._log: list[str] = []
        self._logged = threading.Condition()

    def start(self) -> None:
        """Run it and wait until it listens. What an earlier process has logged counts no more."""
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._settings)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        with self._logged:
            self._log = []
        threading.Thread(target=self._read_log, args=(self._process.stderr, self._log), daemon=True).start()
        wait_for_port(self.port, PATIENCE_S)

    def wait_for_log(self, text: str, lines: int = 1, timeout_s: float = PATIENCE_S) -> None:
        """Wait until so many lines of its log hold the text."""
        with self._logged:
            assert self._logged.wait_for(lambda: sum(text in line for line in self._log) >= lines, timeout_s), text

    def wait_for_subscription(self, client: str) -> None:
        """Wait until a client whose name ends so has subscribed: what is published from then on reaches it."""
        asked = re.compile(re.escape(client) + r" [012] \S")
        with self._logged:
            assert self._logged.wait_for(lambda: any(map(asked.search, self._log)), PATIENCE_S), client

    def kill(self) -> None:
        """Kill it as a power cut would."""
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def reload(self) -> None:
        """Let it read its configuration again (SIGHUP)."""
        assert self._process
        self._process.send_signal(signal.SIGHUP)

    def freeze(self) -> None:
        """Stop it in its tracks (SIGSTOP)."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def _read_log(self, log: IO[str], lines: list[str]) -> None:
        with log:
            for line in log:
                with self._logged:
                    lines.append(line)
                    self._logged.notify_all()


class Amqtt:
    """The pure-Python broker of the demo (MQTT 3.1.1 alone), killed and started again on the same port."""

    def __init__(self, port: int | None = None, *, anonymous: bool = True) -> None:
        """`start` runs it, on a free port where none is given. Without `anonymous` it refuses everybody."""
        self.port = port or free_port()
        self._code = (
            "import asyncio; from simulator.demo import embedded; "
            f"embedded.ANONYMOUS['{AMQTT_PLUGIN}']['allow_anonymous'] = {anonymous}; "
            f"asyncio.run(embedded.serve({self.port}))"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it and wait until it listens."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", self._code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for_port(self.port, PATIENCE_S)

    def kill(self) -> None:
        """Kill it as a power cut would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


class Aedes:
    """Aedes of npm, in memory (MQTT 3.1.1 alone), for slow tests."""

    _SCRIPT = """
    import { Aedes } from "aedes";
    import { createServer } from "node:net";

    const broker = await Aedes.createBroker();
    createServer(broker.handle).listen(Number(process.argv[2]), "127.0.0.1");
    """

    def __init__(self, folder: Path) -> None:
        """Install it in a folder; `start` runs it, on a free port."""
        self.port = free_port()
        self._module = install(folder, self._SCRIPT, ("aedes@1.2.0",))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it and wait until it listens."""
        self._process = subprocess.Popen(["node", str(self._module), str(self.port)])
        wait_for_port(self.port, PATIENCE_S)

    def kill(self) -> None:
        """Kill it as a power cut would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


class RabbitMq:
    """Debian's RabbitMQ with its MQTT plugin (3.1.1 alone), for slow tests; everything of it is in one folder."""

    _PROGRAMS = Path("/usr/lib/rabbitmq/bin")

    def __init__(self, folder: Path) -> None:
        """Write its configuration; `start` runs it, on a free port."""
        if not self._PROGRAMS.is_dir():
            pytest.fail("RabbitMQ is not installed: apt-get install rabbitmq-server, then run the tests again")
        folder.mkdir(parents=True)
        self.port, epmd, amqp = free_port(), free_port(), free_port()
        (folder / "plugins").write_text("[rabbitmq_mqtt].\n", encoding="utf-8")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{amqp}\nmqtt.listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "mqtt.allow_anonymous = true\nlog.console = false\n",
            encoding="utf-8",
        )
        self._environment = os.environ | {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(epmd),
            "RABBITMQ_NODENAME": f"kardus{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it and wait until it listens."""
        self._process = subprocess.Popen(
            [self._PROGRAMS / "rabbitmq-server"], env=self._environment, stdout=subprocess.DEVNULL
        )
        wait_for_port(self.port, PATIENCE_S)

    def stop(self) -> None:
        """Let it end, and Erlang's daemon that came with it."""
        if self._process:
            self._process.terminate()
            self._process.wait(PATIENCE_S)
            self._process = None
        subprocess.run(["epmd", "-kill"], env=self._environment, check=False, stdout=subprocess.DEVNULL)
