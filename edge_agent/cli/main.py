"""The `kardus-agent` command.

What other commands alone need is imported by them, so that `run` starts within seconds on a small computer.
"""

import json
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from edge_agent.agent import Agent
from edge_agent.cli.arguments import ConfigArgument
from edge_agent.config import load_config
from edge_agent.control.reload import FileWatch
from kardus import __version__
from kardus.support.console import err, new_app, print_json, print_result, table_of
from kardus.support.files import make_folder, write_whole
from kardus.support.lazy_commands import lazy_group
from kardus.support.logs import set_up
from kardus.support.memory import share_one_heap

STAY_S = 90.0
"""So long a newcomer at a terminal gets to look at the demo's page after the last fault."""


LAZY = {"slots": "edge_agent.cli.slots", "replay": "edge_agent.cli.replay", "simulate": "simulator.cli"}
app = new_app("Watch storage locations, and tell the WMS over MQTT what stands there.", lazy_group(LAZY))


@app.command("run")
def run_command(
    config: ConfigArgument,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log commands and changed files too.")] = False,
) -> None:
    """Watch until stopped (SIGTERM, Ctrl-C), or until every source has ended."""
    share_one_heap()
    settings = load_config(config)
    set_up(settings.health.log, verbose=verbose)
    agent = Agent(settings, config)
    signal.signal(signal.SIGHUP, lambda *_: agent.request_reload())
    watch = FileWatch(config, agent.request_reload)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop())
    watch.start()
    try:
        agent.run()
    finally:
        watch.stop()


@app.command("check")
def check_command(
    config: ConfigArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check everything that can be wrong before `run`: model, folders, cameras, corners, health page, broker.

    What `run` opens is opened in the same way, and nothing is changed. An agent of this configuration may be running.
    """
    from edge_agent.cli.check import check  # noqa: PLC0415 - see the module

    with err.status("Checking"):
        results = check(load_config(config))
    verdict = {True: Text("ok", "green"), False: Text("wrong", "red")}
    table = table_of(("checked", "", "found"), ((r.what, verdict[r.ok], r.found) for r in results))
    print_result([vars(result) for result in results], table, as_json=as_json)
    if not all(result.ok for result in results):
        raise typer.Exit(1)


@app.command("schema")
def schema_command(
    json_schemas_folder: Annotated[
        Path | None,
        typer.Option("--json-schemas", help="Write a JSON Schema of every message into this folder instead."),
    ] = None,
) -> None:
    """Print the contract, every topic and message, as an AsyncAPI 3 document (JSON)."""
    from kardus.contract.schema import asyncapi, json_schemas  # noqa: PLC0415 - see the module

    if json_schemas_folder is None:
        print_json(asyncapi(__version__))
        return
    make_folder("--json-schemas", json_schemas_folder)
    for name, schema in json_schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        write_whole(json_schemas_folder / name, text.encode())


@app.command("demo")
def demo_command(
    seed: Annotated[int, typer.Option(min=0, help="Which shelf is played.")] = 1,
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for pictures, messages and report.")] = Path(
        "demo-output"
    ),
    broker: Annotated[str, typer.Option(help="auto, mosquitto or embedded.")] = "auto",
    page: Annotated[bool, typer.Option(help="Serve the page meanwhile, and print its address.")] = True,
    stay: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Seconds for which the shelf stands at the end, for who looks at the page; by "
            "default 90 at a terminal, else 0.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Play a shelf with every kind of fault: broker, WMS side, simulated camera and agent, for about half a minute.

    Exit code 0 only if every fault was reported at its location, and nothing else was.
    """
    from simulator.demo.play import play_demo  # noqa: PLC0415 - see the module

    stay_s = stay if stay is not None else STAY_S if sys.stdout.isatty() else 0.0
    if not play_demo(seed, out_dir, broker, stay_s, has_page=page):
        raise typer.Exit(1)
