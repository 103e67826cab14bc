"""From what was seen and what is expected to a verdict: a doubt is never a mismatch."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_agent.config.sections import VerdictSection
from edge_agent.deciding.verdict import (
    AgreedVerdict,
    Judgement,
    agreed_verdict,
    combine_facings,
    judge_vote,
    with_empty_picture,
)
from kardus.contract.manifest import Calibration, ClassInfo
from kardus.contract.messages import Expected
from kardus.contract.verdicts import Verdict
from kardus.inference.classification import Classification, interpret

CLASSES = tuple(
    ClassInfo(name=name, category=category, sku=sku)
    for name, category, sku in (
        ("A", "X", "A"),
        ("A-Side", "X", "A"),
        ("B", "X", "B"),
        ("C", "Y", "C"),
        ("empty", "empty", "empty"),
    )
)
RULES = VerdictSection()
SKUS = st.sampled_from(["A", "B", "C", "not learnt"])


def _look(a: float = 0.0, b: float = 0.0, c: float = 0.0, empty: float = 0.0, *, known: bool = True) -> Classification:
    """A look with these likelihoods; A's are of its face."""
    logits = np.log(np.array([[a, 0, b, c, empty]], dtype=np.float32) + 1e-9)
    calibration = Calibration(rejection_threshold=-1e9 if known else 1e9)
    return interpret(logits, CLASSES, calibration, logits.max(axis=1))[0]


def decide(
    seen: list[Classification], expected: Expected | None, rules: VerdictSection, standing: Verdict | None = None
) -> AgreedVerdict | None:
    """What a window of votes comes to, each judged against this."""
    recent = seen[-rules.window :]
    return agreed_verdict(recent, [judge_vote(vote, expected, rules, standing) for vote in recent], rules)


HYSTERESIS = 0.125
"""Exact in binary: what is drawn beside it is valid to the last bit."""


@st.composite
def looks(draw: st.DrawFn) -> Classification:
    """Any answer of a model, of any certainty."""
    logits = draw(st.lists(st.floats(-8, 8, width=32), min_size=5, max_size=5))
    calibration = draw(
        st.builds(
            Calibration,
            rejection_threshold=st.sampled_from([-1e9, -1e9, 4.0]),
            doubt_threshold=st.sampled_from([-1e9, 5.0]),
        )
    )
    rows = np.array([logits], dtype=np.float32)
    return interpret(rows, CLASSES, calibration, rows.max(axis=1))[0]


@st.composite
def rules(draw: st.DrawFn) -> VerdictSection:
    """Any rules that the configuration accepts."""
    window, low = draw(st.integers(1, 7)), draw(st.floats(0, 0.8))
    return VerdictSection(
        window=window,
        votes=draw(st.integers(window // 2 + 1, window)),
        mismatch_likelihood=low,
        match_likelihood=draw(st.floats(low + HYSTERESIS, 1, exclude_min=True)),
        min_confidence=draw(st.floats(low, 1, exclude_min=True)),
        hysteresis=HYSTERESIS,
    )


EXPECTATIONS = st.none() | st.builds(Expected, revision=st.integers(0, 9), sku=st.none() | SKUS, managed=st.booleans())


def _expect(sku: str | None) -> Expected:
    return Expected(revision=1, sku=sku)


def _doubted(sku: str) -> Classification:
    """A look that is sure which class it is most like, and that it is hardly like it."""
    logits = np.log(np.array([[float(info.name == sku) for info in CLASSES]], dtype=np.float32) + 1e-9)
    return interpret(logits, CLASSES, Calibration(doubt_threshold=1e9), logits.max(axis=1))[0]


def test_where_the_expected_product_is_hardly_like_itself_nothing_is_said() -> None:
    judged = judge_vote(_doubted("B"), _expect("B"), RULES)
    assert judged.verdict is Verdict.UNCERTAIN
    assert judged.reason == "it may be what is expected, but it looks less like it than photos of it do"
    assert judge_vote(_doubted("empty"), _expect(None), RULES).verdict is Verdict.UNCERTAIN


def test_what_is_hardly_like_an_empty_location_is_no_match_for_a_product_that_is_nearly_as_likely() -> None:
    rules = VerdictSection(match_likelihood=0.4, mismatch_likelihood=0.05, min_confidence=0.3)
    for doubt_threshold, verdict in ((1e9, Verdict.UNCERTAIN), (-1e9, Verdict.MATCH)):
        logits = np.log(np.array([[0.0, 0.0, 0.45, 0.0, 0.55]], dtype=np.float32) + 1e-9)
        seen = interpret(logits, CLASSES, Calibration(doubt_threshold=doubt_threshold), logits.max(axis=1))[0]
        assert judge_vote(seen, _expect("B"), rules).verdict is verdict


def test_what_is_hardly_like_another_product_is_not_named_as_one() -> None:
    assert judge_vote(_doubted("C"), _expect("B"), RULES) == Judgement(Verdict.UNKNOWN)
    assert judge_vote(_doubted("C"), _expect(None), RULES) == Judgement(Verdict.UNKNOWN)
    assert judge_vote(_doubted("C"), _expect("not learnt"), RULES).verdict is Verdict.UNCERTAIN
    assert judge_vote(_doubted("empty"), _expect("not learnt"), RULES).verdict is Verdict.UNCERTAIN


def test_the_family_of_what_is_hardly_like_a_product_is_told_where_it_is_sure() -> None:
    for expected in (_expect("B"), _expect("C"), _expect(None)):
        assert judge_vote(_doubted("C"), expected, RULES).family == "Y"
    assert judge_vote(_doubted("empty"), _expect(None), RULES).family is None
    assert judge_vote(_look(c=1.0, known=False), _expect("B"), RULES).family is None
    logits = np.log(np.array([[0.5, 1e-9, 1e-9, 0.5, 1e-9]], dtype=np.float32))
    unsure = interpret(logits, CLASSES, Calibration(doubt_threshold=1e9), logits.max(axis=1))[0]
    assert judge_vote(unsure, _expect("B"), RULES) == Judgement(Verdict.UNKNOWN)
    assert judge_vote(unsure, _expect("B"), RULES).family is None


def test_votes_agree_that_it_is_unknown_whatever_they_say_of_its_family() -> None:
    logits = np.log(np.array([[0.5, 1e-9, 1e-9, 0.5, 1e-9]], dtype=np.float32))
    unsure = interpret(logits, CLASSES, Calibration(doubt_threshold=1e9), logits.max(axis=1))[0]
    agreed = decide([unsure, _doubted("C")], _expect("B"), VerdictSection(window=3, votes=2))
    assert agreed
    assert (agreed.judgement.verdict, agreed.judgement.family) == (Verdict.UNKNOWN, "Y")


def test_a_doubted_look_that_may_be_of_the_expected_product_is_no_alert() -> None:
    logits = np.log(np.array([[1e-9, 1e-9, 0.48, 0.52, 1e-9]], dtype=np.float32))
    seen = interpret(logits, CLASSES, Calibration(doubt_threshold=1e9), logits.max(axis=1))[0]
    assert (seen.sku, judge_vote(seen, _expect("B"), RULES).verdict) == ("C", Verdict.UNCERTAIN)
    assert judge_vote(seen, _expect("A"), RULES) == Judgement(Verdict.UNKNOWN)


def test_what_looks_empty_is_no_stock_though_it_hardly_looks_so() -> None:
    assert judge_vote(_doubted("empty"), _expect("B"), RULES) == Judgement(Verdict.EMPTY)
    looks = [decide([look] * RULES.window, _expect("B"), RULES) for look in (_look(b=1.0), _doubted("empty"))]
    both = combine_facings([(1, looks[0]), (2, looks[1])])
    assert both
    assert both.judgement.verdict is Verdict.MATCH


def test_what_looks_like_its_own_empty_picture_is_not_doubted() -> None:
    seen = with_empty_picture(_doubted("empty"), like_empty=True)
    assert judge_vote(seen, _expect(None), RULES).verdict is Verdict.MATCH
    assert judge_vote(seen, _expect("B"), RULES).verdict is Verdict.EMPTY
    for like_empty in (False, None):
        seen = with_empty_picture(_doubted("C"), like_empty=like_empty)
        assert judge_vote(seen, _expect("B"), RULES).verdict is Verdict.UNKNOWN


def test_what_is_unknown_is_unknown_though_it_is_most_like_what_is_expected() -> None:
    assert judge_vote(_look(b=1.0, known=False), _expect("B"), RULES) == Judgement(Verdict.UNKNOWN)


@given(looks(), SKUS, rules())
def test_a_doubt_is_never_a_mismatch(seen: Classification, sku: str, rules: VerdictSection) -> None:
    judged = judge_vote(seen, _expect(sku), rules)
    if seen.likelihood(sku) > rules.mismatch_likelihood:
        assert judged.verdict is not Verdict.MISMATCH


@given(looks(), rules())
def test_a_doubt_is_never_an_unexpected_carton(seen: Classification, rules: VerdictSection) -> None:
    if seen.likelihood("empty") > rules.mismatch_likelihood:
        assert judge_vote(seen, _expect(None), rules).verdict is not Verdict.UNEXPECTED


def test_loose_rules_are_refused_or_never_miss_what_they_see() -> None:
    """Rules by which an expected product may be both sure enough to be named and unlikely enough to be missed."""
    try:
        loose = VerdictSection(mismatch_likelihood=0.9, match_likelihood=1.0, min_confidence=0.5)
    except ValueError:
        return
    judged = judge_vote(_look(a=0.05, b=0.6, c=0.35), _expect("B"), loose)
    assert (judged.verdict, judged.sku) != (Verdict.MISMATCH, "B")


@given(looks(), SKUS, rules())
def test_a_mismatch_names_another_product_or_category_that_is_sure(
    seen: Classification, sku: str, rules: VerdictSection
) -> None:
    judged = judge_vote(seen, _expect(sku), rules)
    if judged.verdict is not Verdict.MISMATCH:
        return
    assert seen.known
    assert judged.sku or judged.category
    if judged.sku:
        assert judged.sku != sku
        assert seen.likelihood(judged.sku) >= min(rules.min_confidence, 0.999)


@given(looks(), SKUS | st.none(), rules())
def test_a_match_needs_the_expected_product_s_likelihood(
    seen: Classification, sku: str | None, rules: VerdictSection
) -> None:
    likely = seen.likelihood(sku or "empty") >= rules.match_likelihood
    assert (judge_vote(seen, _expect(sku), rules).verdict is Verdict.MATCH) == (
        likely and seen.known and not seen.doubted
    )


@given(
    looks(),
    rules(),
    st.none() | st.builds(Expected, revision=st.just(1), sku=SKUS, managed=st.just(False)),
)
def test_without_an_expectation_a_location_is_unmanaged(
    seen: Classification, rules: VerdictSection, expected: Expected | None
) -> None:
    assert judge_vote(seen, expected, rules) == Judgement(Verdict.UNMANAGED)


@given(looks(), rules())
def test_a_product_that_the_model_never_learnt_is_never_missed(seen: Classification, rules: VerdictSection) -> None:
    judged = judge_vote(seen, _expect("not learnt"), rules)
    assert judged.verdict in (Verdict.UNCERTAIN, Verdict.EMPTY)
    if judged.verdict is Verdict.EMPTY:
        assert seen.sku == "empty"
        assert seen.known
    else:
        assert "not learnt" in judged.reason


@given(looks(), st.sampled_from(["A", None]), rules())
def test_a_carton_that_is_none_of_the_classes_is_unknown(
    seen: Classification, sku: str | None, rules: VerdictSection
) -> None:
    likely = seen.likelihood(sku or "empty") > rules.mismatch_likelihood
    is_none = not seen.known or (seen.doubted and seen.sku not in (sku, "empty") and not likely)
    assert (judge_vote(seen, _expect(sku), rules).verdict is Verdict.UNKNOWN) == is_none


@given(looks(), EXPECTATIONS, rules())
def test_a_doubt_has_a_reason(seen: Classification, expected: Expected | None, rules: VerdictSection) -> None:
    judged = judge_vote(seen, expected, rules)
    assert (judged.verdict is Verdict.UNCERTAIN) == bool(judged.reason)


@pytest.mark.parametrize(
    ("seen", "expected", "verdict", "sku", "category"),
    [
        (_look(a=0.9, b=0.1), "A", Verdict.MATCH, "A", None),
        (_look(a=0.61, b=0.39), "A", Verdict.MATCH, "A", None),
        (_look(a=0.05, b=0.95), "A", Verdict.MISMATCH, "B", "X"),
        (_look(a=0.2, b=0.8), "A", Verdict.UNCERTAIN, None, None),
        (_look(a=0.05, b=0.5, c=0.45), "A", Verdict.UNCERTAIN, None, None),
        (_look(a=0.5, b=0.45, c=0.05), "C", Verdict.MISMATCH, None, "X"),
        (_look(a=0.05, empty=0.95), "A", Verdict.EMPTY, None, None),
        (_look(a=0.2, empty=0.8), "A", Verdict.EMPTY, None, None),
        (_look(a=0.3, empty=0.7), "A", Verdict.UNCERTAIN, None, None),
        (_look(empty=0.9, b=0.1), None, Verdict.MATCH, None, None),
        (_look(empty=0.3, b=0.7), None, Verdict.UNCERTAIN, None, None),
        (_look(empty=0.05, b=0.95), None, Verdict.UNEXPECTED, "B", "X"),
        (_look(empty=0.02, a=0.49, b=0.49), None, Verdict.UNEXPECTED, None, "X"),
        (_look(a=0.99, known=False), "A", Verdict.UNKNOWN, None, None),
        (_look(b=0.99), "not learnt", Verdict.UNCERTAIN, None, None),
    ],
)
def test_the_default_rules_judge_so(
    seen: Classification, expected: str | None, verdict: Verdict, sku: str | None, category: str | None
) -> None:
    judged = judge_vote(seen, _expect(expected), RULES)
    assert (judged.verdict, judged.sku, judged.category) == (verdict, sku, category)


LOOKS = st.lists(looks(), max_size=10)


@given(LOOKS, EXPECTATIONS, rules())
def test_a_verdict_has_the_votes_of_the_window(
    seen: list[Classification], expected: Expected | None, rules: VerdictSection
) -> None:
    decision = decide(seen, expected, rules)
    recent = seen[-rules.window :]
    judgements = [judge_vote(look, expected, rules) for look in recent]
    enough = [j for j in judgements if judgements.count(j) >= rules.votes]
    if decision is None:
        assert not enough
        assert len(recent) < rules.window
    elif decision.judgement in judgements and enough:
        assert judgements.count(decision.judgement) >= rules.votes
        assert decision.vote is next(
            look for look in reversed(recent) if judge_vote(look, expected, rules) == decision.judgement
        )
    else:
        assert not enough
        assert decision.judgement.verdict is Verdict.UNCERTAIN
        assert decision.vote is recent[-1]


@given(LOOKS, EXPECTATIONS, rules(), st.randoms(use_true_random=False))
def test_the_order_of_the_looks_is_all_one(
    seen: list[Classification], expected: Expected | None, rules: VerdictSection, rng: random.Random
) -> None:
    recent = seen[-rules.window :]
    shuffled = rng.sample(recent, len(recent))
    first, second = decide(recent, expected, rules), decide(shuffled, expected, rules)
    assert (first and first.judgement) == (second and second.judgement)


def test_a_tie_is_not_settled_by_the_order() -> None:
    """Rules that let two verdicts have enough votes at once are refused, or a tie is a doubt."""
    try:
        tied = VerdictSection(votes=2, window=4)
    except ValueError:
        return
    match, mismatch = _look(a=0.95), _look(b=0.95)
    decisions = [
        decide([match, match, mismatch, mismatch], _expect("A"), tied),
        decide([mismatch, mismatch, match, match], _expect("A"), tied),
    ]
    assert [decision and decision.judgement.verdict for decision in decisions] == [Verdict.UNCERTAIN] * 2


def test_too_few_looks_decide_nothing() -> None:
    assert decide([], _expect("A"), RULES) is None
    assert decide([_look(a=0.9)] * 2, _expect("A"), RULES) is None
    assert decide([_look(a=0.9), _look(b=0.95)] * 2, _expect("A"), RULES) is None


def test_the_third_vote_decides() -> None:
    decision = decide([_look(b=0.95)] * 3, _expect("A"), RULES)
    assert decision
    assert decision.judgement == Judgement(Verdict.MISMATCH, "B", "X")


def test_one_odd_look_changes_nothing() -> None:
    match, odd = _look(a=0.9), _look(b=0.95)
    decision = decide([match, match, odd, match, match], _expect("A"), RULES)
    assert decision
    assert decision.judgement.verdict is Verdict.MATCH


def test_a_full_window_without_a_majority_is_a_doubt_and_not_the_old_verdict() -> None:
    match, wrong, third, doubt = _look(a=0.9), _look(b=0.95), _look(c=0.95), _look(a=0.4, b=0.6)
    old = [match] * 5
    decision = decide([*old, wrong, match, third, doubt, wrong], _expect("A"), RULES)
    assert decision
    assert decision.judgement.verdict is Verdict.UNCERTAIN
    assert decision.judgement.reason == "the last pictures disagree"


def test_every_look_is_judged_by_the_present_expectation() -> None:
    seen = [_look(a=0.95)] * 5
    for sku, verdict in (("A", Verdict.MATCH), ("B", Verdict.MISMATCH), (None, Verdict.UNEXPECTED)):
        decision = decide(seen, _expect(sku), RULES)
        assert decision
        assert decision.judgement.verdict is verdict


def test_a_standing_match_is_not_given_up_for_a_little_less() -> None:
    rules = VerdictSection(match_likelihood=0.6, hysteresis=0.15)
    little_less, much_less = _look(a=0.5, b=0.5), _look(a=0.4, b=0.6)
    assert judge_vote(little_less, _expect("A"), rules).verdict is Verdict.UNCERTAIN
    assert judge_vote(little_less, _expect("A"), rules, Verdict.MATCH).verdict is Verdict.MATCH
    assert judge_vote(little_less, _expect("A"), rules, Verdict.UNCERTAIN).verdict is Verdict.UNCERTAIN
    assert judge_vote(much_less, _expect("A"), rules, Verdict.MATCH).verdict is Verdict.UNCERTAIN
    agreed = decide([little_less] * 3, _expect("A"), rules, Verdict.MATCH)
    assert agreed
    assert agreed.judgement.verdict is Verdict.MATCH


@given(LOOKS, EXPECTATIONS, rules())
@example(
    [replace(_look(a=0.176, b=0.088, c=0.088, empty=0.649), doubted=True)],
    _expect("A"),
    VerdictSection(votes=1, window=1, match_likelihood=0.25, mismatch_likelihood=0.0, hysteresis=0.125),
)
def test_hysteresis_makes_no_alert_of_a_match_and_no_match_of_an_alert(
    seen: list[Classification], expected: Expected | None, rules: VerdictSection
) -> None:
    for look in seen:
        fresh, standing = judge_vote(look, expected, rules), judge_vote(look, expected, rules, Verdict.MATCH)
        assert standing == fresh or (fresh.verdict, standing.verdict) in {
            (Verdict.UNCERTAIN, Verdict.MATCH),
            (Verdict.EMPTY, Verdict.MATCH),
            (Verdict.EMPTY, Verdict.UNCERTAIN),  # hardly like an empty location, and a little like what matched
        }
