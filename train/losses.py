"""What the training minimises, on one batch of augmented crops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from train.augment import cutmix, outliers
from train.config import TrainConfig

OUTLIER_WEIGHT = 0.3
Answer = Callable[[Tensor], Any]


@dataclass(frozen=True)
class Objective:
    """Cross-entropy with label smoothing, and what the configuration adds to it."""

    config: TrainConfig
    category_of: Tensor | None = None
    """(classes,): the category's index of each class; needed with `config.category_weight`."""

    def __call__(
        self, network: Any, crops: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The loss on augmented crops (N, 3, S, S) with labels (N,), and their logits (N, classes).

        Copies in false colours go through the network in the same batch, so that both share its batch statistics.
        """
        crops, others, kept = cutmix(crops, labels, self.config.cutmix, generator)
        foreign, foreign_weight = outliers(crops[: int(self.config.outliers * len(crops))], generator)
        device = next(network.parameters()).device
        together = torch.cat([crops, foreign]).contiguous(memory_format=torch.channels_last).to(device)
        logits, categories = self._answer(network, together)
        own, doubted = logits[: len(crops)], logits[len(crops) :]
        loss = self._mixed(own, labels, others, kept)
        if categories is not None and self.category_of is not None:
            parents, other_parents = self.category_of[labels], self.category_of[others]
            loss = loss + self.config.category_weight * self._mixed(
                categories[: len(crops)], parents, other_parents, kept
            )
        if len(foreign):
            loss = loss + OUTLIER_WEIGHT * _flatness(doubted, foreign_weight)
        return loss, own

    def _answer(self, network: Any, crops: Tensor) -> tuple[Tensor, Tensor | None]:
        if self.config.category_weight and self.category_of is not None:
            logits, categories = network.with_categories(crops)
            return logits, categories
        return network(crops), None

    def _mixed(self, logits: Tensor, labels: Tensor, others: Tensor, kept: float) -> Tensor:
        """The loss of crops of which the share `kept` is their own and the rest another photo's."""
        loss = self._smooth(logits, labels)
        return loss if kept == 1 else kept * loss + (1 - kept) * self._smooth(logits, others)

    def _smooth(self, logits: Tensor, labels: Tensor) -> Tensor:
        smoothing = self.config.label_smoothing
        return functional.cross_entropy(logits, labels.to(logits.device), label_smoothing=smoothing)


def _flatness(logits: Tensor, weight: Tensor) -> Tensor:
    """Weighted cross-entropy against the uniform distribution: least where every class is equally likely."""
    return -(functional.log_softmax(logits, dim=1).mean(dim=1) * weight.to(logits.device)).mean()
