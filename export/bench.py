"""Benchmarks a bundle on this machine, beside onnxruntime alone."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort

from kardus.inference.bundle import Bundle
from kardus.inference.classifier import Classifier, run_graph
from kardus.inference.onnx_session import UNWANTED_OPTIMIZERS
from kardus.inference.preprocess import Pixels

WARM_UP = 3


@dataclass(frozen=True)
class Speed:
    """Latency and throughput of batches that are run one after another."""

    what: str
    p50_ms: float
    """The median."""
    p99_ms: float
    crops_per_s: float
    """At the median latency."""


def bench(bundle: Bundle, threads: int, batch: int, seconds: float) -> tuple[Speed, ...]:
    """Time the agent's classifier, from crops to calibrated answers, and onnxruntime alone, in turn on the same crops.

    Args:
        bundle: the one to time.
        threads: processor threads; 0 leaves the choice to onnxruntime.
        batch: crops at a time.
        seconds: how long to measure, both together.
    """
    side = bundle.manifest.input.size
    crops = np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), dtype=np.uint8)
    classifier = Classifier(bundle, threads)
    bare = _bare(bundle, threads)
    works: dict[str, Callable[[], object]] = {
        "classifier": lambda: classifier.classify(crops),
        "onnxruntime": lambda: bare(crops),
    }
    times = _in_turn(tuple(works.values()), seconds)
    return tuple(_speed(name, own, batch) for name, own in zip(works, times, strict=True))


def _bare(bundle: Bundle, threads: int) -> Callable[[Pixels], object]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(
        bundle.model, options, providers=["CPUExecutionProvider"], disabled_optimizers=UNWANTED_OPTIMIZERS
    )
    return lambda crops: run_graph(session, bundle.manifest.form, crops)


def _in_turn(works: tuple[Callable[[], object], ...], seconds: float) -> list[list[float]]:
    """Milliseconds of each call, measured alternately, so that other load affects all alike."""
    for work in works * WARM_UP:
        work()
    times: list[list[float]] = [[] for _ in works]
    end = time.monotonic() + seconds
    while time.monotonic() < end or not times[0]:
        for own, work in zip(times, works, strict=True):
            began = time.perf_counter()
            work()
            own.append(1000 * (time.perf_counter() - began))
    return times


def _speed(what: str, times_ms: list[float], batch: int) -> Speed:
    p50, p99 = np.percentile(times_ms, [50, 99])
    return Speed(what, float(p50), float(p99), 1000 * batch / float(p50))
