"""What several commands take."""

from pathlib import Path
from typing import Annotated

import typer

ConfigArgument = Annotated[Path, typer.Argument(help="The agent's configuration file (TOML).")]
