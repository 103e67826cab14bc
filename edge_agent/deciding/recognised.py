"""Turns an alert into a doubt where the same content matched before, and only the light has changed since.

A light can take more from a picture than any correction gives back: white that is clipped, black that is crushed, a
lamp without blue. Then a carton that nobody has touched would be an unknown one. The gate knows that nothing has moved
there; so what contradicts the match of before is `uncertain`, until the light is as it was, or something changes.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from edge_agent.deciding.verdict import AgreedVerdict
from kardus.contract.verdicts import Verdict

IN_ANOTHER_LIGHT = (
    "it was recognised, and since then nothing has changed there but the light: it can't be told in this one; set the "
    "camera's exposure and white balance, or the light, back"
)


@dataclass(frozen=True)
class SeenStock:
    """What stands at a location, and what is expected there."""

    location: str
    contents: tuple[int, ...]
    """Counted in each of its slots: another number, another content."""
    sku: str | None
    """None: nothing is expected, or nobody has said what."""


class LastMatches:
    """What each location held when it last matched. Owned by one thread."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._matched: dict[str, SeenStock] = {}

    def remember(self, seen: SeenStock) -> None:
        """It matches."""
        self._matched[seen.location] = seen

    def weigh(self, seen: SeenStock, alert: AgreedVerdict) -> AgreedVerdict:
        """An alert in another light than when this content was first seen: a doubt, where it matched in the first.

        Args:
            seen: what stands there now.
            alert: what its votes come to by themselves.
        """
        if self._matched.get(seen.location) != seen:
            return alert
        judgement = replace(alert.judgement, verdict=Verdict.UNCERTAIN, reason=IN_ANOTHER_LIGHT)
        return replace(alert, judgement=judgement)

    def keep(self, locations: Collection[str]) -> None:
        """Forget all others."""
        self._matched = {name: standing for name, standing in self._matched.items() if name in locations}
