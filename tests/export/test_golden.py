"""Which crops become golden samples."""

import numpy as np

from export.golden import choose_golden
from export.photo_selection import Crops


def test_the_clearest_right_answer_of_each_class_is_taken() -> None:
    pixels = np.arange(5, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    logits = np.array([[1.0, 0.9], [3.0, 0.0], [9.0, 0.0], [0.1, 0.2], [0.0, 0.3]], np.float32)
    samples, crops = choose_golden(["a", "b"], Crops(pixels, ["a", "a", "b", "b", "b"]), logits)
    assert [(s.file, s.label, s.top1) for s in samples] == [("golden/0.png", "a", "a"), ("golden/1.png", "b", "b")]
    assert [int(crop[0, 0, 0]) for crop in crops] == [1, 4]  # the third is clear, and wrong
    assert samples[1].logits == (0.0, 0.3)


def test_a_class_that_is_never_answered_right_has_a_sample_all_the_same() -> None:
    pixels = np.zeros((2, 1, 1, 3), np.uint8)
    logits = np.array([[2.0, 0.0], [3.0, 0.0]], np.float32)
    samples, _ = choose_golden(["a", "b"], Crops(pixels, ["a", "b"]), logits)
    assert (samples[1].label, samples[1].top1) == ("b", "a")
