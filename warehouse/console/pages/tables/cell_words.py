"""What table files say, in words for who reads: a .csv has the words of programs, the same for everybody.

What nothing here knows, as a product, a reason that an agent gave or a verdict of a later version, is shown as it is.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from kardus.contract.manifest import EMPTY_CLASS
from warehouse.console.pages.content.precision_now import CLAIMS
from warehouse.console.pages.routes.fleet import TROUBLE
from warehouse.console.pages.routes.rollout import PHASES
from warehouse.console.pages.tables.table_files import ExportedValue, TableRows
from warehouse.console.pages.words.audit_words import action_words, detail_words
from warehouse.console.pages.words.languages import N_, Translate
from warehouse.console.pages.words.role_words import ROLE_WORDS
from warehouse.console.pages.words.verdicts import VERDICTS
from warehouse.report.report import Discrepancy
from warehouse.store.labels import StatedTruth

_NOTHING = N_("(nothing)")
_UNKNOWN = re.compile(r"\(unknown: (.*)\)", re.DOTALL)
_VERDICTS = {verdict: style.word for verdict, style in VERDICTS.items()}
_WHETHER = {"yes": N_("yes"), "no": N_("no")}
_CELLS: Mapping[str, Mapping[str, str]] = {
    "alert_status": {"open": N_("open"), "acknowledged": N_("acknowledged")},
    "camera_status": TROUBLE,
    "claim": CLAIMS,
    "conflict": _WHETHER,
    "corrected": _VERDICTS,
    "fleet status": {"online": N_("online"), "offline": N_("offline")},
    "online": _WHETHER,
    "phase": {str(phase): words for phase, words in PHASES.items()},
    "precision by": {"all": N_("of all"), "camera": N_("of the camera"), "product": N_("of the product")},
    "precision key": {EMPTY_CLASS: _NOTHING},
    "role": {role.word: word for role, word in ROLE_WORDS.items()},
    "trends by": {
        "aisle": N_("By aisle"),
        "coverage of aisle": N_("Coverage by aisle"),
        "coverage of day": N_("Coverage of the day"),
        "coverage of family": N_("Coverage by family"),
        "day": N_("Day"),
        "family": N_("By family"),
        "product": N_("By expected product"),
    },
    "truth": {
        StatedTruth.PRODUCT: N_("The product that is named"),
        StatedTruth.EMPTY: N_("Nothing stands there"),
        StatedTruth.FOREIGN: N_("None of our products"),
        StatedTruth.UNUSABLE: N_("It can't be told"),
        StatedTruth.WITHDRAWN: N_("What was said doesn't hold any more"),
    },
    "verdict": _VERDICTS,
    "work expected": {"(empty)": _NOTHING},
    "work seen": {"(empty)": _NOTHING, "(unknown)": N_("unknown product")},
}
"""By column, or by list and column where it says something else in another one: words of programs, and for people."""
_AUDIT: Mapping[str, Callable[[Mapping[str, ExportedValue], Translate], str]] = {
    "action": lambda row, translate: action_words(str(row["action"]), translate),
    "detail": lambda row, translate: detail_words(str(row["action"]), str(row["detail"]), translate),
}


def translated_rows(name: str, header: Sequence[str], rows: TableRows, translate: Translate) -> TableRows:
    """A list's rows, one after another, as they are read by people of a language."""
    known = [_CELLS.get(f"{name} {column}", _CELLS.get(column, {})) for column in header]
    for row in rows:
        cells = [
            translate(words[cell]) if isinstance(cell, str) and cell in words else cell
            for cell, words in zip(row, known, strict=True)
        ]
        if name == "audit":
            told = dict(zip(header, row, strict=True))
            cells = [_AUDIT[column](told, translate) if column in _AUDIT else told[column] for column in header]
        yield cells


def people_line(line: Discrepancy, translate: Translate) -> Discrepancy:
    """A line of the report with what is to be done as the work list says it, and the family of what nobody knows."""
    unknown = _UNKNOWN.fullmatch(line.seen)
    return replace(line, action=remedy_words(line, translate), seen=unknown[1] if unknown else line.seen)


def remedy_words(line: Discrepancy, translate: Translate) -> str:
    """What is to be done at a location, as the work list says it; empty: it isn't known where the products are."""
    if line.swap:
        return translate(N_("Swap %(first)s with %(second)s")) % {"first": line.location, "second": line.swap}
    stands, missing = N_("%(sku)s stands at %(places)s."), N_("%(sku)s is missing at %(places)s.")
    told = [(stands, line.expected, line.stands_at), (missing, line.seen, line.missing_at)]
    return " ".join(translate(words) % {"sku": sku, "places": ", ".join(at)} for words, sku, at in told if at)
