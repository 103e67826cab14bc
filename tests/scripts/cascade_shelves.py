"""What a cascade saves where racks are watched: python -m tests.scripts.cascade_shelves CASCADE --photos F ...

The shelves of `tests.scripts.long_shelves`. While the cascade watches, whatever it is asked is asked of its large
network alone as well, each of the two going first every other time: inference time on the same crops (each frame takes
the longer for it). Then its large network alone watches the same racks, for what each of them tells. Intervals are the
range over the racks where these are fewer than six.
[--unknown F] [--seeds 700 701 ...] [--faults 50]
"""

import argparse
import copy
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_agent import pipeline
from kardus.inference.classification import Classification, MatchQuestion
from kardus.inference.classifier import Classifier, classify_in_stages
from kardus.inference.preprocess import Pixels
from tests.benchmarks.pairs import median, ratio
from tests.scripts.long_shelves import Model, play_rack, print_table
from tests.scripts.shelf_judge import Result


@dataclass
class Timed:
    """Stands in for `classify_in_stages`, and times the large network alone beside it."""

    cascade_s: float = 0.0
    alone_s: float = 0.0
    calls: int = 0
    crops: int = 0
    by_small: int = 0

    def __call__(
        self,
        classifier: Classifier,
        crops: Pixels,
        questions: Sequence[MatchQuestion | None],
        beat: Callable[[str], None],
    ) -> tuple[list[Classification], int]:
        """As `classify_in_stages`."""
        works = {"cascade_s": classifier, "alone_s": _without_small(classifier)}
        given = {}
        for name in sorted(works, reverse=self.calls % 2 == 1):
            began = time.perf_counter()
            given[name] = classify_in_stages(works[name], crops, questions, beat)
            setattr(self, name, getattr(self, name) + time.perf_counter() - began)
        self.calls, self.crops = self.calls + 1, self.crops + len(crops)
        self.by_small += given["cascade_s"][1]
        return given["cascade_s"]


def _without_small(classifier: Classifier) -> Classifier:
    alone = copy.copy(classifier)
    alone.small = None
    return alone


def ask_large_alone(
    classifier: Classifier,
    crops: Pixels,
    questions: Sequence[MatchQuestion | None],
    beat: Callable[[str], None],
) -> tuple[list[Classification], int]:
    """As `classify_in_stages`, of a cascade's large network."""
    return classify_in_stages(_without_small(classifier), crops, questions, beat)


def watch(model: Model, seed: int, faults: int, ask: Callable[..., object]) -> list[Result]:
    """One rack, of whose crops is asked so."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as work:
        patch.setattr(pipeline, "classify_in_stages", ask)
        return play_rack(model, seed, faults, Path(work))


def print_times(racks: Sequence[Timed]) -> None:
    """What the small network answered, and the ratio of the two times, rack by rack."""
    shares = median([rack.by_small / rack.crops for rack in racks])
    print(f"answered by the small network: {shares.value:.3f} ({shares.low:.3f} to {shares.high:.3f}, n = {shares.n})")
    print(f"{sum(rack.calls for rack in racks)} calls, {sum(rack.crops for rack in racks)} crops")
    for name in ("alone_s", "cascade_s"):
        print(f"{name.replace('_s', '')}: {sum(getattr(rack, name) for rack in racks):.1f} s")
    found = ratio([rack.alone_s for rack in racks], [rack.cascade_s for rack in racks])
    print(f"alone / cascade, rack by rack: {found.value:.2f} ({found.low:.2f} to {found.high:.2f}, n = {found.n})")


def main() -> None:
    """Play every rack twice, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cascade", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--unknown", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[700, 701, 702, 703, 704])
    parser.add_argument("--faults", type=int, default=50, help="of each camera")
    asked = parser.parse_args()
    model = Model(asked.cascade, "", *(path and path.resolve() for path in (asked.photos, asked.unknown)))
    results: dict[str, list[Result]] = {"cascade": [], "large": []}
    racks = []
    for seed in asked.seeds:
        racks.append(Timed())
        results["cascade"] += watch(model, seed, asked.faults, racks[-1])
        print_times(racks)
        results["large"] += watch(model, seed, asked.faults, ask_large_alone)
    for name, found in results.items():
        print(name)
        print_table(found)


if __name__ == "__main__":
    main()
