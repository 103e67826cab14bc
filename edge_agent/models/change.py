"""The model in use, and how another one takes its place: shadowing, taking over, probation, going back.

order ─> bringer ─> shadowing ─> probation ─> settled
         (a thread)     └──────────┴─> refused, rolled back: the former model goes on
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

from edge_agent.config.sections import ModelSection
from edge_agent.models.acceptance import worse
from edge_agent.models.bring import Bringer, Standard
from edge_agent.models.load import load_model
from edge_agent.models.orders import Brought, Candidate, Order, Progress, Refused
from edge_agent.models.shadow import Seen, Shadow
from edge_agent.models.store import ModelStore, sha256_of
from kardus.contract.manifest import Manifest
from kardus.contract.messages import Comparison, Model, ModelStatus, Phase
from kardus.inference.bundle import Bundle
from kardus.inference.classifier import Classifier
from kardus.support.errors import BundleError, KardusError

FEWEST_CROPS = 10
"""No model takes over before it was compared on so many crops, or on one for each slot."""
log = logging.getLogger("kardus.models")


class Models:
    """Owned by the agent's thread. Bringing and shadowing have threads of their own."""

    status: ModelStatus
    """The model in use, and what becomes of another one."""

    def __init__(
        self,
        settings: ModelSection,
        folder: Path,
        hand_over: Callable[[Brought], None],
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Load the model that is to judge: the one that took over last, or the configured one.

        Args:
            settings: the configuration.
            folder: where bundles that took over are kept.
            hand_over: gets what other threads bring, for `handle`.
            now_s: a clock that never jumps.

        Raises:
            KardusError: there is no model that can be used.
        """
        self._settings = settings
        self._hand_over = hand_over
        self._now_s = now_s
        self._store = ModelStore(folder)
        self._configured = sha256_of(settings.bundle)
        self.bundle, self.classifier = self._load()
        self._order: Order | None = None
        self._next: tuple[Order, frozenset[str], int] | None = None
        self._bringer: Bringer | None = None
        self._candidate: Candidate | None = None
        self._shadow: Shadow | None = None
        self._former: tuple[Bundle, Classifier] | None = None
        self._slots = 0
        self._until_s = now_s() + settings.shadow_s
        self._say("probation" if self._store.current and not self._store.current.settled else "settled")

    @property
    def model(self) -> Model:
        """The model in use."""
        return _model(self.bundle.manifest)

    @property
    def second(self) -> Shadow | None:
        """The model that answers beside the one in use."""
        return self._shadow

    def order(self, order: Order, expected: Collection[str], slots: int) -> None:
        """Another model is wanted. The last order counts; while a model is on probation, it waits.

        Args:
            order: where it comes from.
            expected: the products that the WMS expects here.
            slots: how many slots the agent looks at.
        """
        if self.status.phase == "probation":
            self._next = order, frozenset(expected), slots
            return
        self._let_go()
        self._say("fetching" if order.command else "verifying")
        self._order, self._slots = order, slots
        standard = Standard(self._settings, self.bundle.manifest, frozenset(expected), self._store.refused)
        self._bringer = Bringer(order, self._store.staging, standard, self._hand_over)

    def handle(self, brought: Brought) -> bool:
        """What a bringer has handed over. Returns whether every location is to be looked at."""
        if brought.order is not self._order:
            return False  # another order has come since
        match brought:
            case Progress():
                self._say(brought.phase)
            case Refused():
                self._refuse(brought.reason, brought.sha256)
            case Candidate():
                self._candidate, self._shadow = brought, Shadow(brought.classifier)
                self._until_s = self._now_s() + self._settings.shadow_s
                self._say("shadowing", candidate=_model(brought.bundle.manifest))
                return True
        return False

    def show(self, seen: Seen) -> None:
        """Let the second model, if there is one, look at what the model in use has answered."""
        if self._shadow:
            self._shadow.offer(seen)

    def tick(self) -> bool:
        """What time brings. Returns whether another model is in use now."""
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
        """End what is going on; a bundle that hasn't taken over is forgotten."""
        self._let_go()

    def _load(self) -> tuple[Bundle, Classifier]:
        choice = self._store.begin(self._configured)
        while choice:
            try:
                return load_model(self._settings, self._store.path(choice))
            except BundleError as error:
                self._store.roll_back(str(error))
                choice = self._store.current
        return load_model(self._settings)

    def _end_shadowing(self, candidate: Candidate, shadow: Shadow) -> bool:
        comparison = shadow.comparison
        if shadow.failure:
            self._refuse(shadow.failure, candidate.sha256)
            return False
        self._note(comparison)
        if self._now_s() < self._until_s or comparison.crops < min(FEWEST_CROPS, max(1, self._slots)):
            return False
        problem = "" if candidate.order.force else worse(comparison, self._settings.max_loss, other_is_new=True)
        if problem:
            self._refuse(problem, candidate.sha256)
            return False
        return self._take_over(candidate, shadow)

    def _take_over(self, candidate: Candidate, shadow: Shadow) -> bool:
        try:
            self._store.take_over(candidate.staged, candidate.sha256, self._configured)
        except KardusError as error:
            self._refuse(str(error))
            return False
        shadow.stop()
        self._former, self._shadow = (self.bundle, self.classifier), Shadow(self.classifier)
        self.bundle, self.classifier = candidate.bundle, candidate.classifier
        self._candidate = self._order = None
        self._until_s = self._now_s() + self._settings.shadow_s
        self._say("probation")
        log.warning("%s judges from now on", self.bundle.title)
        return True

    def _end_probation(self) -> bool:
        comparison = self._shadow.comparison if self._shadow else Comparison()
        problem = worse(comparison, self._settings.max_loss, other_is_new=False)
        if problem:
            self._roll_back(problem)
            return True
        self._note(comparison)
        if self._now_s() >= self._until_s:
            self._store.settle()
            self._let_go()
            self._say("settled")
            self._go_on()
        return False

    def _roll_back(self, reason: str) -> None:
        failed = self.model
        self._store.roll_back(reason)
        self.bundle, self.classifier = self._former or self._load()
        self._let_go()
        self._say("rolled-back", candidate=failed, reason=reason)
        self._go_on()

    def _refuse(self, reason: str, sha256: str = "") -> None:
        candidate = _model(self._candidate.bundle.manifest) if self._candidate else None
        comparison = self._shadow.comparison if self._shadow else None
        if sha256:
            self._store.refuse(sha256, reason)
        self._let_go()
        log.error("another model is refused: %s", reason)
        self._say("refused", candidate=candidate, reason=reason, comparison=comparison)

    def _let_go(self) -> None:
        """Nothing but the model in use goes on."""
        if self._bringer:
            self._bringer.stop()
        if self._shadow:
            self._shadow.stop()
        if self._candidate:
            self._candidate.staged.unlink(missing_ok=True)
        self._order = self._bringer = self._candidate = self._shadow = self._former = None

    def _go_on(self) -> None:
        """What had to wait for the end of the probation."""
        if self._next:
            order, expected, slots = self._next
            self._next = None
            self.order(order, expected, slots)

    def _note(self, comparison: Comparison) -> None:
        """The comparison goes on; it is said once a minute at most, by whoever publishes the status."""
        self.status = self.status.model_copy(update={"comparison": comparison})

    def _say(
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
