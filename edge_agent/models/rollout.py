"""The rollout of another model: intake, shadowing, takeover, probation, rollback.

request ─> intake ─> shadowing ─> probation ─> settled
          (a thread)     └──────────┴─> refused, rolled back: the former model goes on
"""

import logging
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

from edge_agent.config.sections import ModelSection
from edge_agent.models.acceptance import regression_reason
from edge_agent.models.bundle_sources import require_sources
from edge_agent.models.intake import AcceptanceCriteria, BundleIntake
from edge_agent.models.load import load_model
from edge_agent.models.shadow import ShadowModel
from edge_agent.models.store import ModelStore, sha256_of
from edge_agent.models.updates import IntakeProgress, IntakeResult, RefusedBundle, UpdateRequest, VerifiedBundle
from edge_agent.records import ClassifiedCrops
from kardus.contract.manifest import Manifest
from kardus.contract.messages import Model
from kardus.contract.model_status import Comparison, ModelStatus, Phase
from kardus.inference.bundle import Bundle
from kardus.inference.classifier import Classifier
from kardus.support.errors import BundleError, KardusError

MIN_CROPS = 10
"""No model takes over before it was compared on so many crops, or on one for each slot."""
log = logging.getLogger("kardus.models")


class ModelRollout:
    """Owned by the agent's thread. Intake and shadowing have threads of their own."""

    status: ModelStatus
    """The model in use, and the phase of an update."""

    def __init__(
        self,
        settings: ModelSection,
        folder: Path,
        hand_over: Callable[[IntakeResult], None],
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Load the model that is to judge: the one that took over last, or the configured one.

        Args:
            settings: the configuration.
            folder: where bundles that took over are kept.
            hand_over: gets the intake's results, from its thread; they belong to `handle`.
            now_s: a clock that never jumps.

        Raises:
            ConfigError: what other bundles are to be fetched from can't be used.
            KardusError: there is no model that can be used.
        """
        self._settings = settings
        self._hand_over = hand_over
        self._now_s = now_s
        require_sources(settings)
        self._store = ModelStore(folder)
        self._configured = sha256_of(settings.bundle)
        self.bundle, self.classifier = self._load()
        self._request: UpdateRequest | None = None
        self._queued: tuple[UpdateRequest, frozenset[str], int] | None = None
        self._intake: BundleIntake | None = None
        self._candidate: VerifiedBundle | None = None
        self._shadow: ShadowModel | None = None
        self._former: tuple[Bundle, Classifier] | None = None
        self._slots = 0
        self._until_s = now_s() + settings.shadow_s
        self._set_status("probation" if self._store.current and not self._store.current.settled else "settled")

    @property
    def model(self) -> Model:
        """The model in use."""
        return _model(self.bundle.manifest)

    @property
    def second(self) -> ShadowModel | None:
        """The model that classifies beside the one in use."""
        return self._shadow

    def request(self, request: UpdateRequest, expected: Collection[str], slots: int) -> None:
        """Another model is wanted. The last request counts; while a model is on probation, it waits.

        Args:
            request: where it comes from.
            expected: the products that the WMS expects here.
            slots: how many slots the agent has.
        """
        if self.status.phase == "probation":
            self._queued = request, frozenset(expected), slots
            return
        self._clear()
        self._set_status("fetching" if request.command else "verifying")
        self._request, self._slots = request, slots
        criteria = AcceptanceCriteria(self._settings, self.bundle.manifest, frozenset(expected), self._store.refused)
        self._intake = BundleIntake(request, self._store.staging, criteria, self._hand_over)

    def handle(self, result: IntakeResult) -> bool:
        """Take a result of the intake. Returns whether every location is to be classified."""
        if result.request is not self._request:
            return False  # another request has come since
        match result:
            case IntakeProgress():
                self._set_status(result.phase)
            case RefusedBundle():
                self._refuse(result.reason, result.sha256)
            case VerifiedBundle():
                self._candidate, self._shadow = result, ShadowModel(result.classifier)
                self._until_s = self._now_s() + self._settings.shadow_s
                self._set_status("shadowing", candidate=_model(result.bundle.manifest))
                return True
        return False

    def show(self, seen: ClassifiedCrops) -> None:
        """Have the second model, if there is one, classify the same crops."""
        if self._shadow:
            self._shadow.offer(seen)

    def tick(self) -> bool:
        """End the shadowing or the probation when it is due. Returns whether another model is in use now."""
        self._store.retry()
        if self.status.phase == "shadowing" and self._candidate and self._shadow:
            return self._end_shadowing(self._candidate, self._shadow)
        if self.status.phase == "probation":
            return self._end_probation()
        return False

    def failed(self, error: BundleError) -> bool:
        """The model in use can't answer. Returns whether the former one is in use again.

        Raises:
            KardusError: the former one can't be loaded.
        """
        if self.status.phase != "probation":
            return False
        self._roll_back(str(error))
        return True

    def stop(self) -> None:
        """Abandon an update that is under way."""
        self._clear()

    def _load(self) -> tuple[Bundle, Classifier]:
        choice = self._store.begin(self._configured)
        while choice:
            try:
                return load_model(self._settings, self._store.path(choice))
            except BundleError as error:
                self._store.roll_back(str(error))
                choice = self._store.current
        return load_model(self._settings)

    def _end_shadowing(self, candidate: VerifiedBundle, shadow: ShadowModel) -> bool:
        comparison = shadow.comparison
        if shadow.failure:
            self._refuse(shadow.failure, candidate.sha256)
            return False
        self._note(comparison)
        if self._now_s() < self._until_s or comparison.crops < min(MIN_CROPS, max(1, self._slots)):
            return False
        problem = (
            "" if candidate.request.force else regression_reason(comparison, self._settings.max_loss, other_is_new=True)
        )
        if problem:
            self._refuse(problem, candidate.sha256)
            return False
        return self._take_over(candidate, shadow)

    def _take_over(self, candidate: VerifiedBundle, shadow: ShadowModel) -> bool:
        try:
            self._store.take_over(candidate.staged, candidate.sha256, self._configured)
        except KardusError as error:
            self._refuse(str(error))
            return False
        shadow.stop()
        self._former, self._shadow = (self.bundle, self.classifier), ShadowModel(self.classifier)
        self.bundle, self.classifier = candidate.bundle, candidate.classifier
        self._candidate = self._request = None
        self._until_s = self._now_s() + self._settings.shadow_s
        self._set_status("probation")
        log.warning("%s judges from now on", self.bundle.title)
        return True

    def _end_probation(self) -> bool:
        comparison = self._shadow.comparison if self._shadow else Comparison()
        problem = regression_reason(comparison, self._settings.max_loss, other_is_new=False)
        if problem:
            self._roll_back(problem)
            return True
        self._note(comparison)
        if self._now_s() >= self._until_s:
            self._store.settle()
            self._clear()
            self._set_status("settled")
            self._start_queued()
        return False

    def _roll_back(self, reason: str) -> None:
        failed = self.model
        self._store.roll_back(reason)
        self.bundle, self.classifier = self._former or self._load()
        self._clear()
        self._set_status("rolled-back", candidate=failed, reason=reason)
        self._start_queued()

    def _refuse(self, reason: str, sha256: str = "") -> None:
        candidate = _model(self._candidate.bundle.manifest) if self._candidate else None
        comparison = self._shadow.comparison if self._shadow else None
        if sha256:
            self._store.refuse(sha256, reason)
        self._clear()
        log.error("another model is refused: %s", reason)
        self._set_status("refused", candidate=candidate, reason=reason, comparison=comparison)

    def _clear(self) -> None:
        """Drop everything but the model in use."""
        if self._intake:
            self._intake.stop()
        if self._shadow:
            self._shadow.stop()
        if self._candidate:
            self._candidate.staged.unlink(missing_ok=True)
        self._request = self._intake = self._candidate = self._shadow = self._former = None

    def _start_queued(self) -> None:
        """Start the request that came during the probation."""
        if self._queued:
            request, expected, slots = self._queued
            self._queued = None
            self.request(request, expected, slots)

    def _note(self, comparison: Comparison) -> None:
        """Add the comparison so far to the status."""
        self.status = self.status.model_copy(update={"comparison": comparison})

    def _set_status(
        self, phase: Phase, candidate: Model | None = None, reason: str = "", comparison: Comparison | None = None
    ) -> None:
        self.status = ModelStatus(
            model=self.model,
            sha256=self._store.current.sha256 if self._store.current else self._configured,
            phase=phase,
            candidate=candidate,
            reason=reason,
            comparison=comparison,
            since=datetime.now(UTC),
        )


def _model(manifest: Manifest) -> Model:
    return Model(name=manifest.name, version=manifest.version)
