"""A carton's code settles a doubt, or contradicts the model."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge_agent.deciding.code_witness import with_code
from edge_agent.deciding.verdict import AgreedVerdict, Judgement
from edge_agent.records import CodeWitness
from kardus.contract.messages import Expected
from kardus.contract.verdicts import ALERTS, Verdict
from kardus.inference.classification import Classification

VOTE = Classification("a", "a", "Tea", 0.9, 0.9, known=True, skus=())
A, B = CodeWitness("04006381333931", "a"), CodeWitness("00000096385074", "b")
WANTS_A, WANTS_NOTHING = Expected(revision=1, sku="a"), Expected(revision=1, sku=None)
DOUBT = Judgement(Verdict.UNCERTAIN, reason="it may be the expected product or not")
JUDGEMENTS = st.builds(
    Judgement, st.sampled_from(list(Verdict)), st.sampled_from([None, "a", "b"]), st.sampled_from([None, "Tea"])
)


def _weighed(judgement: Judgement, witness: CodeWitness, expected: Expected | None = WANTS_A) -> Judgement:
    agreed = with_code(AgreedVerdict(judgement, VOTE), witness, expected)
    assert agreed is not None
    return agreed.judgement


def test_a_doubt_is_settled_by_the_code() -> None:
    settled = _weighed(DOUBT, A)
    assert (settled.verdict, settled.sku) == (Verdict.MATCH, "a")
    assert A.gtin in settled.reason
    assert DOUBT.reason in settled.reason
    assert _weighed(DOUBT, B).verdict is Verdict.MISMATCH
    assert _weighed(DOUBT, B).sku == "b"
    assert _weighed(DOUBT, B, WANTS_NOTHING).verdict is Verdict.UNEXPECTED


@pytest.mark.parametrize(
    ("judgement", "witness", "expected", "said"),
    [
        (Judgement(Verdict.MATCH, "a"), B, WANTS_A, "says a"),
        (Judgement(Verdict.MATCH), B, WANTS_NOTHING, "says empty"),
        (Judgement(Verdict.MISMATCH, "c"), A, WANTS_A, "says c"),
        (Judgement(Verdict.MISMATCH, None, "Milk"), A, WANTS_A, "says Milk"),
        (Judgement(Verdict.EMPTY), A, WANTS_A, "says empty"),
        (Judgement(Verdict.UNKNOWN), A, WANTS_A, "an unknown product"),
    ],
)
def test_a_contradiction_is_uncertain_with_both_reasons(
    judgement: Judgement, witness: CodeWitness, expected: Expected, said: str
) -> None:
    weighed = _weighed(judgement, witness, expected)
    assert weighed.verdict is Verdict.UNCERTAIN
    assert said in weighed.reason
    assert f"{witness.gtin} says {witness.sku}" in weighed.reason


def test_agreement_changes_nothing() -> None:
    for judgement, witness in ((Judgement(Verdict.MATCH, "a"), A), (Judgement(Verdict.MISMATCH, "b"), B)):
        assert _weighed(judgement, witness) == judgement


def test_the_code_names_what_the_model_knows_by_its_family_alone() -> None:
    assert _weighed(Judgement(Verdict.MISMATCH, None, "Tea"), B) == Judgement(Verdict.MISMATCH, "b", "Tea")


@given(JUDGEMENTS)
def test_without_an_expectation_or_votes_nothing_changes(judgement: Judgement) -> None:
    assert _weighed(judgement, A, None) == judgement
    assert _weighed(judgement, A, Expected(revision=1, sku="a", managed=False)) == judgement
    assert with_code(None, A, WANTS_A) is None


@given(JUDGEMENTS)
def test_no_alert_stands_against_a_code_that_says_what_is_expected(judgement: Judgement) -> None:
    assume(judgement.verdict not in ALERTS or judgement.sku != "a")  # no model says so
    assert _weighed(judgement, A).verdict not in ALERTS
