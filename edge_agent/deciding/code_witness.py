"""A carton's printed code as a second witness: it settles a doubt, or contradicts the model. A pure function."""

from dataclasses import replace

from edge_agent.deciding.verdict import AgreedVerdict, Judgement
from edge_agent.records import CodeWitness
from kardus.contract.messages import Expected
from kardus.contract.verdicts import Verdict


def with_code(agreed: AgreedVerdict | None, witness: CodeWitness, expected: Expected | None) -> AgreedVerdict | None:
    """What the votes of a slot come to, weighed with what its carton's code says (None: nothing).

    A doubt is settled by the code. What the model is sure of and the code says otherwise is `uncertain`, with both
    reasons; neither is believed more than the other.
    """
    if agreed is None or expected is None or not expected.managed:
        return agreed
    judgement = agreed.judgement
    if judgement.verdict is Verdict.UNCERTAIN:
        return replace(agreed, judgement=_settled(judgement, witness, expected))
    said = _predicted_sku(judgement, expected)
    if said == witness.sku or _names_no_product(judgement, witness, expected):
        return replace(agreed, judgement=_named(judgement, witness))
    reason = f"the model says {_in_words(judgement, said)}, the carton's code {witness.gtin} says {witness.sku}"
    return replace(agreed, judgement=Judgement(Verdict.UNCERTAIN, reason=reason))


def _settled(judgement: Judgement, witness: CodeWitness, expected: Expected) -> Judgement:
    why = f"by the carton's code {witness.gtin}; without it: {judgement.reason}"[:200]
    if witness.sku == expected.sku:
        return Judgement(Verdict.MATCH, witness.sku, reason=why)
    verdict = Verdict.UNEXPECTED if expected.sku is None else Verdict.MISMATCH
    return Judgement(verdict, witness.sku, judgement.category, reason=why)


def _predicted_sku(judgement: Judgement, expected: Expected) -> str | None:
    """The product that the model is sure of; None: none."""
    return expected.sku if judgement.verdict is Verdict.MATCH else judgement.sku


def _names_no_product(judgement: Judgement, witness: CodeWitness, expected: Expected) -> bool:
    """The model is sure that it isn't what is expected, and the code says what it is."""
    is_other = judgement.verdict in (Verdict.MISMATCH, Verdict.UNEXPECTED) and judgement.sku is None
    return is_other and witness.sku != expected.sku


def _named(judgement: Judgement, witness: CodeWitness) -> Judgement:
    return judgement if judgement.verdict is Verdict.MATCH else replace(judgement, sku=witness.sku)


def _in_words(judgement: Judgement, sku: str | None) -> str:
    if sku is not None:
        return sku
    return {Verdict.MATCH: "empty", Verdict.EMPTY: "empty", Verdict.UNKNOWN: "an unknown product"}.get(
        judgement.verdict, f"{judgement.category or 'another product'}"
    )
