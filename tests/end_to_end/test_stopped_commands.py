"""Commands that make something, as processes: stopped at any moment, or on a disk that is full.

What they make is whole or isn't there, nothing else lies beside it, and one line says how to go on.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from simulator.demo.play import DEMO_BUNDLE
from tests.conftest import run_command
from tests.faults.disks import memory_disk
from tests.patience import PATIENCE_S
from tests.train.making import class_folders

BIN = Path(sys.executable).parent
MOMENTS = 8
"""Of each command and signal, spread over the time that it takes, at random within each part."""


@dataclass(frozen=True)
class Making:
    """A command that makes something."""

    words: tuple[str, ...]
    """With {run}, {photos}, {portable} and {out} for the places."""
    made: str
    """What it makes, in {out}."""
    room: str
    """A disk on which that has no room."""


MAKINGS = {
    "build": Making(("kardus-export", "build", "{run}", "--out", "{out}/x.bundle"), "x.bundle", "256k"),
    "build --form portable": Making(
        ("kardus-export", "build", "{run}", "--form", "portable", "--out", "{out}/x.bundle"), "x.bundle", "128k"
    ),
    "enroll": Making(
        ("kardus-export", "enroll", str(DEMO_BUNDLE), "{photos}", "--name", "new", "--out", "{out}/x.bundle"),
        "x.bundle",
        "512k",
    ),
    "retire": Making(
        ("kardus-export", "retire", str(DEMO_BUNDLE), "empty", "--out", "{out}/x.bundle"), "x.bundle", "512k"
    ),
    "convert": Making(("kardus-export", "convert", "{portable}", "--to", "openvino", "--out", "{out}/x"), "x", "64k"),
}


@pytest.fixture(scope="module")
def new_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one new product."""
    return min(class_folders(tmp_path_factory.mktemp("photos"), each=3).iterdir())


@pytest.fixture(scope="module")
def given(run_folder: Path, new_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What the commands take, by name."""
    portable = tmp_path_factory.mktemp("portable") / "p.bundle"
    run_command("kardus-export", "build", run_folder, "--form", "portable", "--out", portable)
    return {"run": run_folder, "photos": new_photos, "portable": portable}


def _filled(words: Sequence[str], given: Mapping[str, Path], out: Path) -> list[str]:
    named = [word.format(**given, out=out) if "{" in word else word for word in words]
    return [str(BIN / named[0]), *named[1:]]


def _environment() -> dict[str, str]:
    return {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("name", MAKINGS)
def test_stopped_at_any_moment_it_has_made_the_whole_or_nothing(
    tmp_path: Path, given: Mapping[str, Path], name: str, number: signal.Signals
) -> None:
    making, drawn = MAKINGS[name], random.Random(f"{name} {number}")
    began = time.monotonic()
    (tmp_path / "whole").mkdir()
    run_command(*_filled(making.words, given, tmp_path / "whole"))
    takes_s = time.monotonic() - began
    codes = set()
    for part in range(MOMENTS):
        out = tmp_path / str(part)
        out.mkdir()
        words = _filled(making.words, given, out)
        with subprocess.Popen(
            words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=_environment()
        ) as process:
            time.sleep(takes_s * (part + drawn.random()) / MOMENTS)  # the moment itself: nothing is awaited
            process.send_signal(number)
            _, said = process.communicate(timeout=PATIENCE_S)
        if "init_import_site" in said:
            continue  # Python itself was still starting
        codes.add(process.returncode)
        left = sorted(path.name for path in out.iterdir())
        assert process.returncode in (0, 128 + number, -number), said
        assert "Traceback" not in said
        assert left in ([], [making.made])
        if left and making.made.endswith(".bundle"):
            run_command("kardus-export", "verify", out / making.made)
        if process.returncode == 128 + number and said:  # while it loads it has nothing to say
            assert said.splitlines()[-1].startswith("interrupted: "), said
    assert codes & {128 + number, -number}, "no moment was within the command's work"


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.parametrize("name", MAKINGS)
def test_on_a_full_disk_nothing_half_written_stays(tmp_path: Path, given: Mapping[str, Path], name: str) -> None:
    making = MAKINGS[name]
    with memory_disk(tmp_path / "disk", making.room) as disk:
        words = _filled(making.words, given, disk)
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=_environment()
        )
        assert (done.returncode, [path.name for path in disk.iterdir()]) == (1, []), done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert "No space left on device" in last
