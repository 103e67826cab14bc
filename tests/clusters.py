"""A real PostgreSQL for the tests: a cluster of its own in a temporary folder, over a socket; a database a test."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from copy import copy
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

import psycopg
import pytest

from simulator.demo.broker import free_port
from tests.patience import PATIENCE_S
from warehouse.store.address import address_of
from warehouse.store.opening import migrate_database

_FAST = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=40")
"""A cluster that lives for a test needs no disk; nothing here pulls the machine's plug."""
_POLL_S = 0.05
_SERIAL = count()
ADMIN = "postgres"


def programs() -> Path:
    """Where the newest PostgreSQL's programs are."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not found:
        pytest.fail("PostgreSQL is not installed: apt-get install postgresql, then run the tests again")
    return found[-1]


class Cluster:
    """PostgreSQL, that can be killed and started again; its user `postgres` may do everything over the socket."""

    def __init__(self, settings: Sequence[str] = (), *, durable: bool = False) -> None:
        """Make it: a second's work. Its folder has a short name, since a socket's may have 107 characters."""
        self.folder = Path(mkdtemp(prefix="pg"))
        self.data = self.folder / "data"
        self.port = free_port()
        self._settings = ["unix_socket_directories=" + str(self.folder), f"port={self.port}", *settings]
        self._settings += () if durable else _FAST
        self._process: subprocess.Popen[bytes] | None = None
        self._administrator: psycopg.Connection[tuple[object, ...]] | None = None
        self._user = pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0 else None
        if self._user is not None:
            os.chown(self.folder, self._user, -1)
        words = [
            programs() / "initdb",
            "-D",
            self.data,
            "-U",
            ADMIN,
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run(
            [*map(str, words), "--locale=C"], user=self._user, check=True, capture_output=True, cwd=self.folder
        )

    def standby(self) -> "Cluster":
        """Another one that follows this one and only reads; it isn't started yet."""
        other = copy(self)
        other.folder, other.port, other._process = Path(mkdtemp(prefix="pg")), free_port(), None
        other._administrator = None
        other.data = other.folder / "data"
        other._settings = [f"unix_socket_directories={other.folder}", f"port={other.port}", *_FAST]
        if self._user is not None:
            os.chown(other.folder, self._user, -1)
        where = ["-h", self.folder, "-p", self.port, "-U", ADMIN]
        words = [programs() / "pg_basebackup", "-D", other.data, "-R", "-c", "fast", "--no-sync", *where]
        subprocess.run([*map(str, words)], user=self._user, check=True, capture_output=True, cwd=other.folder)
        return other

    def start(self) -> None:
        """Run it, and wait until it answers."""
        words = [str(programs() / "postgres"), "-D", str(self.data)]
        for setting in self._settings:
            words += ["-c", setting]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(words, user=self._user, cwd=self.folder, stdout=log, stderr=log)
        ready = [str(programs() / "pg_isready"), "-q", "-U", ADMIN, "-h", str(self.folder), "-p", str(self.port)]
        for _ in range(int(PATIENCE_S * 20)):
            if subprocess.run(ready, check=False).returncode == 0:
                return
            assert self._process.poll() is None, self.log()
            time.sleep(_POLL_S)
        pytest.fail(f"PostgreSQL doesn't start: {self.log()}")

    def kill(self, number: signal.Signals = signal.SIGQUIT) -> None:
        """End it as a power cut would: nothing is written any more (`immediate shutdown`)."""
        if self._process is not None:
            if self._administrator is not None:
                self._administrator.close()
            self._process.send_signal(number)
            self._process.wait()
            self._process = self._administrator = None

    def remove(self) -> None:
        """End it, and delete its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """The end of what it logged."""
        return (self.folder / "log").read_text(encoding="utf-8")[-3000:]

    def url(self, name: str, user: str = ADMIN) -> str:
        """The address of one of its databases, over the socket."""
        return f"postgresql://{user}@/{name}?host={self.folder}&port={self.port}"

    def execute(self, statement: str, name: str = "postgres") -> list[tuple[object, ...]]:
        """One statement, as the administrator; without a database's name by a connection that stays.

        To begin one takes longer than most statements, and every test makes a database and deletes it.
        """
        if name != "postgres":
            with self._connected(name) as connection:
                return _rows(connection, statement)
        if self._administrator is None or self._administrator.closed:
            self._administrator = self._connected(name)
        return _rows(self._administrator, statement)

    def _connected(self, name: str) -> psycopg.Connection[tuple[object, ...]]:
        words = f"host={self.folder} port={self.port} user={ADMIN} dbname={name}"
        return psycopg.connect(words, autocommit=True, prepare_threshold=None)

    def make_database(self, template: str = "") -> str:
        """A new database; its name. Copied as files, a template costs a quarter of what it does through the log."""
        name = f"k{next(_SERIAL)}"
        self.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template} STRATEGY file_copy" if template else ""))
        return name

    def drop_database(self, name: str) -> None:
        """Delete it, whoever uses it: hundreds of them would be written to the disk, and be deleted at the very end."""
        with contextlib.suppress(psycopg.OperationalError):  # a server that is gone has none
            self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _rows(connection: psycopg.Connection[tuple[object, ...]], statement: str) -> list[tuple[object, ...]]:
    done = connection.execute(statement.encode())
    return done.fetchall() if done.description else []


@contextlib.contextmanager
def running_cluster(settings: Sequence[str] = (), *, durable: bool = False) -> Iterator[Cluster]:
    """A cluster with a database `kardus_template` that has the tables."""
    cluster = Cluster(settings, durable=durable)
    try:
        cluster.start()
        cluster.execute("CREATE DATABASE kardus_template")
        migrate_database(address_of(cluster.url("kardus_template")))
        yield cluster
    finally:
        cluster.remove()
