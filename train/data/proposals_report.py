"""Which proposals were trained on and which were dropped: as a table, and as a part of the run's report."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kardus.support.files import write_whole
from kardus.support.tabular.tables import read_table
from kardus.support.tabular.text_cells import cell_of
from train.data.check import thumbnail
from train.data.proposals import ProposedLabel

PROPOSALS = "proposals.csv"
_COLUMNS = ("path", "proposed", "kept", "why", "answered", "likelihood", "of_proposed")
SHOWN = 48
"""How many dropped photos are shown at most."""


@dataclass(frozen=True)
class JudgedProposal:
    """A proposal, and whether it is trained on."""

    proposal: ProposedLabel
    kept: bool
    why: str = ""
    """Why it was dropped."""
    answered: str = ""
    """The out-of-fold predicted product; empty where there was no prediction."""
    likelihood: float = 0.0
    of_proposed: float = 0.0
    """The predicted probabilities of that product (`likelihood`) and of the proposed one (`of_proposed`)."""


def write_judged(path: Path, rows: Sequence[JudgedProposal]) -> None:
    """Write them as a CSV table, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        figures = (f"{row.likelihood:.3f}", f"{row.of_proposed:.3f}") if row.answered else ("", "")
        kept = "yes" if row.kept else "no"
        cells = (str(row.proposal.path.resolve()), row.proposal.sku, kept, row.why, row.answered, *figures)
        writer.writerow(map(cell_of, cells))
    write_whole(path, text.getvalue().encode())


def proposals_of(run: Path) -> dict[str, Any] | None:
    """The values for `proposals_report.html.jinja` from a run's folder; None where it has no proposals.

    Raises:
        DataError: the table can't be read.
    """
    if not (run / PROPOSALS).is_file():
        return None
    rows = [row.values for row in read_table(run / PROPOSALS, _COLUMNS)]
    kept = Counter(row["proposed"] for row in rows if row["kept"] == "yes")
    dropped = [row for row in rows if row["kept"] != "yes"]
    lost = Counter(row["proposed"] for row in dropped)
    shown = [row for row in dropped if row["answered"]][:SHOWN]
    return {
        "total": len(rows),
        "dropped": len(dropped),
        "why": Counter(row["why"] for row in dropped),
        "by_sku": [(sku, kept[sku], lost[sku]) for sku in sorted(kept | lost)],
        "pictures": [(thumbnail(Path(row["path"])), _caption(row)) for row in shown],
    }


def _caption(row: dict[str, str]) -> str:
    return f"proposed {row['proposed']} ({row['of_proposed']}), seen {row['answered']} ({row['likelihood']})"
