"""What a replay comes to: as tables for people, as JSON for programs."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from rich.table import Table

from edge_agent.replay.comparison import StandingVerdict, VerdictChange, VerdictDifference
from edge_agent.replay.session import ReplayedConfig, ReplayOutcome
from kardus.support.console import table_of


def how_long(outcome: ReplayOutcome) -> Iterator[str]:
    """How long each configuration took, in words. Of the machine: no two runs say the same."""
    seconds = max(1e-9, (outcome.ended - outcome.began).total_seconds())
    for name, side in zip("AB", outcome.sides, strict=False):
        took_s = outcome.read_s + side.took_s
        yield (
            f"{name}: {outcome.pictures} pictures in {took_s:.1f} s ({outcome.pictures / took_s:.1f} a second, "
            f"{seconds / took_s:.1f} times as fast as they were taken), {side.player.classified} crops classified"
        )


def as_content(outcome: ReplayOutcome) -> dict[str, Any]:
    """What a replay comes to, for programs."""
    content: dict[str, Any] = {
        "began": outcome.began.isoformat(),
        "ended": outcome.ended.isoformat(),
        "pictures": outcome.pictures,
        "lost": outcome.lost,
    }
    for name, side in zip("ab", outcome.sides, strict=False):
        content[name] = _side(side, has_truth=outcome.has_truth)
    if len(outcome.sides) > 1:
        content["differences"] = [_difference(difference) for difference in outcome.differences]
    else:
        content["changes"] = [_change(change) for change in outcome.sides[0].changes]
    return content


def _side(side: ReplayedConfig, *, has_truth: bool) -> dict[str, Any]:
    tally = side.tally
    content = {
        "model": side.player.model,
        "changes": dict(sorted((verdict, count) for verdict, count in tally.changes.items() if count)),
        "alerts": len(tally.alerts),
        "classified": side.player.classified,
    }
    if has_truth:
        content["right"] = {"of": tally.right.total(), "right": tally.right[True]}
        content["right_changes"] = {"of": tally.right_changes.total(), "right": tally.right_changes[True]}
    return content


def _difference(difference: VerdictDifference) -> dict[str, Any]:
    return {
        "location": difference.location,
        "since": difference.since.isoformat(),
        "until": difference.until.isoformat() if difference.until else None,
        "pictures": difference.pictures,
        "a": vars(difference.a),
        "b": vars(difference.b),
    }


def _change(change: VerdictChange) -> dict[str, Any]:
    finding = change.finding
    return {
        "at": change.at.isoformat(),
        "location": finding.location,
        "verdict": finding.verdict.value,
        "previous": change.previous or None,
        "expected": finding.expected.sku if finding.expected else None,
        "seen": finding.seen.sku or finding.seen.name if finding.seen else None,
        "facing": finding.facing,
        "seen_at": list(finding.seen_at),
        "reason": finding.reason,
    }


def as_tables(outcome: ReplayOutcome) -> Iterator[Table | str]:
    """What a replay comes to, for people."""
    yield _differences(outcome) if len(outcome.sides) > 1 else _changes(outcome.sides[0].changes)
    contents = [_side(side, has_truth=outcome.has_truth) for side in outcome.sides]
    table = Table("", *"AB"[: len(outcome.sides)])
    table.add_row("model", *(content["model"] for content in contents))
    for verdict in sorted({verdict for content in contents for verdict in content["changes"]}):
        table.add_row(f"changes to {verdict}", *(str(content["changes"].get(verdict, 0)) for content in contents))
    table.add_row("alerts", *(str(content["alerts"]) for content in contents))
    table.add_row("crops classified", *(str(content["classified"]) for content in contents))
    if outcome.has_truth:
        for key, words in (("right", "right, of pictures x locations"), ("right_changes", "right, of the changes")):
            table.add_row(words, *(_share(**content[key]) for content in contents))
    yield table


def _share(of: int, right: int) -> str:
    return f"{right} of {of} ({100 * right / of:.1f} %)" if of else "0 of 0"


def _differences(outcome: ReplayOutcome) -> Table | str:
    if not outcome.differences:
        return "The verdicts of A and B don't differ."
    table = Table("location", "when", "pictures", "A", "B")
    for difference in outcome.differences:
        since = _clock(difference.since)
        until = _clock(difference.until) if difference.until else "the end"
        table.add_row(
            difference.location,
            f"{since} - {until}",
            str(difference.pictures),
            _verdict_text(difference.a),
            _verdict_text(difference.b),
            style="red" if difference.is_about_an_alert else "",
        )
    return table


def _changes(changes: Sequence[VerdictChange]) -> Table:
    keys = ("location", "verdict", "previous", "expected", "seen", "reason")
    contents = ((_clock(change.at), _change(change)) for change in changes)
    rows = ((when, *(content[key] or "" for key in keys)) for when, content in contents)
    return table_of(("when", "location", "verdict", "before", "expected", "seen", "reason"), rows)


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _verdict_text(stands: StandingVerdict) -> str:
    seen = f" ({stands.seen})" if stands.seen and stands.verdict not in {"match", "empty"} else ""
    reason = f": {stands.reason}" if stands.reason else ""
    return f"{stands.verdict}{seen}{reason}"
