"""What matched and rests is doubted in another light, and told wherever anything else may be the reason."""

import pytest

from edge_agent.deciding.recognised import IN_ANOTHER_LIGHT, LastMatches, SeenStock
from edge_agent.deciding.verdict import AgreedVerdict, Judgement
from kardus.contract.verdicts import ALERTS, Verdict
from kardus.inference.classification import Classification

VOTE = Classification("a", "A", "c", 0.9, 0.9, known=True, skus=())
SEEN = SeenStock("L-1", (3,), "A")


def _decided(verdict: Verdict) -> AgreedVerdict:
    return AgreedVerdict(Judgement(verdict), VOTE)


def _after_a_match() -> LastMatches:
    recognised = LastMatches()
    recognised.remember(SEEN)
    return recognised


@pytest.mark.parametrize("verdict", sorted(ALERTS))
def test_an_alert_in_another_light_is_a_doubt_with_its_remedy(verdict: Verdict) -> None:
    weighed = _after_a_match().weigh(SEEN, _decided(verdict))
    assert weighed == AgreedVerdict(Judgement(Verdict.UNCERTAIN, reason=IN_ANOTHER_LIGHT), VOTE)


@pytest.mark.parametrize(
    "seen",
    [
        SeenStock("L-1", (4,), "A"),
        SeenStock("L-1", (3,), "B"),
        SeenStock("L-1", (3,), None),
        SeenStock("L-2", (3,), "A"),
    ],
    ids=["another content", "another product is expected", "nothing is expected", "another place"],
)
def test_what_may_have_another_reason_is_told(seen: SeenStock) -> None:
    assert _after_a_match().weigh(seen, _decided(Verdict.UNKNOWN)) == _decided(Verdict.UNKNOWN)


def test_what_never_matched_is_told() -> None:
    assert LastMatches().weigh(SEEN, _decided(Verdict.EMPTY)) == _decided(Verdict.EMPTY)


def test_a_location_that_is_not_watched_any_more_is_forgotten() -> None:
    recognised = _after_a_match()
    recognised.keep(["L-2"])
    assert recognised.weigh(SEEN, _decided(Verdict.UNKNOWN)) == _decided(Verdict.UNKNOWN)
