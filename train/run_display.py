"""A run as it goes on: a bar on a terminal, lines elsewhere, and the same lines in the run's own log."""

import contextlib
import math
import shlex
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress

from kardus.support.console import err, say_interrupted, typed_words

if TYPE_CHECKING:
    from train.fitting.loop import Batch, Epoch

LOG = "fit.log"
LINE_EVERY_S = 30.0
"""How often a line says how far an epoch is."""


class RunDisplay:
    """Takes what a run tells of: `ProgressCallbacks`."""

    def __init__(self, progress: Progress, out: Path | None = None) -> None:
        """Show it in a bar; with `out`, the run's folder, it is logged there too."""
        self._progress = progress
        self._task = progress.add_task("Training", total=None)
        self._out = out
        self._text = ""
        self._estimate = _Estimate()
        self._said_s = time.monotonic()

    def note(self, text: str) -> None:
        """What the user should know."""
        err.print(f"note: {text}", highlight=False, soft_wrap=True)
        self._log(f"note: {text}")

    def batch(self, batch: "Batch") -> None:
        """How far an epoch is, and when the training will be done."""
        self._estimate.take(batch)
        done = batch.epoch - 1 + batch.batch / batch.batches
        self._progress.update(self._task, completed=done, total=batch.of, description=self._text or "Training")
        if time.monotonic() - self._said_s >= LINE_EVERY_S and batch.batch < batch.batches:
            self._say(f"epoch {batch.epoch}/{batch.of}, batch {batch.batch}/{batch.batches}{self._estimate.left}")

    def epoch(self, epoch: "Epoch") -> None:
        """An epoch is over."""
        held_out = "" if math.isnan(epoch.val_accuracy) else f", held out {100 * epoch.val_accuracy:.1f} %"
        self._text = f"loss {epoch.train_loss:.3f}{held_out}"
        self._progress.update(self._task, completed=epoch.epoch, total=epoch.of, description=self._text)
        self._say(f"epoch {epoch.epoch}/{epoch.of}: {self._text}, {epoch.seconds:.0f} s{self._estimate.left}")

    def interrupted(self, *, is_stored: bool) -> None:
        """The user has ended it: say how to go on."""
        words = typed_words()
        again = shlex.join(words if "--resume" in words or not is_stored else [*words, "--resume"])
        kept = "its last state is stored; go on with" if is_stored else "nothing of it is stored yet; begin again with"
        text = f"interrupted: {kept}: {again}"
        self._log(text)  # first: the terminal may be gone
        say_interrupted(text)

    def _say(self, text: str) -> None:
        self._said_s = time.monotonic()
        if not err.is_terminal:
            err.print(text, highlight=False, soft_wrap=True)
        self._log(text)

    def _log(self, text: str) -> None:
        if self._out is None or not self._out.is_dir():
            return
        # a full disk costs the log, and not the training
        with contextlib.suppress(OSError), (self._out / LOG).open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now().astimezone().isoformat(timespec='seconds')} {text}\n")


class _Estimate:
    """When a training will be done, by the pace of this process."""

    def __init__(self) -> None:
        self._first: tuple[int, int, float] | None = None  # epochs of the training, batches done, when
        self.left = ""

    def take(self, batch: "Batch") -> None:
        now_s, done = time.monotonic(), (batch.epoch - 1) * batch.batches + batch.batch
        if self._first is None or self._first[0] != batch.of or done <= self._first[1]:
            self._first, self.left = (batch.of, done, now_s), ""  # another training: the refit, or a fold
            return
        _, before, since_s = self._first
        remaining = (now_s - since_s) / (done - before) * (batch.of * batch.batches - done)
        self.left = f", about {_duration(remaining)} left" if remaining else ""


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 2:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"  # noqa: PLR2004
