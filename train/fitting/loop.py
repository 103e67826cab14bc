"""The complete training loop."""

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from kardus.inference.preprocess import Pixels
from kardus.support.errors import KardusError
from train.augmentation.augmented_views import Photos, Views, to_tensor
from train.config import TrainConfig
from train.devices import augmenting_device, launch, process_rank, world
from train.fitting.freezing import freeze, keep_statistics
from train.fitting.losses import Objective
from train.fitting.optim import average, average_decay, build_optimizer, set_rate

VALIDATIONS = 50
"""A long run is validated about so many times, not after every epoch."""


@dataclass(frozen=True)
class Epoch:
    """The metrics of one epoch. Accuracies are in 0..1; validation influences training only through `patience`.

    Validation metrics are nan in epochs without validation.
    """

    epoch: int
    of: int
    """How many epochs the run has."""
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float


@dataclass(frozen=True)
class Batch:
    """How far an epoch is."""

    epoch: int
    of: int
    """How many epochs the run has."""
    batch: int
    """Counted from 1."""
    batches: int
    """How many the epoch has."""


class ResumeStore(Protocol):
    """Stores the state of a run, so that it can be resumed after it was killed."""

    def load(self) -> dict[str, Any] | None:
        """The last stored state; None at a run's beginning."""

    def hint(self) -> str:
        """A hint on the stored state, for the end of an error message; empty where there is none."""

    def keep(self, averaged: Mapping[str, Tensor], progress: Callable[[], dict[str, Any]]) -> None:
        """Store a good state, unless the last one is recent; `progress` is called only where it is stored."""


@dataclass
class _Run:
    """The parts of a run, and (from `epoch` on) what changes and is stored for resuming."""

    fabric: Any
    """Lightning Fabric, which only training imports."""
    network: Any
    """The model as Fabric wraps it."""
    optimizer: Any
    """As Fabric wraps it."""
    model: nn.Module
    averaged: nn.Module
    objective: Objective
    views: Views
    val_photos: Photos
    config: TrainConfig
    resume_store: ResumeStore | None
    on_batch: Callable[[Batch], None]
    epoch: int = 0
    history: list[Epoch] = field(default_factory=list)
    best_loss: float = math.inf
    best_epoch: int = 0
    best: dict[str, Tensor] | None = None

    def progress(self) -> dict[str, Any]:
        """The state to store, without the averaged weights."""
        return {
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": [asdict(epoch) for epoch in self.history],
            "best": (self.best_loss, self.best_epoch, self.best),
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Restore a stored state."""
        progress = kept["progress"]
        self.averaged.load_state_dict(kept["weights"])
        self.model.load_state_dict(progress["model"])
        self.optimizer.load_state_dict(progress["optimizer"])
        self.epoch = progress["epoch"]
        self.history = [Epoch(**epoch) for epoch in progress["history"]]
        self.best_loss, self.best_epoch, self.best = progress["best"]


def train(
    model: nn.Module,
    views: Views,
    val_photos: Photos,
    config: TrainConfig,
    on_epoch: Callable[[Epoch], None],
    *,
    category_of: NDArray[np.int64] | None = None,
    teacher: nn.Module | None = None,
    resume_store: ResumeStore | None = None,
    on_batch: Callable[[Batch], None] = lambda _: None,
) -> nn.Module:
    """Train the model and return its exponential moving average (EMA), in evaluation mode.

    Args:
        model: the network to train.
        views: the augmented training images.
        val_photos: the validation photos, at the network's input size; may be none.
        config: the hyperparameters.
        on_epoch: called with each epoch; when resumed, also with those from before.
        category_of: (classes,): each class's category index; needed with `config.category_weight`.
        teacher: a trained network to distil from.
        resume_store: where the run resumes from, and stores its state.
        on_batch: called after each batch.

    Raises:
        KardusError: the loss is no longer finite; the message names the batch.
        UsageError: the batch is too small for so many devices.
    """
    run = _set_up(
        model,
        views,
        val_photos,
        config,
        category_of=category_of,
        teacher=teacher,
        resume_store=resume_store,
        on_batch=on_batch,
    )
    if resume_store and (kept := resume_store.load()):
        run.restore(kept)
    for epoch in run.history:
        on_epoch(epoch)
    for epoch in _epochs(run):
        on_epoch(epoch)
        if resume_store and process_rank() == 0:
            resume_store.keep(run.averaged.state_dict(), run.progress)
    if run.best:
        run.averaged.load_state_dict(run.best)
    return run.averaged


def _epochs(run: _Run) -> Iterator[Epoch]:
    """To the last, or until none gets better. Each has its own seeds, so that a resumed run comes to the same."""
    while run.epoch < run.config.epochs and not _has_settled(run):
        epoch = _one_epoch(run)
        run.history.append(epoch)
        run.epoch += 1
        _remember_best(run, epoch)
        yield epoch


def _set_up(
    model: nn.Module,
    views: Views,
    val_photos: Photos,
    config: TrainConfig,
    *,
    category_of: NDArray[np.int64] | None,
    teacher: nn.Module | None,
    resume_store: ResumeStore | None,
    on_batch: Callable[[Batch], None],
) -> _Run:
    """The run on its device, before the first step."""
    fabric = launch(config)
    categories = None if category_of is None else torch.from_numpy(category_of)
    objective = Objective(config, categories, fabric.to_device(teacher) if teacher else None)
    model = model.to(memory_format=torch.channels_last)
    freeze(model, config.frozen)
    averaged = fabric.to_device(copy.deepcopy(model)).eval()
    network, optimizer = fabric.setup(model, build_optimizer(model, config))
    if hasattr(model, "with_categories"):
        network.mark_forward_method("with_categories")
    return _Run(
        fabric, network, optimizer, model, averaged, objective, views, val_photos, config, resume_store, on_batch
    )


def _one_epoch(run: _Run) -> Epoch:
    config, views, began, epoch = run.config, run.views, time.monotonic(), run.epoch + 1
    shared, own = seeds_of(config.seed, epoch, augmenting_device(run.fabric.device))
    torch.manual_seed(own.initial_seed())  # dropout draws from it
    per_epoch = batches_in(len(views.labels), config.batch)
    steps = config.epochs * per_epoch
    totals = torch.zeros(3)  # loss, hits, images
    run.network.train()
    keep_statistics(run.model, config.frozen)
    for number, chosen in enumerate(batches(len(views.labels), config.batch, shared), 1):
        step = run.epoch * per_epoch + number
        mine = chosen[process_rank() :: world()]
        labels = torch.from_numpy(views.labels[mine])
        set_rate(run.optimizer, config, step - 1, steps)
        crops, clutter = views.crops(mine, epoch, own), views.clutter(round(config.clutter * len(mine)), epoch, own)
        loss, logits = run.objective(run.network, crops, labels, clutter, own)
        if not torch.isfinite(loss):
            raise KardusError(
                f"the loss became {loss.item()} in epoch {epoch}, batch {number} of {per_epoch}: lower --lr "
                f"({config.lr}){run.resume_store.hint() if run.resume_store else ''}"
            )
        run.optimizer.zero_grad()
        run.fabric.backward(loss)
        if config.clip:
            run.fabric.clip_gradients(run.network, run.optimizer, max_norm=config.clip)
        run.optimizer.step()
        average(run.averaged, run.model, average_decay(step, steps, config.ema))
        hits = (logits.argmax(dim=1).cpu() == labels).sum()
        totals += torch.tensor([loss.item() * len(labels), float(hits), float(len(labels))])
        run.on_batch(Batch(epoch, config.epochs, number, per_epoch))
    totals = run.fabric.to_device(totals)
    run.fabric.all_reduce(totals, reduce_op="sum")
    loss_sum, hit_sum, seen = totals.tolist()
    held_out = _held_out(run) if _is_validated(epoch, config) else (math.nan, math.nan)
    return Epoch(epoch, config.epochs, loss_sum / seen, hit_sum / seen, *held_out, time.monotonic() - began)


def _is_validated(epoch: int, config: TrainConfig) -> bool:
    """Whether there is a validation after this epoch."""
    return epoch == config.epochs or epoch % max(1, config.epochs // VALIDATIONS) == 0


def _held_out(run: _Run) -> tuple[float, float]:
    with run.fabric.autocast():
        figures: tuple[float, float] = run.fabric.broadcast(validate(run.averaged, run.val_photos))
    return figures


def _has_settled(run: _Run) -> bool:
    patience = run.config.patience
    return bool(patience) and math.isfinite(run.best_loss) and run.epoch - run.best_epoch >= patience


def _remember_best(run: _Run, epoch: Epoch) -> None:
    if run.config.patience and epoch.val_loss < run.best_loss:
        run.best_loss, run.best_epoch = epoch.val_loss, epoch.epoch
        run.best = {name: value.clone() for name, value in run.averaged.state_dict().items()}


def seeds_of(seed: int, epoch: int, device: torch.device) -> tuple[torch.Generator, torch.Generator]:
    """Random generators for an epoch: one that is the same in every process, and this process's own, on `device`."""
    numbers = (
        np.random.SeedSequence((seed, epoch, process)).generate_state(1, np.uint64)
        for process in (0, 1 + process_rank())
    )
    first, second = (int(number[0] >> np.uint64(1)) for number in numbers)
    return torch.Generator().manual_seed(first), torch.Generator(device).manual_seed(second)


def batches_in(count: int, size: int) -> int:
    """How many batches an epoch of `count` images has: an incomplete last one is dropped, but never the only one."""
    return max(1, count // size)


def batches(count: int, size: int, generator: torch.Generator) -> Iterator[NDArray[np.int64]]:
    """The indices of the images of each batch, shuffled."""
    order = torch.randperm(count, generator=generator).numpy()
    size = min(size, count)
    for start in range(0, count - size + 1, size):
        yield order[start : start + size]


@torch.no_grad()
def validate(model: nn.Module, photos: Photos) -> tuple[float, float]:
    """Mean cross-entropy and accuracy (0..1); nan for no photos."""
    if not len(photos.labels):
        return math.nan, math.nan
    logits = predict(model, photos.pixels).float()
    labels = torch.from_numpy(photos.labels)
    return functional.cross_entropy(logits, labels).item(), (logits.argmax(dim=1) == labels).float().mean().item()


@torch.no_grad()
def predict(model: nn.Module, pixels: Pixels, batch: int = 64) -> Tensor:
    """Logits (N, classes) of crops (N, S, S, 3) uint8, on the CPU."""
    model.eval()
    device = next(model.parameters()).device
    parts = (to_tensor(pixels[start : start + batch], device) for start in range(0, len(pixels), batch))
    return torch.cat([model(part) for part in parts]).cpu()
