"""What somebody has said of a location, who knows better than the model: it counts for what stands there now alone.

It holds while two things last: the camera has seen no change there, without a break, and the model goes on saying what
it was contradicted in. A carton that is moved, a view that is lost, another model, a start of the agent, or another
answer of the model end it, and what is seen counts again: a person's word hides nothing that he hasn't looked at.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from edge_agent.deciding.verdict import AgreedVerdict, Judgement
from kardus.contract.manifest import EMPTY_CLASS
from kardus.contract.messages import Candidate, Expected, Seen
from kardus.contract.verdicts import Verdict
from kardus.inference.classification import Classification

Truth = Literal["product", "empty", "foreign", "withdrawn"]


@dataclass(frozen=True)
class Correction:
    """What somebody says that stands at a location."""

    truth: Truth
    """`foreign`: something that is none of our products; `withdrawn`: nothing is said any more."""
    sku: str
    """The product, where it is one."""
    by: str

    @property
    def reason(self) -> str:
        """Why the verdict isn't the model's."""
        return f"corrected by {self.by}" if self.by else "corrected"


@dataclass
class StandingCorrection:
    """A correction, and what the model said when it was given."""

    correction: Correction
    claim: tuple[bool, str] | None = None
    """None: the model hasn't been asked since."""

    def holds(self, vote: Classification) -> bool:
        """Whether the model still says what it was contradicted in."""
        claim = (vote.known, vote.sku)
        self.claim = self.claim or claim
        return self.claim == claim


def corrected_verdict(
    correction: Correction, expected: Expected | None, facing: int | None, vote: Classification
) -> AgreedVerdict:
    """What a location comes to by somebody's correction, whatever the WMS expects there now."""
    sku = correction.sku if correction.truth == "product" else None
    return AgreedVerdict(Judgement(_verdict(correction, expected), sku, reason=correction.reason), vote, facing)


def corrected_seen(correction: Correction, vote: Classification) -> Seen:
    """What stands there, as somebody says; the model's own candidates stay."""
    top = tuple(Candidate(sku=score.sku, likelihood=min(1.0, score.likelihood)) for score in vote.skus[:3])
    name = EMPTY_CLASS if correction.truth == "empty" else None
    is_sure = correction.truth != "foreign"
    return Seen(sku=correction.sku or None, name=name, confidence=1.0 if is_sure else 0.0, top=top)


def whole_milliseconds(moment: datetime) -> datetime:
    """A moment as messages have it: by it, a correction names the picture that it is about."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _verdict(correction: Correction, expected: Expected | None) -> Verdict:
    if expected is None or not expected.managed:
        return Verdict.UNMANAGED
    if correction.truth == "empty":
        return Verdict.EMPTY if expected.sku else Verdict.MATCH
    if not expected.sku:
        return Verdict.UNEXPECTED
    if correction.truth == "foreign":
        return Verdict.UNKNOWN
    return Verdict.MATCH if correction.sku == expected.sku else Verdict.MISMATCH
