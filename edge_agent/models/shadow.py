"""A second model classifies the same crops as the one in use, in a thread of its own; its answers decide nothing."""

import contextlib
import queue
import threading
from collections.abc import Sequence

import numpy as np

from edge_agent.records import ClassifiedCrops
from kardus.contract.manifest import EMPTY_CLASS
from kardus.contract.model_status import Comparison
from kardus.inference.classification import Classification
from kardus.inference.classifier import Classifier, classify_in_portions
from kardus.inference.preprocess import Pixels, cut_out
from kardus.support.errors import BundleError


class ShadowModel:
    """Owned by the agent's thread. While it is busy, further crops are skipped."""

    def __init__(self, classifier: Classifier) -> None:
        """Start its thread."""
        self.classifier = classifier
        self._offers: queue.Queue[ClassifiedCrops | None] = queue.Queue(maxsize=1)
        self._lock = threading.Lock()
        self._comparison = Comparison()
        self._failure = ""
        self._stopped = False
        threading.Thread(target=self._answer, name="shadow", daemon=True).start()

    @property
    def comparison(self) -> Comparison:
        """How the two models agree so far."""
        with self._lock:
            return self._comparison

    @property
    def failure(self) -> str:
        """Why the second model can't be used; empty: it works."""
        with self._lock:
            return self._failure

    def offer(self, classified: ClassifiedCrops) -> None:
        """Have it classify these crops too, unless it is busy."""
        if len(classified.answers) and not self._offers.full():
            self._offers.put_nowait(classified)

    def stop(self) -> None:
        """End its thread; a classification under way isn't waited for."""
        self._stopped = True
        with contextlib.suppress(queue.Full):  # it is busy, and sees `_stopped` when it is done
            self._offers.put_nowait(None)

    def _answer(self) -> None:
        while (classified := self._offers.get()) is not None and not self._stopped:
            try:
                answers = classify_in_portions(self.classifier, crops_at(classified, self.classifier.size_px))
            except BundleError as error:
                with self._lock:
                    self._failure = str(error)
                return
            with self._lock:
                self._comparison = compared(self._comparison, classified, answers)


def crops_at(classified: ClassifiedCrops, size_px: int) -> Pixels:
    """The same slots, cut out at another model's input size: (slots, size_px, size_px, 3) uint8 RGB."""
    crops = np.stack([cut_out(classified.frame, corners, size_px) for corners in classified.corners])
    return classified.correction.apply(crops) if classified.correction else crops


def compared(before: Comparison, classified: ClassifiedCrops, others: Sequence[Classification]) -> Comparison:
    """Add what another model says of the same crops."""
    totals = before.model_dump()
    for present, other, expected in zip(classified.answers, others, classified.expected, strict=True):
        totals["crops"] += 1
        totals["same"] += _product(present) == _product(other)
        if expected is not None and expected.managed:
            wanted = expected.sku or EMPTY_CLASS
            totals["expected"] += 1
            totals["by_present"] += _product(present) == wanted
            totals["by_other"] += _product(other) == wanted
    return Comparison(**totals)


def _product(answer: Classification) -> str | None:
    return answer.sku if answer.known and not answer.doubted else None
