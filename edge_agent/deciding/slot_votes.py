"""What was lately seen in one slot: votes, each judged once, and again where the expectation changes."""

from collections import deque
from dataclasses import dataclass, field

from edge_agent.config.sections import VerdictSection
from edge_agent.deciding.code_witness import with_code
from edge_agent.deciding.verdict import AgreedVerdict, Judgement, agreed_verdict, judge_vote
from edge_agent.records import CodeWitness
from kardus.contract.messages import Expected
from kardus.contract.verdicts import Verdict
from kardus.inference.classification import Classification


@dataclass
class SlotVote:
    """One classification of a slot."""

    seen: Classification
    judgement: Judgement | None = None
    """None: not judged yet against what is expected now."""


@dataclass
class SlotVotes:
    """The votes of one slot."""

    location: str
    facing: int | None
    votes: deque[SlotVote]
    tries: int = 0
    """Votes since it last changed or was due: it stays open for a window of them."""
    is_scheduled: bool = False
    """To be classified at the next opportunity."""
    is_new: bool = False
    """Whether its last vote isn't judged yet."""
    is_obstructed: bool = False
    is_busy: bool = False
    """The last picture said nothing of its stock."""
    is_settled: bool = False
    """For what has stood before it for long, and doesn't move."""
    is_relit: bool = False
    """It was last classified in another light than when its content was first seen."""
    content: int = 0
    """Counts what has stood in it."""
    is_read: bool = False
    """Whether the codes of its content were read, or are being read."""
    witness: CodeWitness | None = None
    """What they say."""
    basis: tuple[Expected | None, bool] = field(default=(None, False))
    """What its votes were judged against: the expectation, and whether a match stands."""

    def agreed_verdict(
        self, expected: Expected | None, standing: Verdict | None, rules: VerdictSection
    ) -> AgreedVerdict | None:
        """What enough of its votes, or its carton's code, say. Judges those that weren't judged against this yet."""
        is_match = standing is Verdict.MATCH
        if self.basis[0] is not expected or self.basis[1] != is_match:
            self.basis = expected, is_match
            self.forget_judgements()
        for vote in self.votes:
            vote.judgement = vote.judgement or judge_vote(vote.seen, expected, rules, standing)
        judgements = [vote.judgement for vote in self.votes if vote.judgement]
        agreed = agreed_verdict([vote.seen for vote in self.votes], judgements, rules)
        if self.is_new:
            is_settled = agreed is not None and judgements[-1] == agreed.judgement
            self.is_scheduled = not is_settled and self.tries < rules.window
            self.is_new = False
        return with_code(agreed, self.witness, expected) if self.witness else agreed

    def forget_code(self) -> None:
        """Its content may be another."""
        self.content, self.is_read, self.witness = self.content + 1, False, None

    def forget_judgements(self) -> None:
        """Judge its votes anew."""
        for vote in self.votes:
            vote.judgement = None
