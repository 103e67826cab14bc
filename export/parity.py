"""Parity: how closely the outputs of an exported model, in the agent's own classifier, match the trained model's."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kardus.contract.manifest import Parity
from kardus.inference.raw_outputs import RawOutputs
from kardus.support.errors import BundleError

MAX_LOGIT_DIFFERENCE = 1e-3


def measure_parity(trained: RawOutputs, exported: RawOutputs) -> Parity:
    """Compare the outputs for the same N crops.

    Raises:
        BundleError: an output is not finite.
    """
    if not all(np.isfinite(outputs.logits).all() for outputs in (trained, exported)):
        raise BundleError("not written: the model's answers are not finite numbers: train again, with a lower --lr")
    difference = np.abs(trained.logits - exported.logits)
    return Parity(
        n=len(difference),
        max_logit_difference=float(difference.max()),
        mean_logit_difference=float(difference.mean()),
        min_embedding_cosine=float(_cosines(trained.embedding, exported.embedding).min()),
        top1_agreement=float((trained.logits.argmax(axis=1) == exported.logits.argmax(axis=1)).mean()),
    )


def refuse_difference(out: Path, parity: Parity) -> None:
    """Refuse an FP32 export without parity.

    Raises:
        BundleError: logits differ by more than MAX_LOGIT_DIFFERENCE, or a predicted class differs.
    """
    if parity.max_logit_difference > MAX_LOGIT_DIFFERENCE or parity.top1_agreement < 1:
        raise BundleError(
            f"{out}: not written: the exported model differs from the trained one by "
            f"{parity.max_logit_difference:.2g} (allowed: {MAX_LOGIT_DIFFERENCE:.0e}), same class on "
            f"{100 * parity.top1_agreement:.1f} % of {parity.n} crops: report this with the versions of torch and onnx"
        )


def _cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    result: NDArray[np.float32] = (one * other).sum(axis=1) / np.maximum(lengths, 1e-12)
    return result
