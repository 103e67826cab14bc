"""How fast a bundle answers."""

from pathlib import Path

import pytest

from export.bench import bench
from kardus.inference.bundle import read_bundle


def test_both_are_measured_on_the_same_batches(bundle_file: Path) -> None:
    ours, alone = bench(read_bundle(bundle_file), threads=1, batch=4, seconds=1.0)
    assert (ours.what, alone.what) == ("classifier", "onnxruntime")
    for speed in (ours, alone):
        assert 0 < speed.p50_ms <= speed.p99_ms
        assert speed.crops_per_s == pytest.approx(4000 / speed.p50_ms)
    assert ours.p50_ms > 0.8 * alone.p50_ms


def test_however_short_the_time_something_is_measured(bundle_file: Path) -> None:
    ours, _ = bench(read_bundle(bundle_file), threads=0, batch=1, seconds=0)
    assert ours.crops_per_s > 0
