"""The `kardus-agent replay` command."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import track

from edge_agent.config import Config, load_config
from edge_agent.models.load import load_model
from edge_agent.replay.player import Player
from edge_agent.replay.recorded import (
    PlayableRecording,
    ReplayedInput,
    UntimedPictures,
    open_parts,
    open_untimed,
    parts_in,
)
from edge_agent.replay.report import as_content, as_tables, how_long
from edge_agent.replay.session import read_truth, replay
from kardus.support.console import err, print_result
from kardus.support.errors import DataError, UsageError
from kardus.support.spelling import composed
from kardus.support.tabular.tables import EMPTY, read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def replay_command(
    recording: Annotated[
        Path, typer.Argument(help="A recording of an agent or of a simulated shelf, a folder of pictures, or a video.")
    ],
    config: Annotated[Path, typer.Option("--config", help="The configuration to try (A).")],
    against: Annotated[Path | None, typer.Option("--against", help="Another configuration (B), to compare.")] = None,
    camera: Annotated[
        str | None, typer.Option(help="Of plain pictures: whose they are; by default A's only camera.")
    ] = None,
    interval: Annotated[
        float | None, typer.Option(min=0.001, help="Of plain pictures: seconds from one to the next [default: 1].")
    ] = None,
    every: Annotated[int | None, typer.Option(min=1, help="Of plain pictures: take every n-th [default: 1].")] = None,
    expected: Annotated[
        Path | None,
        typer.Option(help="Of plain pictures: the expected stock, .csv or .xlsx with location,sku (EMPTY: nothing)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Let a recording go through the agent's line again, as fast as the machine can: what would it have decided?

    Without --against: every change of verdict. With it: where the verdicts of A and B differ, and what each comes to;
    where the truth stands beside the recording (a simulated shelf), also how often each was right. The same recording
    and configurations give the same output to the byte; the time it took goes to the standard error.

    Exit code 0: it was played, whether or not A and B differ; 1: the recording, a model or a picture can't be used;
    2: a configuration or an option is wrong.
    """
    configs = [load_config(path) for path in (config, against) if path]
    given = {"--camera": camera, "--interval": interval, "--every": every, "--expected": expected}
    recorded = _open(recording, configs[0], given)
    outcome = replay(recorded, _players(configs, recorded), read_truth(recording), lambda m: _shown(m, recorded.count))
    for line in how_long(outcome):
        err.print(line, soft_wrap=True)
    print_result(as_content(outcome), *as_tables(outcome), as_json=as_json)


def _open(recording: Path, config: Config, given: dict[str, Any]) -> PlayableRecording:
    parts = parts_in(recording)
    if parts:
        wrong = next((option for option, value in given.items() if value is not None), None)
        if wrong:
            raise UsageError(f"{wrong}: {recording} says that itself: leave it out")
        return open_parts(parts)
    names = [camera.name for camera in config.cameras]
    if given["--camera"] is None and len(names) > 1:
        raise UsageError(f"--camera: whose pictures are these? One of {', '.join(names)}")
    untimed = UntimedPictures(
        composed(given["--camera"] or names[0]),
        given["--interval"] or 1.0,
        given["--every"] or 1,
        _expected_in(given["--expected"]) if given["--expected"] else {},
    )
    return open_untimed(recording, untimed)


def _expected_in(path: Path) -> dict[str, str | None]:
    """The SKU of every location that a table lists; None: it must be empty."""
    expected: dict[str, str | None] = {}
    for row in read_table(path, required=("location", "sku")):
        location = composed(row.values["location"])
        if not location or location in expected:
            raise DataError(f"{path}: line {row.line}: location '{location}': name every location once")
        sku = row.values["sku"]
        if not sku:
            raise DataError(f"{path}: line {row.line}: no sku: write {EMPTY} where nothing must stand")
        expected[location] = None if sku.upper() == EMPTY else sku
    return expected


def _players(configs: list[Config], recorded: PlayableRecording) -> list[Player]:
    with err.status("Loading"):
        models = {config.model: load_model(config.model) for config in configs if config.model}
        if any(config.model is None for config in configs):
            raise UsageError("a replay judges: its configurations need a [model]")
        return [Player(config, recorded.cameras, models[config.model]) for config in configs if config.model]


def _shown(moments: Iterator[ReplayedInput], count: int | None) -> Iterable[ReplayedInput]:
    return track(moments, "Replaying", total=count, console=err, transient=True, disable=not err.is_terminal)
