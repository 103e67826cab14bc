"""How a verdict is shown: by word, symbol and tone, never by colour alone."""

from dataclasses import dataclass

from kardus.contract.verdicts import Verdict
from warehouse.console.pages.words.languages import N_


@dataclass(frozen=True)
class VerdictStyle:
    """How one verdict is shown."""

    word: str
    """In English, marked for translation."""
    tone: str
    """`good`, `bad`, `doubt`, `dim`: its colours in static/kardus.css. The symbol is the verdict's own."""


VERDICTS = {
    Verdict.MATCH.value: VerdictStyle(N_("match"), "good"),
    Verdict.MISMATCH.value: VerdictStyle(N_("wrong product"), "bad"),
    Verdict.EMPTY.value: VerdictStyle(N_("empty"), "bad"),
    Verdict.UNEXPECTED.value: VerdictStyle(N_("unexpected"), "bad"),
    Verdict.UNKNOWN.value: VerdictStyle(N_("unknown product"), "bad"),
    Verdict.UNCERTAIN.value: VerdictStyle(N_("uncertain"), "doubt"),
    Verdict.OBSTRUCTED.value: VerdictStyle(N_("obstructed"), "doubt"),
    Verdict.STALE.value: VerdictStyle(N_("no view"), "dim"),
    Verdict.UNMANAGED.value: VerdictStyle(N_("not managed"), "dim"),
}
"""By the contract's word, the ones that somebody has to walk for first."""
_OTHER = VerdictStyle(N_("uncertain"), "doubt")


def verdict_style(verdict: str) -> VerdictStyle:
    """How a verdict is shown, one of a later version of the contract too."""
    return VERDICTS.get(verdict, _OTHER)
