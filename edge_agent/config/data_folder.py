"""`agent.data_dir`: what an agent keeps there, whether it can, and that no other agent works in it meanwhile."""

import contextlib
import fcntl
import os
import shutil
import weakref
from pathlib import Path

from pydantic import ValidationError

from edge_agent.config import Config
from edge_agent.config.layout_files import LAYOUTS_FOLDER
from kardus.contract.base import Record
from kardus.support.errors import DataError
from kardus.support.files import make_folder, require_usable_file, require_usable_folder

LOCK_FILE = "agent.lock"
OUTBOX_FILE = "outbox.sqlite"
EXPECTED_FILE = "expected.sqlite"
MODELS_FOLDER = "models"
EVIDENCE_FOLDER = "evidence"
RECORDING_FOLDER = "recording"
HARVEST_FOLDER = "harvest"
COLOURS_FOLDER = "colours"
KEY = "agent.data_dir"
MIN_FREE_MB = 5
"""The outbox keeps 2 MB in reserve, and each of the two databases makes a file of its own besides."""
_MAX_BYTES = 10_000


class Occupant(Record):
    """The agent that is at work in a data folder."""

    process: int
    agent: str
    """Its site and name."""
    health: str = ""
    """Where its health page listens; empty: nowhere."""


class DataFolder:
    """The folder, held against other agents until it is left, or the process ends in whatever way."""

    def __init__(self, config: Config) -> None:
        """Make it where it isn't there, see that everything in it can be used, and take it.

        Raises:
            UsageError: it can't be made.
            DataError: something in it can't be used, or another agent is at work in it.
        """
        self.path = config.agent.data_dir
        make_folder(KEY, self.path)
        require_usable(config)
        lock = _take(self.path / LOCK_FILE, occupant_of(config))
        self._leave = weakref.finalize(self, os.close, lock)  # also where the agent's start fails later on

    def leave(self) -> None:
        """Another agent may work in it."""
        self._leave()


def occupant_of(config: Config) -> Occupant:
    """This process as an agent of this configuration."""
    health = f"{config.health.host}:{config.health.port}" if config.health.port else ""
    return Occupant(process=os.getpid(), agent=f"{config.agent.site}/{config.agent.name}", health=health)


def require_usable(config: Config) -> None:
    """What an agent keeps can be kept. Changes nothing; the folder need not be there.

    Raises:
        DataError: it is not so; the message names key, place and remedy.
    """
    data = config.agent.data_dir
    kept = {
        RECORDING_FOLDER: config.recording.max_mb,
        EVIDENCE_FOLDER: config.evidence.max_mb,
        HARVEST_FOLDER: config.harvest.max_mb,
        MODELS_FOLDER: config.model,
        LAYOUTS_FOLDER: any(camera.layout for camera in config.cameras),
    }
    require_usable_folder(KEY, data)
    for name in (name for name, is_kept in kept.items() if is_kept):
        require_usable_folder(KEY, data / name)
    for name in (OUTBOX_FILE, EXPECTED_FILE):
        for suffix in ("", "-wal", "-shm"):
            require_usable_file(KEY, data / f"{name}{suffix}")
    require_usable_file(KEY, data / LOCK_FILE)


def space_problem(folder: Path) -> str:
    """Why the disk of a data folder has too little space for an agent to start, in words; empty if it has enough."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    free_mb = shutil.disk_usage(existing).free / 1e6
    if free_mb >= MIN_FREE_MB:
        return ""
    return f"{KEY}: {folder} is on a disk with {free_mb:.1f} MB free, {MIN_FREE_MB} are needed: make room"


def occupant(folder: Path) -> Occupant | None:
    """The agent that is at work in a data folder; None where none is. Changes nothing."""
    try:
        file = os.open(folder / LOCK_FILE, os.O_RDONLY)
    except OSError:
        return None  # no agent was ever there, or the folder can't be used at all: `require_usable` says so
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(file)
    finally:
        os.close(file)
    return None


def taken(folder: Path, by: Occupant) -> DataError:
    """Why a folder can't be used."""
    who = f"agent {by.agent} (process {by.process})" if by.process else "another agent"
    return DataError(f"{KEY} = {folder}: {who} is at work in it: stop it, or give each agent a folder of its own")


def _take(path: Path, occupant: Occupant) -> int:
    """The open file that holds the lock."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DataError(f"{KEY}: {path} cannot be written ({error.strerror}): check rights and space") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        try:
            raise taken(path.parent, _read(file)) from None
        finally:
            os.close(file)
    with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
        os.truncate(file, 0)
        os.pwrite(file, occupant.model_dump_json().encode(), 0)
    return file


def _read(file: int) -> Occupant:
    try:
        return Occupant.model_validate_json(os.pread(file, _MAX_BYTES, 0))
    except ValidationError:
        return Occupant(process=0, agent="")
