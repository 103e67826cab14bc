"""The time of both networks is taken while a cascade watches, and what it answers is its own."""

from pathlib import Path

import numpy as np
import pytest

from kardus.inference.cascade import open_classifier
from kardus.inference.classification import MatchQuestion
from kardus.inference.classifier import classify_in_stages
from tests.export.colours import COLOURS, SIDE
from tests.export.pairs import colour_cascade
from tests.scripts.cascade_shelves import Timed, print_times


def test_what_a_cascade_answers_is_counted_and_timed_beside_its_large_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classifier, timed = open_classifier(colour_cascade(tmp_path / "colours.bundle")), Timed()
    crops = np.stack([np.full((SIDE, SIDE, 3), colour, np.uint8) for colour in COLOURS.values()])
    asked = [MatchQuestion(f"sku-{name}", 0.6) for name in ("red", "red", "red")]
    for _ in range(2):
        assert timed(classifier, crops, asked, print) == classify_in_stages(classifier, crops, asked)
    assert classifier.small, "the classifier itself stays a cascade"
    assert (timed.calls, timed.crops, timed.by_small) == (2, 6, 2)
    assert min(timed.cascade_s, timed.alone_s) > 0
    print_times([timed])
    said = capsys.readouterr().out
    assert "answered by the small network: 0.333 (0.333 to 0.333, n = 1)" in said
    assert f"alone / cascade, rack by rack: {timed.alone_s / timed.cascade_s:.2f}" in said
