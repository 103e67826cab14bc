"""A second model that answers beside the one in use, in a thread of its own; nothing rests on what it says."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from edge_agent.seeing.slots import Cutting
from kardus.contract.manifest import EMPTY_CLASS
from kardus.contract.messages import Comparison, Expected
from kardus.inference.classification import Classification
from kardus.inference.classifier import Classifier
from kardus.inference.geometry import FloatArray
from kardus.support.errors import BundleError


@dataclass(frozen=True)
class Seen:
    """What the model in use says of some slots of a picture."""

    frame: Image.Image
    """RGB."""
    corners: FloatArray
    """(slots, 4, 2) in pixels."""
    answers: Sequence[Classification]
    expected: Sequence[Expected | None]
    """What the WMS expects in each slot."""


class Shadow:
    """Owned by the agent's thread. It takes what it can: while it is at work, what is offered is passed over."""

    def __init__(self, classifier: Classifier) -> None:
        """Begin to wait for something to look at."""
        self.classifier = classifier
        self._offers: queue.Queue[Seen | None] = queue.Queue(maxsize=1)
        self._lock = threading.Lock()
        self._comparison = Comparison()
        self._failure = ""
        self._stopped = False
        threading.Thread(target=self._answer, name="shadow", daemon=True).start()

    @property
    def comparison(self) -> Comparison:
        """What the two said this far."""
        with self._lock:
            return self._comparison

    @property
    def failure(self) -> str:
        """Why the second model can't be used; empty: it works."""
        with self._lock:
            return self._failure

    def offer(self, seen: Seen) -> None:
        """Let it answer too, if it has time."""
        if len(seen.answers) and not self._offers.full():
            self._offers.put_nowait(seen)

    def stop(self) -> None:
        """Let it end; what it is at isn't waited for."""
        self._stopped = True
        with contextlib.suppress(queue.Full):  # it has something to look at, and will find out after it
            self._offers.put_nowait(None)

    def _answer(self) -> None:
        while (seen := self._offers.get()) is not None and not self._stopped:
            try:
                answers = self.classifier.classify(Cutting(seen.corners, seen.frame, self.classifier.size_px).result())
            except BundleError as error:
                with self._lock:
                    self._failure = str(error)
                return
            with self._lock:
                self._comparison = compared(self._comparison, seen, answers)


def compared(before: Comparison, seen: Seen, others: Sequence[Classification]) -> Comparison:
    """Count what another model says of the same slots."""
    totals = before.model_dump()
    for present, other, expected in zip(seen.answers, others, seen.expected, strict=True):
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
