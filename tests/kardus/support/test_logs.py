"""What a log says without being asked for more: trouble, and that it is over."""

import subprocess
import sys

import pytest

SAID = """
import logging, sys
from kardus.support.logs import set_up
set_up("text", verbose=sys.argv[1] == "verbose")
for name in ("kardus.mqtt", "kardus.agent", "kardus.commands"):
    logging.getLogger(name).info("back: %s", name)
"""


@pytest.mark.parametrize(("how", "also"), [("plain", False), ("verbose", True)])
def test_connections_and_cameras_are_logged_as_they_come_back(how: str, *, also: bool) -> None:
    said = subprocess.run([sys.executable, "-c", SAID, how], capture_output=True, text=True, check=True).stderr
    assert "INFO kardus.mqtt: back: kardus.mqtt\n" in said
    assert "INFO kardus.agent: back: kardus.agent\n" in said
    assert ("kardus.commands" in said) is also
