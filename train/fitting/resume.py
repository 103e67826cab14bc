"""What a run keeps on disk while it is trained, so that it can be killed at any moment."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kardus.support.errors import UsageError
from train.networks.checkpoint import Checkpoint, read_content, save_checkpoint

LAST = "last.ckpt"
SECONDS_BETWEEN = 60.0
"""A state is several times as large as the model: it isn't written more often than this."""


class ResumeFile:
    """The last good state of a run: a checkpoint that can be evaluated, with what training needs to go on from it."""

    def __init__(self, path: Path, template: Checkpoint) -> None:
        """Keep states at `path`, as `template` with the weights of the moment."""
        self._path = path
        self._template = template
        self._kept_at = float("-inf")

    def load(self) -> dict[str, Any] | None:
        """What was kept last; None where nothing was.

        Raises:
            DataError: it is damaged.
            UsageError: it was kept by a run of other values or another data set; the message names the first.
        """
        if not self._path.exists():
            return None
        content = read_content(self._path)
        refuse_other_run(self._path, content["config"], content["data_sha256"], self._template)
        return content

    def hint(self) -> str:
        """Where the last good state is, for the end of an error's line; empty where there is none."""
        return f"; the last good state is {self._path}" if self._path.exists() else ""

    def keep(self, averaged: Mapping[str, Tensor], progress: Callable[[], dict[str, Any]]) -> None:
        """Keep the state if the last one is old enough and this one is good (every weight is a number).

        Raises:
            DataError: the disk doesn't take it; the state before stays.
        """
        fresh = time.monotonic() - self._kept_at < SECONDS_BETWEEN
        if fresh or not all(bool(torch.isfinite(value).all()) for value in averaged.values()):
            return
        weights = {name: value.cpu().contiguous() for name, value in averaged.items()}
        save_checkpoint(self._path, replace(self._template, weights=weights), progress())
        self._kept_at = time.monotonic()


def refuse_other_run(path: Path, config: dict[str, Any], data_sha256: str, asked: Checkpoint) -> None:
    """Refuse to go on with a run of other values or photos.

    Raises:
        UsageError: what was kept at `path` is of another run than is asked for; names the first difference.
    """
    values = asked.config.model_dump().items()
    pairs = [("data set", data_sha256, asked.data_sha256), *((_option(key), config.get(key), v) for key, v in values)]
    for what, kept, wanted in pairs:
        if kept != wanted:
            raise UsageError(
                f"--resume: {path} was begun with another {what} ({kept}, not {wanted}): "
                "give the same again, or name a new folder"
            )


def _option(key: str) -> str:
    return "--" + key.replace("_", "-")
