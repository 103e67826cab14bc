"""Decides what of the pictures is read for its printed codes, and when."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from edge_agent.codes.cartons import CartonReading, products_by_gtin
from edge_agent.codes.rack_watch import RackWatch
from edge_agent.codes.reader import CodeReader, CodesRead
from edge_agent.config.sections import CodesSection
from edge_agent.records import Frame, SlotObservations
from kardus.contract.manifest import ClassInfo
from kardus.inference.geometry import Float64Array
from kardus.inference.part_decoded import whole_of


class CodeWatch:
    """Owned by the agent's thread; what it has read comes back from another."""

    def __init__(self, rules: CodesSection, hand_over: Callable[[Any], None] | None = None) -> None:
        """`hand_over` takes `CodesRead` from the thread that reads; None: nothing is read."""
        self._rules, self._reader = rules, CodeReader(hand_over) if hand_over else None
        self._products: dict[str, str] = {}
        self.reads_cartons = False
        """Whether the codes of what is new in a slot are to be read."""

    def start(self) -> None:
        """Begin to read what is brought."""
        if self._reader:
            self._reader.start()

    def stop(self) -> None:
        """End."""
        if self._reader:
            self._reader.stop()

    @property
    def is_alive(self) -> bool:
        """Whether the thread that reads is running."""
        return self._reader is not None and self._reader.is_alive

    def apply_settings(self, rules: CodesSection) -> None:
        """Take other settings for reading codes, from the next picture on."""
        self._rules = rules
        self._look_up()

    def set_classes(self, classes: Iterable[ClassInfo]) -> None:
        """Another class table."""
        self._products = products_by_gtin(classes)
        self._look_up()

    def _look_up(self) -> None:
        self.reads_cartons = bool(self._reader and self._rules.cartons and self._products)

    def _read(self, job: Callable[[], CodesRead]) -> bool:
        return self._reader is not None and self._reader.do(job)

    def do(self, job: Callable[[], object]) -> bool:
        """Have something else read that somebody waits for, whose outcome `job` hands on; whether there was room."""

        def read() -> CodesRead:
            job()
            return CodesRead()

        return self._read(read)

    def read_rack_labels(
        self, watch: RackWatch, frame: Frame, outlines: Callable[[], Sequence[tuple[str, Float64Array]]]
    ) -> None:
        """Have a camera's labels read, if it is time; `outlines` gives its locations in this picture."""
        every_s = self._rules.rack_check_s if self._reader else 0.0
        if watch.is_due(frame.at_s, every_s) and not self._read(
            watch.ask(frame.picture, outlines(), frame.at_s, every_s)
        ):
            watch.retry_soon()

    def read_carton_codes(
        self, camera: str, observed: SlotObservations, to_be_read: Callable[[Sequence[int]], list[tuple[int, int]]]
    ) -> None:
        """Have the codes of what is new in its slots read; `to_be_read` says which of the slots that is."""
        corners = dict(zip(observed.chosen, observed.corners, strict=True))
        large = [slot for slot, places in corners.items() if _side_px(places) >= self._rules.least_side_px]
        for slot, content in to_be_read(large):
            self._read(CartonReading(camera, slot, content, whole_of(observed.picture), corners[slot], self._products))


def _side_px(corners: Float64Array) -> float:
    """The shorter side of a slot (4, 2)."""
    sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    return float(min(sides[0] + sides[2], sides[1] + sides[3])) / 2
