"""A real agent process for the tests, with a configuration of its own."""

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from simulator.pictures import DrawnPictures, generator
from simulator.scene import Rack
from simulator.script import Script
from simulator.shelf import Shelf
from tests.patience import PATIENCE_S

SITE = "tests"
LOCATIONS = tuple(slot.location for slot in Rack().slots())


def write_config(
    folder: Path, port: int, bundle: Path, key: str, source: str, *, interval_s: float = 0.0, extra: str = ""
) -> Path:
    """Write a configuration for one camera on a rack of 15 locations; `source` is the inside of its source table."""
    from simulator.recording import camera_toml

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "agent.toml"
    path.write_text(
        f'[agent]\nsite = "{SITE}"\nname = "box"\ndata_dir = "data"\n'
        f'[model]\nbundle = "{bundle}"\ntrust = ["{key}"]\n'
        f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\nkeepalive_s = 20\n{extra}\n'
        + camera_toml(Rack(), source, interval_s=interval_s)
    )
    return path


def still_frames(folder: Path, stocks: list[dict[str, str | None]], each: int) -> None:
    """Write `each` frames of the rack for every stock given (class by location; None is empty)."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 0
    for index, stock in enumerate(stocks):
        full = {location: stock.get(location) for location in LOCATIONS}
        shelf = Shelf(Rack(), DrawnPictures(), Script(5, each, full, {}, ()))
        for frame in range(each):
            Image.fromarray(shelf.frame(frame)).save(folder / f"{number:04d}-{index}.jpg", quality=92)
            number += 1


def drawn_stock(seed: int, empty: tuple[str, ...] = ()) -> dict[str, str | None]:
    """A class for every location."""
    rng = generator(seed, "tests")
    names = [stock.name for stock in DrawnPictures().stock()]
    return {loc: None if loc in empty else names[int(rng.integers(len(names)))] for loc in LOCATIONS}


def skus() -> dict[str, str]:
    """The SKU of each drawn class."""
    return {stock.name: stock.sku for stock in DrawnPictures().stock()}


def grey_frame(path: Path) -> None:
    """Write a 1920 x 1080 picture with nothing on it."""
    Image.fromarray(np.full((1080, 1920, 3), 90, dtype=np.uint8)).save(path)


STARTED: list[subprocess.Popen[str]] = []
"""Every agent process of the present test: what a failing test leaves is killed after it (see conftest)."""


@dataclass
class AgentProcess:
    """`kardus-agent run` in a process of its own."""

    config: Path
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Run it."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge_agent", "run", str(self.config), "--verbose"],
            stderr=subprocess.PIPE,
            text=True,
        )
        STARTED.append(self.process)

    def finish(self, timeout_s: float = 5 * PATIENCE_S) -> tuple[int, str]:
        """Wait for its end: exit code and what it logged."""
        assert self.process
        _, complaint = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, complaint

    def kill(self) -> None:
        """Kill it as a power cut would."""
        self._signal(signal.SIGKILL)
        self.finish()

    def terminate(self) -> tuple[int, str]:
        """Ask it to end, as a service manager does."""
        self._signal(signal.SIGTERM)
        return self.finish()

    def _signal(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)
