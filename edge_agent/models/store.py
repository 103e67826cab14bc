"""The bundles that took over from the configured one, on disk: which is in use, which was before, which are refused.

`current.json` says which. It is replaced whole, so that a crash at any moment leaves the old choice or the new one.
"""

import contextlib
import hashlib
import logging
import shutil
from pathlib import Path

from pydantic import Field, ValidationError

from kardus.contract.base import Record
from kardus.contract.manifest import Sha256
from kardus.inference.bundle_archive import CHUNK_BYTES
from kardus.support.errors import DataError
from kardus.support.files import move_durably, write_durably
from kardus.support.input_files import open_file

MAX_REFUSED = 100
"""So many refused bundles are remembered."""
MAX_STARTS = 3
"""A model on probation whose agent was started so many times, and never got through it, is taken to be the cause."""
log = logging.getLogger("kardus.models")


class StoredBundle(Record):
    """A bundle in the store."""

    sha256: Sha256
    """Names its file."""
    settled: bool = False
    """Whether it got through its probation."""
    starts: int = 0
    """Starts of the agent since it took over."""


class ModelChoices(Record):
    """What `current.json` holds."""

    configured: str = ""
    """SHA-256 of the bundle that was configured when the choice was made; another one there is a new choice."""
    current: StoredBundle | None = None
    """None: the configured bundle."""
    previous: StoredBundle | None = None
    """What comes back where the current one fails; None: the configured bundle."""
    refused: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of bundles that aren't tried again unless they are forced, and why."""


class ModelStore:
    """A folder that one thread owns; `staging` in it is where the intake writes."""

    def __init__(self, folder: Path) -> None:
        """Take up what the folder holds. Nothing is made before something is kept."""
        self._folder = folder
        self._choices = _read(folder / "current.json")
        self._is_unwritten = False
        shutil.rmtree(self.staging, ignore_errors=True)  # a change that was interrupted begins anew
        self._prune()

    @property
    def staging(self) -> Path:
        """Where bundles are put down until they are found good."""
        return self._folder / "staging"

    @property
    def current(self) -> StoredBundle | None:
        """The bundle in use; None: the configured one."""
        return self._choices.current

    def path(self, choice: StoredBundle) -> Path:
        """A kept bundle's file."""
        return self._folder / f"{choice.sha256}.bundle"

    def begin(self, configured: str) -> StoredBundle | None:
        """The agent starts, with this SHA-256 of the configured bundle ("": it can't be read). What is it to run?

        A configured bundle that was replaced by hand is run. So is the former one, instead of one on probation with
        which the agent was started too often.

        """
        if self._choices.current is None:
            return None
        if configured not in ("", self._choices.configured):
            log.warning("the configured bundle is another one than before: it is used")
            self._note(ModelChoices(refused=self._choices.refused))
            return None
        current = self._choices.current
        if not current.settled and current.starts >= MAX_STARTS:
            self.roll_back(f"the agent was started {current.starts} times and never got through its probation")
        elif not current.settled:
            self._change(current=current.model_copy(update={"starts": current.starts + 1}))
        return self._choices.current

    def take_over(self, staged: Path, sha256: str, configured: str) -> None:
        """A staged bundle is used from now on, on probation.

        Raises:
            DataError: the disk doesn't take it; the choice stays as it was.
        """
        choice = StoredBundle(sha256=sha256)
        try:
            move_durably(staged, self.path(choice))
        except OSError as error:
            raise DataError(f"{self.path(choice)}: cannot be written ({error.strerror}): check the disk") from error
        refused = {key: why for key, why in self._choices.refused.items() if key != sha256}
        previous = self._choices.current
        self._write(ModelChoices(configured=configured, current=choice, previous=previous, refused=refused))

    def settle(self) -> None:
        """The current bundle got through its probation."""
        if self._choices.current:
            self._change(current=self._choices.current.model_copy(update={"settled": True}))
        self._prune()

    def roll_back(self, reason: str) -> None:
        """The former bundle is used again, and the current one isn't tried any more."""
        if self._choices.current is None:
            return
        log.error("the model is rolled back: %s", reason)
        failed = self._choices.current.sha256
        back = self._choices.previous
        back = back.model_copy(update={"settled": True}) if back else None
        self._note(
            self._choices.model_copy(
                update={"current": back, "previous": None, "refused": self._with_refused(failed, reason)}
            )
        )

    def refuse(self, sha256: str, reason: str) -> None:
        """A bundle isn't tried again unless it is forced."""
        self._change(refused=self._with_refused(sha256, reason))

    @property
    def refused(self) -> dict[str, str]:
        """SHA-256 of bundles that aren't tried again unless they are forced, and why."""
        return dict(self._choices.refused)

    def _with_refused(self, sha256: str, reason: str) -> dict[str, str]:
        known = {key: why for key, why in self._choices.refused.items() if key != sha256}
        return dict(list((known | {sha256: reason}).items())[-MAX_REFUSED:])

    def retry(self) -> None:
        """Write what the disk didn't take, if there is anything; a full one doesn't end an agent that judges well."""
        if self._is_unwritten:
            self._note(self._choices)

    def _change(self, **changes: object) -> None:
        self._note(self._choices.model_copy(update=changes))

    def _note(self, choices: ModelChoices) -> None:
        """What holds from now on; where the disk doesn't take it, a restart goes back to the choice before."""
        try:
            self._write(choices)
        except DataError as error:
            if not self._is_unwritten:
                log.error("which model is used can't be noted, it is tried again: %s", error)  # noqa: TRY400
            self._choices, self._is_unwritten = choices, True

    def _write(self, choices: ModelChoices) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{self._folder}: cannot be made ({error.strerror}): check the disk") from error
        write_durably(self._folder / "current.json", choices.model_dump_json(indent=1).encode())
        self._choices, self._is_unwritten = choices, False

    def _prune(self) -> None:
        """Remove bundles that nothing names any more."""
        named = {choice.sha256 for choice in (self._choices.current, self._choices.previous) if choice}
        for path in self._folder.glob("*.bundle"):
            if path.stem not in named:
                with contextlib.suppress(OSError):
                    path.unlink()


def in_use(folder: Path, configured: str) -> Path | None:
    """The kept bundle that an agent would run at its next start; None: the configured one. Changes nothing.

    Args:
        folder: the store's.
        configured: SHA-256 of the configured bundle; "": it can't be read.
    """
    choices = _read(folder / "current.json")
    if choices.current is None or configured not in ("", choices.configured):
        return None
    return folder / f"{choices.current.sha256}.bundle"


def sha256_of(path: Path) -> str:
    """A file's SHA-256; empty where it can't be read."""
    digest = hashlib.sha256()
    try:
        with open_file(path) as file:
            while part := file.read(CHUNK_BYTES):
                digest.update(part)
    except OSError:
        return ""
    return digest.hexdigest()


def _read(path: Path) -> ModelChoices:
    try:
        return ModelChoices.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return ModelChoices()
    except (OSError, ValidationError) as error:
        log.error("%s: not readable (%s): the configured model is used", path, error)  # noqa: TRY400
        return ModelChoices()
