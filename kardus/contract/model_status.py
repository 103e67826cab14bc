"""What an agent says of its model, and of the change to another one."""

from typing import Literal

from kardus.contract.base import AgentCount, Record
from kardus.contract.messages import Model, UtcTime


class Comparison(Record):
    """Two models on the same crops of this agent's cameras."""

    crops: AgentCount = 0
    """How many were compared."""
    same: AgentCount = 0
    """Of how many both say the same product."""
    expected: AgentCount = 0
    """Of how many the WMS says what should stand there."""
    by_present: AgentCount = 0
    """In how many of these the model in use finds what is expected ..."""
    by_other: AgentCount = 0
    """... and in how many the other."""


Phase = Literal["settled", "fetching", "verifying", "shadowing", "probation", "refused", "rolled-back"]
"""How far a change of the model is; `refused` and `rolled-back` are how the last one ended, `settled` that it is done.

`shadowing`: the candidate answers beside the model in use, and nothing rests on it. `probation`: the candidate is in
use, and the former model still answers beside it.
"""


class ModelStatus(Record):
    """The model in use, and what becomes of another one (retained)."""

    model: Model
    """The model in use."""
    sha256: str
    """Its bundle's SHA-256."""
    phase: Phase
    """How far a change is."""
    candidate: Model | None = None
    """The other model; null where none was brought, or it couldn't be read."""
    reason: str = ""
    """Why it was refused or rolled back, in one line."""
    comparison: Comparison | None = None
    """What the two models said of the same crops, this far; null before they were compared."""
    since: UtcTime
    """Since when it is so."""
