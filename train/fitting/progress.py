"""What a run tells of while it goes on."""

from collections.abc import Callable
from dataclasses import dataclass

from train.fitting.loop import Batch, Epoch


@dataclass(frozen=True)
class ProgressCallbacks:
    """Functions that a run calls with each epoch, each batch and each note."""

    epoch: Callable[[Epoch], None] = lambda _: None
    note: Callable[[str], None] = lambda _: None
    batch: Callable[[Batch], None] = lambda _: None
