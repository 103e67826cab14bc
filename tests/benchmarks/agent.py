"""The agent itself, in a thread of this process, asked for one look at a time.

It is `edge_agent.agent.Agent` with all its threads: reader, deciding, outbox, delivery, MQTT. Two seams are held:
the end of a look is noted, and the broker's acknowledgements are counted. A look begins when the reader is told to
hurry (as `commands/capture` does): it reads and decodes the JPEG file, and hands it over.
"""

import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Self

from edge_agent.agent import Agent
from edge_agent.config import Config, load_config
from edge_agent.health.metrics import Metrics
from edge_agent.records import Frame
from edge_agent.reporting.delivery import Delivery
from edge_agent.reporting.outbox.outbox import Outbox
from kardus.inference.classifier import Classifier
from kardus.mqtt.connection import PublishToken
from kardus.mqtt.session import MqttSession

PATIENCE_S = 120.0


class _Counting(Delivery):
    """Counts what the broker has acknowledged."""

    def __init__(self, outbox: Outbox, session: MqttSession) -> None:
        super().__init__(outbox, session)
        self.acknowledgements = 0
        self.answered = threading.Condition()

    def acknowledged(self, token: PublishToken, refusal: str) -> None:
        super().acknowledged(token, refusal)
        with self.answered:
            self.acknowledgements += 1
            self.answered.notify_all()


class _Measured(Agent):
    """Says when it has processed frames."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.looked: queue.SimpleQueue[float] = queue.SimpleQueue()
        counting = _Counting(self._outbox, self._session)
        counting.heartbeat = self._delivery.heartbeat  # which is looked after already
        self._delivery = self.counting = counting

    def _process(self, frames: Sequence[Frame]) -> None:
        super()._process(frames)
        now = time.perf_counter()
        for _ in frames:
            self.looked.put(now)


class AskedAgent:
    """Use it in a `with` statement: the agent runs meanwhile."""

    def __init__(self, config: Path) -> None:
        """Prepare; nothing is opened yet."""
        self._opened: Future[_Measured] = Future()
        self._thread = threading.Thread(target=self._run, args=(config,), name="agent", daemon=True)

    @property
    def classifier(self) -> Classifier:
        """The one that it uses: one and the same onnxruntime session for both sides of a comparison."""
        classifier = self._agent._pipeline.classifier
        assert isinstance(classifier, Classifier)
        return classifier

    @property
    def metrics(self) -> Metrics:
        """What it has counted."""
        return self._agent._metrics

    @property
    def classify_s(self) -> float:
        """Seconds that all batches together were in the classifier."""
        samples = next(iter(self.metrics.classify_s.collect())).samples
        return next(sample.value for sample in samples if sample.name.endswith("_sum"))

    @property
    def classified(self) -> int:
        """Crops that were classified."""
        samples = next(iter(self.metrics.classified.collect())).samples
        return int(next(sample.value for sample in samples if sample.name.endswith("_total")))

    @property
    def events(self) -> int:
        """Events that were stored."""
        return self._agent._outbox.last_sequence

    def __enter__(self) -> Self:
        """Start it, and wait for the first look of every camera, and until the broker has everything."""
        self._thread.start()
        self._agent = self._opened.result()
        for _ in self._agent._cameras:
            self._agent.looked.get(timeout=PATIENCE_S)
        self.settle()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it cleanly."""
        self._agent.stop()
        self._thread.join()

    def look(self) -> float:
        """One look of every camera; seconds from the reader's start until all is stored."""
        began = time.perf_counter()
        for camera in self._agent._cameras.values():
            camera.reader.hurry()
        return max(self._agent.looked.get(timeout=PATIENCE_S) for _ in self._agent._cameras) - began

    def look_at_rest(self) -> None:
        """One look of every camera as the interval brings it, and not because somebody wants to know more."""
        for camera in self._agent._cameras.values():
            camera.reader._hurry.set()
        for _ in self._agent._cameras:
            self._agent.looked.get(timeout=PATIENCE_S)

    def look_acknowledged(self, states: int) -> float:
        """One look; seconds until the broker has acknowledged so many states, and every event that came with them."""
        counting, events, before = self._agent.counting, self.events, self._agent.counting.acknowledgements
        began = time.perf_counter()
        self.look()
        with counting.answered:
            wanted = states + self.events - events
            if not counting.answered.wait_for(lambda: counting.acknowledgements - before >= wanted, PATIENCE_S):
                raise TimeoutError(f"{counting.acknowledgements - before} of {wanted} messages acknowledged")
        return time.perf_counter() - began

    def _run(self, config: Path) -> None:
        """The agent's databases belong to the thread that it runs in."""
        try:
            agent = _Measured(load_config(config))
        except Exception as error:  # the thread's outermost guard: whoever waits must be told
            self._opened.set_exception(error)
            raise
        self._opened.set_result(agent)
        agent.run()

    def settle(self) -> None:
        """Wait until the outbox is empty."""
        if not self._agent._delivery.drain(PATIENCE_S):
            raise TimeoutError("the outbox isn't empty")
