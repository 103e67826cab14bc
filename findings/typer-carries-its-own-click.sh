#!/bin/sh
# typer 0.29.2 beside click 8.5.1: a command line that catches click's errors, or looks for click's commands, misses typer's.
# Expected: typer builds on the installed click, as it did for years: its BadParameter is click's, its commands are click's.
# Observed: it carries a copy (typer._click); neither isinstance nor `except click.ClickException` matches.
# Why it matters: a wrapper that turns click's errors into one line and an exit code lets typer's pass as tracebacks.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check typer==0.29.2 click==8.5.1
"$folder/venv/bin/python" - <<'PY'
import sys
from importlib.metadata import version

import click
import typer
import typer.main

app = typer.Typer()


@app.command()
def count(number: int) -> None:
    print(number)


command = typer.main.get_command(app)
try:
    raise typer.BadParameter("not a number")
except click.ClickException:
    caught = True
except Exception:
    caught = False
found = (isinstance(command, click.Command), caught)
print(f"typer {version('typer')}, click {version('click')}")
print(f"a typer command is a click.Command: {found[0]}; click.ClickException catches typer.BadParameter: {found[1]}")
print(f"the command's class comes from {type(command).__mro__[1].__module__}")
sys.exit("changed: typer's classes are click's again" if any(found) else 0)
PY
