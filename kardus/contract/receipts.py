"""What an agent and the WMS side tell each other about delivery: stored for good, lost for good, send again.

Events of an epoch are counted from 1 without gaps; both sides speak of them as ranges of sequences, both ends included.
"""

from typing import Annotated

from pydantic import AfterValidator, Field

from kardus.contract.base import MAX_INTEGER, Record

MAX_SEQUENCE = MAX_INTEGER
MAX_EPOCH = 100
"""Characters of an epoch's name."""
EpochId = Annotated[str, Field(min_length=1, max_length=MAX_EPOCH)]

_Sequence = Annotated[int, Field(ge=1, le=MAX_SEQUENCE, strict=True)]


def _in_order(ends: tuple[int, int]) -> tuple[int, int]:
    if ends[0] > ends[1]:
        raise ValueError("the first of a range is not beyond its last")
    return ends


SequenceRange = Annotated[
    tuple[_Sequence, _Sequence],
    AfterValidator(_in_order),
]


class Ack(Record):
    """From the WMS side: which events of an epoch are stored for good (retained).

    What was acknowledged once stays acknowledged, whatever a later message says: several receivers of one database may
    overtake each other.
    """

    epoch: EpochId
    """The outbox whose events these are."""
    contiguous_to: Annotated[int, Field(ge=0, le=MAX_SEQUENCE, strict=True)]
    """Everything up to this sequence is stored, or announced as lost; 0: not even the first."""
    ranges: tuple[SequenceRange, ...] = ()
    """What is stored beyond that: [first, last] pairs in order, at most 1000 of them."""


class Lost(Record):
    """Which events of an epoch will never come: dropped under pressure (retained, all of the epoch's each time)."""

    epoch: EpochId
    """The outbox whose events these were."""
    ranges: tuple[SequenceRange, ...]
    """[first, last] pairs."""


LOST_TYPE = "kardus.agent.lost.v1"
