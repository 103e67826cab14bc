"""The state that a run stores during training, so that it can be resumed when it was killed."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kardus.support.errors import UsageError
from train.networks.checkpoint import Checkpoint, read_content, save_checkpoint

LAST_STATE_FILE = "last.ckpt"
SECONDS_BETWEEN = 60.0
"""A state is several times as large as the model: it isn't written more often than this."""


class ResumeFile:
    """The last good state of a run: a checkpoint that can be evaluated, with the training state needed to resume."""

    def __init__(self, path: Path, template: Checkpoint) -> None:
        """Store states at `path`, as `template` with the current weights."""
        self._path = path
        self._template = template
        self._kept_at = float("-inf")

    def load(self) -> dict[str, Any] | None:
        """The last stored state; None where there is none.

        Raises:
            DataError: it is damaged.
            UsageError: it is of a run with other values or another data set; the message names the first difference.
        """
        if not self._path.exists():
            return None
        content = read_content(self._path)
        refuse_other_run(self._path, content["config"], content["data_sha256"], self._template)
        return content

    def hint(self) -> str:
        """Where the last good state is, for the end of an error message; empty where there is none."""
        return f"; the last good state is {self._path}" if self._path.exists() else ""

    def keep(self, averaged: Mapping[str, Tensor], progress: Callable[[], dict[str, Any]]) -> None:
        """Store the state if the last one is old enough and this one is good (every weight is finite).

        Raises:
            DataError: it can't be written; the state before stays.
        """
        fresh = time.monotonic() - self._kept_at < SECONDS_BETWEEN
        if fresh or not all(bool(torch.isfinite(value).all()) for value in averaged.values()):
            return
        weights = {name: value.cpu().contiguous() for name, value in averaged.items()}
        save_checkpoint(self._path, replace(self._template, weights=weights), progress())
        self._kept_at = time.monotonic()


def refuse_other_run(path: Path, config: dict[str, Any], data_sha256: str, asked: Checkpoint) -> None:
    """Refuse to resume a run of other values or photos.

    Raises:
        UsageError: the state at `path` is of another run than `asked`; the message names the first difference.
    """
    values = asked.config.settled_as(config.get("precision", "auto")).model_dump().items()
    pairs = [("data set", data_sha256, asked.data_sha256), *((_option(key), config.get(key), v) for key, v in values)]
    for what, kept, wanted in pairs:
        if kept != wanted:
            raise UsageError(
                f"--resume: {path} was begun with another {what} ({kept}, not {wanted}): "
                "give the same again, or name a new folder"
            )


def _option(key: str) -> str:
    return "--" + key.replace("_", "-")
