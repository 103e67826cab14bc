"""What share of photos a bundle answers at its own thresholds: python -m tests.scripts.coverage BUNDLE FOLDER.

FOLDER has photos in one folder for each class. Answered is what is neither unknown nor doubted; counted for the photos
as they are, and for each as a camera sees it in a simulated rack (tests/scripts/rack_photos.py).
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kardus.inference.bundle import read_bundle
from kardus.inference.classifier import Classifier
from kardus.inference.preprocess import read_photo, rectify_whole
from simulator.scene import Rack
from tests.scripts.long_shelves import LEVELS, POSITIONS
from tests.scripts.rack_photos import write_rack_photos
from tests.scripts.steps import percent
from train.data.data_set import Sample, read_data
from train.evaluation.metrics import proportion

SEED = 6_000
"""Other racks than those that were trained in."""


def measure(bundle: Path, folder: Path) -> None:
    """Print both."""
    classifier = Classifier(read_bundle(bundle))
    photos = read_data(folder.resolve()).samples
    _tell("as they are", classifier, photos)
    with tempfile.TemporaryDirectory() as work:
        given = [(sample.path, sample.name) for sample in photos]
        crops = write_rack_photos(Path(work), given, Rack(LEVELS, POSITIONS), seed=SEED)
        _tell("in racks", classifier, [Sample(crop.path, crop.name) for crop in crops if crop.photo])


def _tell(what: str, classifier: Classifier, photos: Sequence[Sample]) -> None:
    looks = classifier.classify(np.stack([rectify_whole(read_photo(s.path), classifier.size_px) for s in photos]))
    kept = [(look, sample) for look, sample in zip(looks, photos, strict=True) if look.known and not look.doubted]
    right = sum(look.name == sample.name for look, sample in kept)
    coverage, accuracy = proportion("", len(kept), len(looks)), proportion("", right, len(kept))
    print(f"{what}: answered {percent(coverage.model_dump())}; of those right {percent(accuracy.model_dump())}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    measure(Path(sys.argv[1]), Path(sys.argv[2]))
