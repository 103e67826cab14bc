"""Joins the model in use to the rest of the agent: who is told of a change, and who judges by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge_agent.cameras import Cameras
from edge_agent.control.expected import ExpectedStore
from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.deciding.recorder import Recorder
from edge_agent.health.metrics import Metrics
from edge_agent.models.change import Models
from edge_agent.models.orders import Brought, Order
from edge_agent.pipeline import Pipeline
from kardus.contract.commands import ChangeModel
from kardus.support.errors import BundleError, KardusError

SAY_EVERY_S = 10.0
"""How often a comparison that goes on is published."""


@dataclass(frozen=True)
class Concerned:
    """Whom a change of the model concerns."""

    cameras: Cameras
    expected: ExpectedStore
    pipeline: Pipeline
    writer: MessageWriter
    recorder: Recorder
    metrics: Metrics
    say_online: Callable[[], None]
    """Publishes the agent's status, which names the model."""


class ModelKeeper:
    """Owned by the agent's thread."""

    def __init__(self, models: Models, told: Concerned) -> None:
        """Keep whom to ask and whom to tell."""
        self._models = models
        self._told = told
        self._said = models.status.model_copy(update={"sha256": ""})  # nothing was said yet
        self._said_s = 0.0
        self._count_model()

    def order(self, order: Order) -> None:
        """Another model is wanted."""
        cameras = self._told.cameras
        known = [self._told.expected.get(location) for location in cameras.locations]
        skus = {expectation.expected.sku for expectation in known if expectation and expectation.expected.sku}
        self._models.order(order, skus, sum(len(camera.view.slots) for camera in cameras.values()))
        self._say()

    def command(self, command: ChangeModel) -> dict[str, Any]:
        """Carry out `commands/model`: what comes of it is published, since it takes its time."""
        self.order(Order(command=command))
        return {"phase": self._models.status.phase}

    def take(self, item: Order | Brought) -> None:
        """An order, or what was brought for the last one."""
        if isinstance(item, Order):
            self.order(item)
        elif self._models.handle(item):
            for camera in self._told.cameras.values():
                for location in camera.locations:
                    camera.votes.want(location)  # so that the two are compared on everything there is
        self._say()

    def tick(self) -> None:
        """What time brings."""
        before = self._models.model
        if self._models.tick():
            self._change(before.name, before.version)
        self._say()

    def failed(self, error: BundleError) -> bool:
        """The model in use can't answer. Returns whether the former one is in use again."""
        before = self._models.model
        if not self._models.failed(error):
            return False
        self._change(before.name, before.version)
        self._say()
        return True

    def stop(self) -> None:
        """End what is going on."""
        self._models.stop()

    def _change(self, name: str, version: str) -> None:
        """Another model judges."""
        told = self._told
        told.pipeline.use_model(self._models.classifier)
        told.writer.use_model(self._models.model)
        told.metrics.model.remove(name, version)
        self._count_model()
        told.say_online()

    def _count_model(self) -> None:
        model = self._models.model
        self._told.metrics.model.labels(model.name, model.version).set(1)

    def _say(self) -> None:
        """Publish where the change is: at once where it has moved, else now and then."""
        status, now_s = self._models.status, time.monotonic()
        moved = (status.phase, status.sha256, status.since) != (self._said.phase, self._said.sha256, self._said.since)
        if not moved and (status == self._said or now_s - self._said_s < SAY_EVERY_S):
            return
        if moved:
            self._told.metrics.model_phases.labels(status.phase).inc()
        self._said, self._said_s = status, now_s
        self._told.recorder.record_retained(*self._told.writer.model_status(status))


def no_model_to_change(_: ChangeModel) -> dict[str, Any]:
    """Answers `commands/model` where the agent has none.

    Raises:
        KardusError: always.
    """
    raise KardusError("this agent has no model, and collects photos for one: add [model] to its configuration")
