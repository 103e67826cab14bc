"""Updates of the model: takes requests, tells the rest of the agent which model classifies, and publishes progress."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from edge_agent.models.rollout import ModelRollout
from edge_agent.models.updates import IntakeResult, UpdateRequest
from edge_agent.models.watch_folder import POLL_S, WatchFolder
from kardus.contract.commands import ChangeModel
from kardus.contract.messages import Model
from kardus.contract.model_status import ModelStatus
from kardus.inference.classifier import Classifier
from kardus.support.errors import BundleError, KardusError

PUBLISH_EVERY_S = 10.0
"""How often a comparison that goes on is published."""


@dataclass(frozen=True)
class ModelUsers:
    """What an update needs from the rest of the agent, as functions."""

    expected_skus: Callable[[], Collection[str]]
    """The products that the WMS expects at this agent's locations."""
    slot_count: Callable[[], int]
    compare: Callable[[], None]
    """Lets the other model answer too, and has every location classified at the next opportunity."""
    use: Callable[[Classifier, Model], None]
    """Another model classifies from now on."""
    publish: Callable[[ModelStatus], None]
    count_phase: Callable[[str], None]
    """Counts an update's phases for the metrics."""


class ModelManager:
    """Owned by the agent's thread."""

    def __init__(self, rollout: ModelRollout, users: ModelUsers, watch_folder: WatchFolder | None) -> None:
        """Publish nothing yet; the first `tick` does."""
        self._watch_folder = watch_folder
        self._rollout = rollout
        self._users = users
        self._published = rollout.status.model_copy(update={"sha256": ""})  # differs from every real status
        self._published_s = 0.0

    def start(self) -> None:
        """Begin to watch the folder for new bundles, where one is configured."""
        if self._watch_folder:
            self._watch_folder.start()

    def request(self, request: UpdateRequest) -> None:
        """Start an update."""
        self._rollout.request(request, self._users.expected_skus(), self._users.slot_count())
        self._publish()

    def command(self, command: ChangeModel) -> dict[str, Any]:
        """Carry out `commands/model`; its outcome is published later, as the model's status."""
        self.request(UpdateRequest(command=command))
        return {"phase": self._rollout.status.phase}

    def take(self, item: UpdateRequest | IntakeResult) -> None:
        """A request from the watched folder, or what the intake made of the last request."""
        if isinstance(item, UpdateRequest):
            self.request(item)
        elif self._rollout.handle(item):
            self._users.compare()  # so that the two models are compared on every location
        self._publish()

    def tick(self) -> None:
        """Once a second: end the shadowing or the probation when it is due."""
        if self._rollout.tick():
            self._use_present()
        self._publish()

    def failed(self, error: BundleError) -> bool:
        """The model in use raised this. Returns whether the former one is in use again."""
        if not self._rollout.failed(error):
            return False
        self._use_present()
        self._publish()
        return True

    def stop(self) -> None:
        """Abandon an update that is under way."""
        if self._watch_folder:
            self._watch_folder.stop(POLL_S)  # a folder on a server that hangs isn't waited for
        self._rollout.stop()

    def _use_present(self) -> None:
        self._users.use(self._rollout.classifier, self._rollout.model)

    def _publish(self) -> None:
        """Publish the status: at once when its phase has changed, else every PUBLISH_EVERY_S at most."""
        status, last, now_s = self._rollout.status, self._published, time.monotonic()
        moved = (status.phase, status.sha256, status.since) != (last.phase, last.sha256, last.since)
        if not moved and (status == last or now_s - self._published_s < PUBLISH_EVERY_S):
            return
        if moved:
            self._users.count_phase(status.phase)
        self._published, self._published_s = status, now_s
        self._users.publish(status)


def no_model_to_change(_: ChangeModel) -> dict[str, Any]:
    """Answers `commands/model` where the agent has none.

    Raises:
        KardusError: always.
    """
    raise KardusError("this agent has no model, and collects photos for one: add [model] to its configuration")
