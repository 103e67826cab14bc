"""The refit: training goes on with the held-out photos too, and what comes of it is measured before it is delivered."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from train.augmentation.augmented_views import FreshViews, Photos
from train.devices import process_rank
from train.evaluation.outputs import run_network
from train.fitting.finalise import category_of, finalise, teacher_of, template, weights_of
from train.fitting.loop import train
from train.fitting.prepare import PreparedPhotos
from train.fitting.progress import ProgressCallbacks
from train.fitting.resume import ResumeFile
from train.fitting.run_folder import METRICS
from train.networks.carton import CartonNet
from train.networks.checkpoint import CHECKPOINT, MEASURED, Checkpoint, RefitOutcome, save_checkpoint, write_json

REFIT_STATE_FILE = "refit.ckpt"
REFIT_LR_SHARE = 0.5
"""The refit on all photos has this fraction of the run's peak learning rate."""
MIN_KEPT = 0.95
"""Of the held-out photos that the measured network names rightly, so many must be named rightly after the refit."""
MAX_SHARE_STRAYED = 0.05
"""Of the held-out photos, so many may be given another answer that is wrong, and be farther from the right one."""
WORST_LOSS = 1e6
"""Of a network that gives what is no number."""
LOSS_SLACK = 0.05
"""The loss on photos that were trained on meanwhile may not rise; by so much it may, for rounding and few photos."""


def refit(prepared: PreparedPhotos, out: Path, measured: Checkpoint, progress: ProgressCallbacks) -> Checkpoint:
    """Train further on every photo, from the weights that were measured; metrics and calibration stay as measured.

    Where the result is worse than the measured network on the photos that were held out, the measured one stays.
    """
    config = measured.config
    progress.note("evaluated; now training further on the held-out photos too: metrics and calibration stay unchanged")
    if process_rank() == 0:
        save_checkpoint(out / MEASURED, measured)
    share = refit_share(config.refit, trained=len(prepared.train.labels), held_out=len(prepared.val.labels))
    changes = {"epochs": max(1, round(share * config.epochs)), "lr": config.lr * REFIT_LR_SHARE, "patience": 0}
    rest = config.model_copy(update=changes | {"first_size": 0})
    everything = prepared.with_held_out()
    model = train(
        measured.model(),
        FreshViews(everything, rest),
        Photos(prepared.val.pixels[:0], prepared.val.labels[:0]),
        rest,
        progress.epoch,
        category_of=category_of(prepared),
        teacher=teacher_of(config, prepared),
        resume_store=ResumeFile(out / REFIT_STATE_FILE, template(prepared, rest)),
        on_batch=progress.batch,
    )
    network, prototypes = finalise(model, everything, rest)
    outcome = compare_networks(measured.model(), network, prepared.val)
    checkpoint = replace(measured, refit=outcome)
    if not outcome.refused:
        checkpoint = replace(
            checkpoint,
            weights=weights_of(network),
            prototypes=torch.from_numpy(prototypes),
            photos=len(everything.labels),
            refitted=True,
        )
    progress.note(refit_summary(outcome))
    if process_rank() == 0:
        save_checkpoint(out / CHECKPOINT, checkpoint)
        _record_outcome(out / METRICS, outcome)
        (out / REFIT_STATE_FILE).unlink(missing_ok=True)
        if outcome.refused:
            (out / MEASURED).unlink(missing_ok=True)  # it is what is delivered
        else:
            save_checkpoint(out / MEASURED, replace(measured, refit=outcome))
    return checkpoint


def refit_share(configured: float, *, trained: int, held_out: int) -> float:
    """For which fraction of the epochs to go on: longer where a large part of all photos was held out.

    Of two photos of a product one is held out; what the other half shows isn't learnt in a fifth of the time.
    """
    return max(configured, held_out / (trained + held_out))


def compare_networks(before: CartonNet, after: CartonNet, held_out: Photos) -> RefitOutcome:
    """Compare the two networks on the photos that only the second was trained on."""
    if not len(held_out.labels):
        return RefitOutcome(photos=0, loss_before=0.0, loss_after=0.0, agreement=1.0, kept=1.0)
    one, other = (run_network(network, held_out.pixels).logits for network in (before, after))
    return compare_outputs(one, other, held_out.labels)


def compare_outputs(one: NDArray[np.float32], other: NDArray[np.float32], labels: NDArray[np.int64]) -> RefitOutcome:
    """Compare the logits (n, classes) of a network with those after its refit, n from 1; `labels` (n) are right."""
    answers, others = one.argmax(axis=1), other.argmax(axis=1)
    was_right = answers == labels
    kept = float((others == labels)[was_right].mean()) if was_right.any() else 1.0
    losses, other_losses = cross_entropies(one, labels), cross_entropies(other, labels)
    strayed = (others != answers) & (others != labels) & (other_losses > losses)
    outcome = RefitOutcome(
        photos=len(labels),
        loss_before=round(float(losses.mean()), 5),
        loss_after=round(float(other_losses.mean()), 5),
        agreement=float((answers == others).mean()),
        kept=kept,
        strayed=float(strayed.mean()),
    )
    return outcome.model_copy(update={"refused": refit_problem(outcome, was_right=int(was_right.sum()))})


def cross_entropies(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """The cross-entropy (n,) of logits (n, classes) with labels (n,), n from 1; at most WORST_LOSS."""
    if not np.isfinite(logits).all():
        return np.full(len(labels), WORST_LOSS)
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    likelihoods = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    found: NDArray[np.float64] = np.minimum(-likelihoods[np.arange(len(labels)), labels], WORST_LOSS)
    return found


def refit_summary(outcome: RefitOutcome) -> str:
    """What came of a refit, in a line."""
    if not outcome.photos:
        return "refitted; no photo was held out that could tell what came of it"
    figures = (
        f"on the {outcome.photos} photos that were held out, the loss went from {outcome.loss_before:.3f} to "
        f"{outcome.loss_after:.3f}; {100 * outcome.agreement:.1f} % are named as before, "
        f"{100 * outcome.strayed:.1f} % have strayed from it, and {100 * outcome.kept:.1f} % of those that were "
        "named rightly still are"
    )
    if outcome.refused:
        return f"the refit is refused ({outcome.refused}), and the measured network delivered: {figures}"
    return f"the refitted network is delivered; the figures are of the one before it ({MEASURED}): {figures}"


def refit_problem(outcome: RefitOutcome, *, was_right: int) -> str:
    """Why it mustn't be delivered; empty: it may. A single photo of a few tells nothing."""
    lost = round((1 - outcome.kept) * was_right)
    if outcome.kept < MIN_KEPT and lost > 1:
        return f"{lost} photos that were named rightly aren't any more, though they were trained on"
    if outcome.strayed > max(MAX_SHARE_STRAYED, 1 / max(1, outcome.photos)):
        return f"{round(outcome.strayed * outcome.photos)} are named otherwise than before, and farther from right"
    if not outcome.loss_after <= outcome.loss_before + LOSS_SLACK:
        return "the loss on them rose, though they were trained on"
    return ""


def _record_outcome(metrics: Path, outcome: RefitOutcome) -> None:
    """Add to the run's figures what came of the refit, and whose they are."""
    content = json.loads(metrics.read_text(encoding="utf-8"))
    figures_of = CHECKPOINT if outcome.refused else MEASURED
    write_json(metrics, content | {"figures_of": figures_of, "refit": outcome.model_dump()})
