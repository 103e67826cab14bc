"""From what was seen and what is expected to a verdict: of a vote, of a slot and of a location. Pure functions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from edge_agent.config.sections import VerdictSection
from kardus.contract.manifest import EMPTY_CLASS
from kardus.contract.messages import Candidate, Expected, Seen
from kardus.contract.verdicts import Verdict
from kardus.inference.classification import Classification, SkuScore

WORST_FIRST = (
    Verdict.MISMATCH,
    Verdict.UNKNOWN,
    Verdict.UNEXPECTED,
    Verdict.UNCERTAIN,
    Verdict.EMPTY,
    Verdict.MATCH,
    Verdict.UNMANAGED,
)
"""The verdicts that votes can come to."""
NO_MODEL = "there is no model yet: photos are collected for the first one"


@dataclass(frozen=True)
class Judgement:
    """What one vote, or each of several that agree, says of the expectation: the verdict, and what is seen."""

    verdict: Verdict
    sku: str | None = None
    """The product that is seen; None when its variant is unsure, nothing is there, or it is unknown."""
    category: str | None = None
    reason: str = ""
    family: str | None = field(default=None, compare=False)
    """The category of a carton whose product is unknown or doubted, where it is sure. Votes agree without it."""


def judge_vote(
    seen: Classification, expected: Expected | None, rules: VerdictSection, standing: Verdict | None = None
) -> Judgement:
    """Judge one vote against what the WMS expects (None: it has said nothing).

    `standing` is the location's verdict so far: a match is not given up for a little less likelihood.
    """
    if expected is None or not expected.managed:
        return Judgement(Verdict.UNMANAGED)
    doubt = _reason_to_doubt(seen, expected.sku or EMPTY_CLASS, rules)
    if doubt:
        return Judgement(Verdict.UNCERTAIN, reason=doubt, family=_family(seen, rules))
    if expected.sku is not None and all(score.sku != expected.sku for score in seen.skus):
        return _judge_unlearnt(seen, expected.sku, rules)
    if not seen.known or (seen.doubted and seen.sku != EMPTY_CLASS):
        return Judgement(Verdict.UNKNOWN, family=_family(seen, rules))
    if expected.sku is None:
        return _judge_must_be_empty(seen, rules, _enough(rules, standing))
    return _judge_stock(seen, expected.sku, rules, _enough(rules, standing))


def _reason_to_doubt(seen: Classification, expected_sku: str, rules: VerdictSection) -> str:
    """Why a vote says nothing of what is expected; empty: it says something."""
    if not seen.skus:
        return NO_MODEL
    if seen.like_empty is not None and seen.like_empty != (seen.known and seen.sku == EMPTY_CLASS):
        return "the model and the empty picture disagree on whether it is empty"
    if seen.known and seen.doubted and _may_be(expected_sku, seen, rules):
        return "it may be what is expected, but it looks less like it than photos of it do"
    return ""


def _may_be(sku: str, seen: Classification, rules: VerdictSection) -> bool:
    """Whether a doubted vote may be of what is expected. What looks empty isn't stock, however little it looks so."""
    return seen.sku == sku or (seen.sku != EMPTY_CLASS and seen.likelihood(sku) > rules.mismatch_likelihood)


def with_empty_picture(seen: Classification, like_empty: bool | None) -> Classification:  # noqa: FBT001 - a finding
    """A vote, with what the location's own empty picture says; alone, where the model has no class `empty`.

    What looks like that picture isn't doubted: it needn't look like other empty locations.
    """
    if any(score.sku == EMPTY_CLASS for score in seen.skus):
        return replace(seen, like_empty=like_empty, doubted=seen.doubted and not like_empty)
    if not like_empty:
        return seen
    skus = (SkuScore(EMPTY_CLASS, 1.0), *(SkuScore(score.sku, 0.0) for score in seen.skus))
    return Classification(EMPTY_CLASS, EMPTY_CLASS, EMPTY_CLASS, 1.0, 1.0, known=True, skus=skus)


@dataclass(frozen=True)
class AgreedVerdict:
    """The judgement that a slot's last votes agree on, or that is worst among a location's slots."""

    judgement: Judgement
    vote: Classification
    """The latest vote that says so."""
    facing: int | None = None
    """Which facing it is about; None where the location has one, or all of them agree."""


@dataclass(frozen=True)
class LocationOutcome:
    """What is known of a location by its pictures alone: the verdict of its slots, and whether they can be seen."""

    agreed: AgreedVerdict | None
    """None while they are too few."""
    is_obstructed: bool
    """Something stands before it, or it doesn't come to rest."""
    is_busy: bool
    """The last picture said nothing of its stock."""


def agreed_verdict(
    votes: Sequence[Classification], judgements: Sequence[Judgement], rules: VerdictSection
) -> AgreedVerdict | None:
    """The judgement that enough of the last votes agree on, with the latest vote that says so.

    Returns None while there are too few votes; once the window is full and no judgement has enough of them, the verdict
    is `uncertain`: an old one is never kept alive.

    Args:
        votes: at most a window of them, the latest last.
        judgements: each vote judged against the present expectation.
        rules: how many have to agree.
    """
    if not judgements:
        return None
    winner, count = Counter(judgements).most_common(1)[0]
    if count >= rules.votes:
        latest = max(index for index, judgement in enumerate(judgements) if judgement == winner)
        return AgreedVerdict(judgements[latest], votes[latest])
    if len(votes) < rules.window:
        return None
    return AgreedVerdict(Judgement(Verdict.UNCERTAIN, reason="the last pictures disagree"), votes[-1])


def combine_facings(facings: Sequence[tuple[int | None, AgreedVerdict | None]]) -> AgreedVerdict | None:
    """One agreed verdict for a location from those of its facings; None while one of them is open.

    A facing with the wrong product makes the location wrong. An empty one beside stock doesn't: stock is counted
    elsewhere. What is worst decides, and of equals the first; the verdict names its facing unless all agree.
    """
    known = [(number, agreed) for number, agreed in facings if agreed is not None]
    if len(known) < len(facings):
        return None
    stocked = [(number, agreed) for number, agreed in known if agreed.judgement.verdict != Verdict.EMPTY]
    number, worst = min(stocked or known, key=lambda item: WORST_FIRST.index(item[1].judgement.verdict))
    agree = len({agreed.judgement for _, agreed in known}) == 1
    tells_facing = not agree and worst.judgement.verdict != Verdict.MATCH
    return AgreedVerdict(worst.judgement, worst.vote, number if tells_facing else None)


def _enough(rules: VerdictSection, standing: Verdict | None) -> float:
    """The likelihood from which it is a match."""
    return rules.match_likelihood - (rules.hysteresis if standing is Verdict.MATCH else 0.0)


def _judge_must_be_empty(seen: Classification, rules: VerdictSection, enough: float) -> Judgement:
    empty = seen.likelihood(EMPTY_CLASS)
    if empty >= enough:
        return Judgement(Verdict.MATCH)
    if empty > rules.mismatch_likelihood:
        return Judgement(Verdict.UNCERTAIN, reason="it may be empty or not")
    sku, category = _identity(seen, rules)
    return Judgement(Verdict.UNEXPECTED, sku, category)


def _judge_stock(seen: Classification, expected_sku: str, rules: VerdictSection, enough: float) -> Judgement:
    likelihood = seen.likelihood(expected_sku)
    is_like_it = likelihood >= enough
    if is_like_it and not seen.doubted:
        return Judgement(Verdict.MATCH, expected_sku)
    if _is_empty(seen, rules) and not is_like_it:
        return Judgement(Verdict.EMPTY)
    if likelihood > rules.mismatch_likelihood:
        return Judgement(Verdict.UNCERTAIN, reason="it may be the expected product or not")
    sku, category = _identity(seen, rules)
    if sku is None and category is None:
        return Judgement(Verdict.UNCERTAIN, reason="neither product nor category is sure")
    return Judgement(Verdict.MISMATCH, sku, category)


def _judge_unlearnt(seen: Classification, expected_sku: str, rules: VerdictSection) -> Judgement:
    """The model has never seen the expected product: nothing but emptiness can be said with certainty."""
    if seen.known and not seen.doubted and _is_empty(seen, rules):
        return Judgement(Verdict.EMPTY)
    return Judgement(Verdict.UNCERTAIN, reason=f"the model doesn't know the expected product {expected_sku}")


def _is_empty(seen: Classification, rules: VerdictSection) -> bool:
    return seen.sku == EMPTY_CLASS and seen.confidence >= rules.min_confidence


def _identity(seen: Classification, rules: VerdictSection) -> tuple[str | None, str | None]:
    """Product and category as far as they are sure: the variant may be unsure while the category is certain."""
    sku = seen.sku if seen.confidence >= rules.min_confidence else None
    category = seen.category if seen.category_confidence >= rules.min_confidence else None
    return sku, category


def _family(seen: Classification, rules: VerdictSection) -> str | None:
    """The category of a doubted vote: a product that nobody taught may be of a family that is well known.

    What is like none of the classes has none, nor has an empty location.
    """
    is_sure = seen.category_confidence >= rules.min_confidence and seen.category != EMPTY_CLASS
    return seen.category if seen.known and seen.doubted and is_sure else None


def seen_of(classification: Classification, sku: str | None, category: str | None) -> Seen:
    """What a classification comes to, with product and category as far as the verdict holds them for sure.

    What is doubted has no product; its category is the given one, or none. What is rejected has neither.
    """
    top = tuple(Candidate(sku=s.sku, likelihood=min(1.0, s.likelihood)) for s in classification.skus[:3])
    if not classification.known or (classification.doubted and classification.sku != EMPTY_CLASS):
        sure = classification.category_confidence if category else classification.confidence
        return Seen(sku=None, category=category, confidence=sure, top=top)
    if classification.sku == EMPTY_CLASS:
        return Seen(sku=None, name=EMPTY_CLASS, confidence=classification.confidence, top=top)
    name = classification.name if sku else None
    confidence = classification.confidence if sku else classification.category_confidence
    return Seen(sku=sku, name=name, category=category or classification.category, confidence=confidence, top=top)
