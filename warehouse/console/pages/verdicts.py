"""How a verdict looks: by word, symbol and tone, never by colour alone."""

from dataclasses import dataclass

from kardus.contract.verdicts import Verdict
from warehouse.console.pages.languages import N_


@dataclass(frozen=True)
class Look:
    """Of one verdict."""

    word: str
    """In English, marked for translation."""
    tone: str
    """`good`, `bad`, `doubt`, `dim`: its colours in static/kardus.css. The symbol is the verdict's own."""


VERDICTS = {
    Verdict.MATCH.value: Look(N_("match"), "good"),
    Verdict.MISMATCH.value: Look(N_("wrong product"), "bad"),
    Verdict.EMPTY.value: Look(N_("empty"), "bad"),
    Verdict.UNEXPECTED.value: Look(N_("unexpected"), "bad"),
    Verdict.UNKNOWN.value: Look(N_("unknown product"), "bad"),
    Verdict.UNCERTAIN.value: Look(N_("uncertain"), "doubt"),
    Verdict.OBSTRUCTED.value: Look(N_("obstructed"), "doubt"),
    Verdict.STALE.value: Look(N_("no view"), "dim"),
    Verdict.UNMANAGED.value: Look(N_("not managed"), "dim"),
}
"""By the contract's word, the ones that somebody has to walk for first."""
_OTHER = Look(N_("uncertain"), "doubt")


def verdict_look(verdict: str) -> Look:
    """Of a verdict, of a later version's too."""
    return VERDICTS.get(verdict, _OTHER)
