"""A network's raw outputs for crops (logits, embedding, evidence), before classes and verdicts are made of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kardus.inference.graph_forms import Float32Array


@dataclass(frozen=True)
class RawOutputs:
    """The graph's outputs for N crops."""

    logits: Float32Array
    """(N, classes)."""
    embedding: Float32Array
    """(N, d), whitened: distances between embeddings are Mahalanobis distances."""
    evidence: Float32Array
    """(N, h, w), 0 or more: what the decision looked at."""

    @classmethod
    def joined(cls, parts: Sequence["RawOutputs"]) -> "RawOutputs":
        """Those of several batches, one or more, as of one."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.logits for part in parts]),
            np.concatenate([part.embedding for part in parts]),
            np.concatenate([part.evidence for part in parts]),
        )
