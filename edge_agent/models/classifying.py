"""Asks the model in use, all cameras' crops together, and counts what each of its networks answers."""

from collections.abc import Sequence

import numpy as np

from edge_agent.health.metrics import Metrics
from edge_agent.records import Sighting
from kardus.contract.messages import Answered
from kardus.inference.cascade import classify_in_stages
from kardus.inference.classification import Classification, CropClassifier, MatchQuestion
from kardus.inference.classifier import portions
from kardus.support.vitals import Heartbeat


class Classifying:
    """Owned by the agent's thread."""

    def __init__(self, metrics: Metrics, heartbeat: Heartbeat) -> None:
        """Nothing is counted yet."""
        self._metrics, self._heartbeat = metrics, heartbeat
        self.answered: Answered | None = None
        """How many crops each network has answered; None: the model in use is no cascade."""

    def classify(
        self, classifier: CropClassifier, sightings: Sequence[Sighting], questions: Sequence[MatchQuestion | None]
    ) -> list[Classification]:
        """An answer for every crop of some sightings, in their order.

        Args:
            classifier: the model in use.
            sightings: whose chosen slots are to be classified, one at least each.
            questions: one for each of these, for a cascade.

        Raises:
            BundleError: the model fails at work.
        """
        crops = np.concatenate([sighting.crops for sighting in sightings])
        by_small = 0
        with self._metrics.classify_s.time():
            if classifier.small:
                answers, by_small = classify_in_stages(classifier, crops, questions, self._heartbeat.beat)
            else:
                parts = portions(len(crops), self._heartbeat.beat)
                answers = [answer for part in parts for answer in classifier.classify(crops[part])]
        self._metrics.classified.inc(len(answers))
        if classifier.small:
            self._metrics.classified_by_small.inc(by_small)
            known = self.answered or Answered(small=0, large=0)
            self.answered = Answered(small=known.small + by_small, large=known.large + len(answers) - by_small)
        return answers

    def restart(self) -> None:
        """Another model is used."""
        self.answered = None
