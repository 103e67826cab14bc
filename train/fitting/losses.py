"""The training loss on one batch of augmented crops."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.augmentation.augment import cutmix
from train.augmentation.synthetic_unknowns import false_colours
from train.config import TrainConfig

OUTLIER_WEIGHT = 0.5
TEACHER_TEMPERATURE = 2.0


@dataclass(frozen=True)
class Objective:
    """Cross-entropy with label smoothing, and the auxiliary losses that are configured."""

    config: TrainConfig
    category_of: Tensor | None = None
    """(classes,): each class's category index; needed with `config.category_weight`."""
    teacher: nn.Module | None = None
    """A trained network in evaluation mode to distil from."""

    def __call__(
        self, network: Any, crops: Tensor, labels: Tensor, clutter: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The loss on augmented crops (N, 3, S, S) with labels (N,), and their logits (N, classes).

        `clutter` (M, 3, S, S) are synthetic unknowns.

        Synthetic unknowns go through the network in the same batch, so that both share its batch statistics.
        """
        unknown, unknown_weight = self._unknown(crops, clutter, generator)
        crops, others, kept = cutmix(crops, labels, self.config.cutmix, generator)
        device = next(network.parameters()).device
        together = (
            (torch.cat([crops, unknown]) if len(unknown) else crops)
            .contiguous(memory_format=torch.channels_last)
            .to(device)
        )
        logits, categories = self._answer(network, together)
        own, unknown_logits = logits[: len(crops)], logits[len(crops) :]
        loss = self._mixed(own, labels, others, kept)
        if categories is not None and self.category_of is not None:
            parents, other_parents = self.category_of[labels], self.category_of[others]
            loss = loss + self.config.category_weight * self._mixed(
                categories[: len(crops)], parents, other_parents, kept
            )
        if len(unknown):
            uniformity = uniformity_loss(unknown_logits, unknown_weight)
            loss = loss + OUTLIER_WEIGHT * uniformity * len(unknown) / len(crops)
        if self.teacher is not None:
            loss = loss + distillation_loss(own, self.teacher, together[: len(crops)])
        return loss, own

    def _unknown(self, crops: Tensor, clutter: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The synthetic unknowns, clutter and crops in false colours: (M, 3, S, S), and their loss weights (M,)."""
        if not self.config.outliers:
            return clutter, torch.ones(len(clutter), device=clutter.device)
        coloured, weight = false_colours(crops[: round(self.config.outliers * len(crops))], generator)
        return torch.cat([coloured, clutter]), torch.cat([weight, torch.ones(len(clutter), device=clutter.device)])

    def _answer(self, network: Any, crops: Tensor) -> tuple[Tensor, Tensor | None]:
        if self.config.category_weight and self.category_of is not None:
            logits, categories = network.with_categories(crops)
            return logits, categories
        return network(crops), None

    def _mixed(self, logits: Tensor, labels: Tensor, others: Tensor, kept: float) -> Tensor:
        """The CutMix loss: a proportion `kept` of each crop is its own, the rest another photo's."""
        loss = self._smooth(logits, labels)
        return loss if kept == 1 else kept * loss + (1 - kept) * self._smooth(logits, others)

    def _smooth(self, logits: Tensor, labels: Tensor) -> Tensor:
        smoothing = self.config.label_smoothing
        return functional.cross_entropy(logits, labels.to(logits.device), label_smoothing=smoothing)


def uniformity_loss(logits: Tensor, weight: Tensor) -> Tensor:
    """Weighted cross-entropy against the uniform distribution: smallest where every class is equally likely."""
    return -(functional.log_softmax(logits, dim=1).mean(dim=1) * weight.to(logits.device)).mean()


def distillation_loss(logits: Tensor, teacher: nn.Module, crops: Tensor) -> Tensor:
    """Knowledge distillation of logits (N, classes) from the teacher's on the same crops (N, 3, S, S).

    Kullback-Leibler divergence at TEACHER_TEMPERATURE (Hinton, Vinyals, Dean, 2015). Teacher and student see the same
    crop (Beyer et al., CVPR 2022).
    """
    with torch.no_grad():
        known = functional.log_softmax(teacher(crops) / TEACHER_TEMPERATURE, dim=1)
    answered = functional.log_softmax(logits / TEACHER_TEMPERATURE, dim=1)
    divergence = functional.kl_div(answered, known, reduction="batchmean", log_target=True)
    return divergence * TEACHER_TEMPERATURE**2
