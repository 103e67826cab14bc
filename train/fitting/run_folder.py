"""A run's folder: its file names, whether it is in use, and its removal after a failed run."""

import contextlib
import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from kardus.support.errors import UsageError
from kardus.support.files import made_folder
from train.devices import process_rank
from train.fitting.resume import LAST_STATE_FILE
from train.networks.checkpoint import CHECKPOINT, load_checkpoint

FOLDS, TRUST = "folds", "trust"
METRICS, REPORT = "metrics.json", "report.html"
log = logging.getLogger(__name__)


def refuse_used(out: Path, *, resume: bool) -> None:
    """Refuse a folder that holds a run.

    Raises:
        UsageError: it does, or holds an unfinished one without `resume`.
    """
    if _is_done(out):
        raise UsageError(f"--out {out}: holds a run already: name a new folder")
    if is_used(out) and not resume:
        raise UsageError(f"--out {out}: holds an unfinished run: go on with --resume, or name a new folder")


def is_used(out: Path) -> bool:
    """Whether a run has left something there that it can go on from."""
    return any((out / name).exists() for name in (LAST_STATE_FILE, CHECKPOINT, FOLDS, TRUST))


def _is_done(out: Path) -> bool:
    """Whether nothing of a run is left to do: its report comes last, or the refit does, where there is one."""
    if not (out / CHECKPOINT).exists():
        return False
    kept = load_checkpoint(out)
    refit = kept.refitted or kept.refit is not None
    return refit or ((out / REPORT).exists() and not kept.waits_for_refit)


@contextlib.contextmanager
def run_folder(out: Path) -> Iterator[None]:
    """Make the folder before training, so that an unusable name fails early; remove it if the run leaves no state.

    Raises:
        UsageError: it can't be made, or another process is training in it.
    """
    is_new = not out.exists()
    with made_folder("--out", out), _held(out) if process_rank() == 0 else contextlib.nullcontext():
        try:
            yield
        finally:
            if is_new and process_rank() == 0 and not is_used(out):
                shutil.rmtree(out)  # TensorBoard's log without a state to resume from


@contextlib.contextmanager
def _held(out: Path) -> Iterator[None]:
    """Keep others from training there, until this process ends in whatever way.

    Somebody whose connection broke starts the run again while the first one goes on: they would write over each other.
    """
    folder = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise UsageError(f"--out {out}: another process is training in it: wait for it, or stop it") from None
    except OSError:  # a network's file system without locks
        log.debug("%s can't be locked", out)
    try:
        yield
    finally:
        os.close(folder)
