"""A line for whoever follows a command: it goes on when nobody does any more."""

import os
import subprocess
import sys
from pathlib import Path

from tests.patience import PATIENCE_S

WRITES = """
import sys
from pathlib import Path
from kardus.support.status_lines import write_status_line
for number in range(3):
    write_status_line({"number": number})
    sys.stdin.readline()
print("at work", file=sys.stderr)
"""


def test_lines_are_json() -> None:
    done = subprocess.run([sys.executable, "-c", WRITES], input="\n\n\n", capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ['{"number": 0}', '{"number": 1}', '{"number": 2}']


def test_a_reader_who_has_gone_ends_nothing() -> None:
    reads, writes = os.pipe()
    command = [sys.executable, "-c", WRITES]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=writes, stderr=subprocess.PIPE, text=True) as process:
        os.close(writes)
        assert os.read(reads, 100) == b'{"number": 0}\n'
        os.close(reads)
        _, said = process.communicate("\n\n\n", timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "at work" in said
    assert said.count("no more lines of JSON") == 1


def test_a_full_disk_ends_nothing() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        command = [sys.executable, "-c", WRITES]
        done = subprocess.run(command, input="\n\n\n", stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0
    assert "No space left on device" in done.stderr
