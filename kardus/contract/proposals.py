"""Photos that the agent keeps for training: columns that `labels.csv` then has beside `path` and `name`."""

from enum import StrEnum


class ProposalStatus(StrEnum):
    """What has become of a proposed label."""

    PROPOSED = "proposed"
    """Nobody has looked at it."""
    CONFIRMED = "confirmed"
    """Somebody says that it is right: it counts as the photo's name."""
    REJECTED = "rejected"
    """Somebody says that the photo isn't to be used."""


COLUMNS = (
    "path",
    "name",
    "status",
    "proposed",
    "seen",
    "confidence",
    "verdict",
    "location",
    "facing",
    "camera",
    "captured",
)
"""Of a harvest's `labels.csv`; docs/data.md says what each is."""
