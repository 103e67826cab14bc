"""Which bundle may take over."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.models.acceptance import downgrade_reason, lost_products, not_as_requested, regression_reason
from kardus.contract.commands import ChangeModel
from kardus.contract.manifest import Manifest
from kardus.contract.model_status import Comparison
from kardus.inference.bundle import read_bundle
from simulator.demo.play import DEMO_BUNDLE

MANIFEST = read_bundle(Path(DEMO_BUNDLE)).manifest
versions = st.tuples(*[st.integers(0, 300)] * 3).map(lambda parts: ".".join(map(str, parts)))


@pytest.fixture(scope="module")
def present() -> Manifest:
    return MANIFEST.model_copy(update={"version": "1.10.0"})


def _other(present: Manifest, **changes: object) -> Manifest:
    return present.model_copy(update=changes)


@pytest.mark.parametrize(
    ("version", "accepted"), [("1.10.1", True), ("2.0.0", True), ("1.10.0", False), ("1.9.9", False), ("0.11.0", False)]
)
def test_only_a_higher_version_of_the_same_name_takes_over(present: Manifest, version: str, accepted: bool) -> None:  # noqa: FBT001
    assert (downgrade_reason(_other(present, version=version), present) == "") == accepted


def test_under_another_name_the_one_made_later_takes_over(present: Manifest) -> None:
    later, earlier = "2999-01-01T00:00:00Z", "1999-01-01T00:00:00Z"
    assert downgrade_reason(_other(present, name="other", version="0.0.1", created=later), present) == ""
    assert "made before" in downgrade_reason(_other(present, name="other", version="9.0.0", created=earlier), present)


def test_a_bundle_that_lacks_a_product_expected_here_is_refused(present: Manifest) -> None:
    gone = present.classes[0].sku
    fewer = _other(present, classes=tuple(info for info in present.classes if info.sku != gone))
    assert gone in lost_products(fewer, present, {gone, present.classes[-1].sku})
    assert lost_products(fewer, present, {present.classes[-1].sku, "known to neither"}) == ""
    assert lost_products(present, fewer, {gone}) == ""


def test_a_bundle_must_be_the_one_that_the_command_names(present: Manifest) -> None:
    command = ChangeModel(name=present.name, version="1.10.0", size=1, sha256="0" * 64, url="https://h/b")
    assert not_as_requested(present, command) == ""
    assert "1.10.0" in not_as_requested(_other(present, version="1.9.0"), command)
    assert "shelf2" in not_as_requested(_other(present, name="shelf2"), command)


@pytest.mark.parametrize(
    ("by_present", "by_other", "expected", "refused"),
    [(95, 90, 100, False), (95, 89, 100, True), (15, 13, 15, False), (15, 12, 15, True), (0, 0, 0, False)],
)
def test_a_model_that_finds_too_few_of_the_expected_products_is_worse(
    by_present: int,
    by_other: int,
    expected: int,
    refused: bool,  # noqa: FBT001
) -> None:
    comparison = Comparison(crops=200, same=0, expected=expected, by_present=by_present, by_other=by_other)
    assert bool(regression_reason(comparison, 0.05, other_is_new=True)) == refused
    turned = Comparison(crops=200, same=0, expected=expected, by_present=by_other, by_other=by_present)
    assert bool(regression_reason(turned, 0.05, other_is_new=False)) == refused


@given(st.integers(0, 1000), st.integers(0, 1000), st.floats(0, 1))
def test_no_two_models_are_both_worse_than_the_other(by_present: int, by_other: int, max_loss: float) -> None:
    comparison = Comparison(crops=1000, same=0, expected=1000, by_present=by_present, by_other=by_other)
    assert not (
        regression_reason(comparison, max_loss, other_is_new=True)
        and regression_reason(comparison, max_loss, other_is_new=False)
    )


@given(versions, versions)
def test_of_two_versions_at_most_one_takes_over_from_the_other(a: str, b: str) -> None:
    manifest = MANIFEST
    first, second = _other(manifest, version=a), _other(manifest, version=b)
    upwards = [downgrade_reason(first, second) == "", downgrade_reason(second, first) == ""]
    assert sum(upwards) == (a != b)
