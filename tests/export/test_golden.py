"""Which crops become golden samples."""

import numpy as np

from export.golden import choose_golden, golden_samples

LABELS = ["a", "a", "b", "b", "b"]
LOGITS = np.array([[1.0, 0.9], [3.0, 0.0], [9.0, 0.0], [0.1, 0.2], [0.0, 0.3]], np.float32)


def test_the_clearest_right_answer_of_each_class_is_taken() -> None:
    chosen = choose_golden(["a", "b"], LABELS, LOGITS)
    assert chosen == [1, 4]  # the third is clear, and wrong
    samples = golden_samples(["a", "b"], LOGITS[chosen])
    assert [(s.file, s.label, s.top1) for s in samples] == [("golden/0.png", "a", "a"), ("golden/1.png", "b", "b")]
    assert samples[1].logits == (0.0, 0.3)


def test_a_class_that_is_never_answered_right_has_a_sample_all_the_same() -> None:
    logits = np.array([[2.0, 0.0], [3.0, 0.0]], np.float32)
    chosen = choose_golden(["a", "b"], ["a", "b"], logits)
    assert golden_samples(["a", "b"], logits[chosen])[1].top1 == "a"
