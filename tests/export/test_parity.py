"""How far an exported model may be from the trained one."""

from pathlib import Path

import numpy as np
import pytest

from export.parity import measure_parity, refuse_difference
from kardus.inference.raw_outputs import RawOutputs
from kardus.support.errors import BundleError


def _outputs(logits: list[list[float]], embedding: list[list[float]]) -> RawOutputs:
    rows = np.array(logits, np.float32)
    return RawOutputs(rows, np.array(embedding, np.float32), np.zeros((len(rows), 2, 2), np.float32))


def test_differences_agreement_and_cosine_are_measured() -> None:
    trained = _outputs([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    exported = _outputs([[1.5, 0.0], [0.4, 0.3]], [[1.0, 0.0], [1.0, 1.0]])
    parity = measure_parity(trained, exported)
    assert parity.n == 2
    assert parity.max_logit_difference == pytest.approx(0.7)
    assert parity.mean_logit_difference == pytest.approx(0.4)
    assert parity.top1_agreement == 0.5
    assert parity.min_embedding_cosine == pytest.approx(0.5**0.5)


@pytest.mark.parametrize(("shift", "refused"), [(0.0, False), (9e-4, False), (2e-3, True)])
def test_in_fp32_a_difference_beyond_the_limit_is_refused(shift: float, refused: object) -> None:
    trained = _outputs([[1.0, 0.0]], [[1.0, 0.0]])
    parity = measure_parity(trained, _outputs([[1.0 + shift, 0.0]], [[1.0, 0.0]]))
    if not refused:
        refuse_difference(Path("a.bundle"), parity)
        return
    with pytest.raises(BundleError, match=r"a\.bundle: not written: .* by 0\.002 \(allowed: 1e-03\)"):
        refuse_difference(Path("a.bundle"), parity)


def test_another_class_on_one_crop_is_refused_however_close_the_logits() -> None:
    trained = _outputs([[0.50001, 0.5]], [[1.0, 0.0]])
    parity = measure_parity(trained, _outputs([[0.5, 0.50001]], [[1.0, 0.0]]))
    with pytest.raises(BundleError, match=r"same class on 0\.0 % of 1 crops"):
        refuse_difference(Path("a.bundle"), parity)


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_answers_that_are_no_numbers_are_refused(odd: float) -> None:
    with pytest.raises(BundleError, match="not finite numbers: train again"):
        measure_parity(_outputs([[odd, 0.0]], [[1.0, 0.0]]), _outputs([[1.0, 0.0]], [[1.0, 0.0]]))
