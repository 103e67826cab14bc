"""Runs the project's commands, shows each, and keeps how long it took."""

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent


def run(*command: object) -> float:
    """Run one of the project's commands; its output is shown. Returns seconds; stops the script if it fails."""
    words = [str(word) for word in command]
    print("$", shlex.join(words), flush=True)
    began = time.monotonic()
    result = subprocess.run([str(BIN / words[0]), *words[1:]], check=False)
    if result.returncode:
        sys.exit(result.returncode)
    return time.monotonic() - began


def run_json(*command: object) -> Any:
    """Run one of the project's commands that prints JSON, and read it."""
    words = [str(word) for word in command]
    print("$", shlex.join(words), flush=True)
    result = subprocess.run([str(BIN / words[0]), *words[1:]], check=False, stdout=subprocess.PIPE)
    if result.returncode:
        sys.exit(result.returncode)
    return json.loads(result.stdout)


def percent(metric: dict[str, Any]) -> str:
    """A share with its 95 % Wilson interval and n."""
    return f"{100 * metric['value']:.1f} % ({100 * metric['low']:.1f} to {100 * metric['high']:.1f}, n = {metric['n']})"
