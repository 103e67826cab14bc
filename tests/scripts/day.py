"""A day of frames through a running agent, and what it holds meanwhile.

    python -m tests.scripts.day [FRAMES] [--json FILE]

FRAMES pictures (640 x 360, 24 locations) stand for a day: in each of its 24 hours other stock is missing than before,
and in the last twentieth of each the light is off. A real agent in a process of its own plays them from a folder, as
fast as the machine can, with outbox, evidence and delivery to a real Mosquitto; its resident memory and its open files
are read from /proc meanwhile. What comes by the clock (a state told again, a refresh, evidence that is too old) comes
as seldom as the run is short.

After the warm-up, the first WARM_UP of the frames, memory is averaged over BLOCKS stretches, and a line is laid through
them: its slope, times the frames, is the growth, with its 95 % interval.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from kardus.mqtt.settings import BrokerSettings
from simulator.demo.broker import free_port, run_broker
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from simulator.pictures import DrawnPictures, generator
from simulator.recording import camera_toml
from simulator.scene import Rack
from simulator.script import Change, ChangeKind, Script
from simulator.shelf import Shelf
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

SITE = "day"
DAY = 8_640
"""One look in 10 seconds for 24 hours."""
HOURS = 24
STOCKS, NOISES = 4, 8
"""The stock repeats itself after so many hours, and a picture's noise after so many pictures."""
DARK_SHARE = 0.05
WARM_UP = 0.25
BLOCKS = 15
T95 = 2.160
"""Student's t for BLOCKS - 2 degrees of freedom, 95 %."""
SAMPLE_S = 0.25
QUICKEST_FRAME_S = 0.002
"""No machine deals with a frame sooner: a short day is sampled so often that every stretch of it has samples."""
RACK = Rack(levels=4, positions=6, width_px=640, height_px=360)


@dataclass(frozen=True)
class Sample:
    """What the agent holds at a moment."""

    frames: int
    """How many pictures it has taken."""
    resident_kb: int
    files: int


@dataclass(frozen=True)
class Growth:
    """What came of a day."""

    frames: int
    samples: int
    seconds: float
    first_mb: float
    """Resident memory in the first stretch after the warm-up ..."""
    last_mb: float
    """... and in the last."""
    growth_mb: float
    """Per day, by the slope."""
    low_mb: float
    high_mb: float
    first_files: int
    """The fewest open files in the first stretch: what is open for a moment only is not counted ..."""
    last_files: int
    """... and in the last."""
    most_files: int
    """In any moment that was looked at."""


def play_day(frames: int, folder: Path) -> tuple[list[Sample], float]:
    """Run the agent over so many pictures; what it held, and how many seconds it took."""
    _draw(folder / "frames", frames)
    port = free_port()
    with run_broker("mosquitto") as broker:
        stock = [StockLine(location, sku) for location, sku in expected_stock().items()]
        publish_stock(BrokerSettings("127.0.0.1", broker.port), SITE, stock, replace=False)
        config = folder / "agent.toml"
        config.write_text(_config(folder, broker.port, port), encoding="utf-8")
        began = time.monotonic()
        with (folder / "agent.log").open("w", encoding="utf-8") as log:
            agent = subprocess.Popen([sys.executable, "-m", "edge_agent", "run", str(config)], stderr=log)
            try:
                samples = _samples(agent, port, min(SAMPLE_S, frames * QUICKEST_FRAME_S / (4 * BLOCKS)))
            finally:
                agent.terminate()
                code = agent.wait(30)
    if code:
        sys.exit(f"the agent stopped with exit code {code}: {(folder / 'agent.log').read_text()}")
    return samples, time.monotonic() - began


def growth_of(samples: Sequence[Sample], frames: int, seconds: float) -> Growth:
    """Memory and open files after the warm-up.

    Raises:
        ValueError: there are fewer samples than stretches.
    """
    steady = [sample for sample in samples if sample.frames >= WARM_UP * frames]
    if len(steady) < BLOCKS:
        raise ValueError(f"{len(steady)} samples after the warm-up, of at least {BLOCKS}: play more frames")
    blocks = np.array_split(np.arange(len(steady)), BLOCKS)
    at = np.array([np.mean([steady[i].frames for i in block]) for block in blocks])
    mb = np.array([np.mean([steady[i].resident_kb for i in block]) for block in blocks]) / 1024
    slope, error = _line_through(at, mb)
    files = [min(steady[i].files for i in block) for block in blocks]
    most = max(sample.files for sample in steady)
    low, growth, high = (frames * (slope + side * T95 * error) for side in (-1, 0, 1))
    first, last = (round(float(value), 2) for value in (mb[0], mb[-1]))
    return Growth(frames, len(samples), seconds, first, last, growth, low, high, files[0], files[-1], most)


def _line_through(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The slope of the least-squares line, and its standard error."""
    middle = x - x.mean()
    slope = float((middle * (y - y.mean())).sum() / (middle**2).sum())
    rest = y - y.mean() - slope * middle
    return slope, float(np.sqrt((rest**2).sum() / (len(x) - 2) / (middle**2).sum()))


def _samples(agent: subprocess.Popen[bytes], port: int, pause_s: float) -> list[Sample]:
    samples = []
    while agent.poll() is None:
        try:
            frames = frames_taken(port)
            status = Path(f"/proc/{agent.pid}/status").read_text(encoding="utf-8")
            files = len(list(Path(f"/proc/{agent.pid}/fd").iterdir()))
        except OSError:
            pass  # it has not begun yet, or has just ended
        else:
            resident = re.search(r"VmRSS:\s+(\d+) kB", status)
            if frames and resident:
                samples.append(Sample(frames, int(resident[1]), files))
        time.sleep(pause_s)
    return samples


def frames_taken(port: int) -> int:
    """How many pictures the agent has looked at, by its page."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    found = re.search(r'^kardus_frames_total\{camera="rack"\} (\S+)$', text, re.MULTILINE)
    return int(float(found[1])) if found else 0


def expected_stock() -> dict[str, str | None]:
    """What the WMS expects at each location of `RACK`."""
    skus = {stock.name: stock.sku for stock in DrawnPictures().stock()}
    return {location: skus[name] for location, name in _stock().items()}


def _stock() -> dict[str, str]:
    rng = generator(3, "day")
    names = [stock.name for stock in DrawnPictures().stock()]
    return {slot.location: str(rng.choice(names)) for slot in RACK.slots()}


def picture_name(hour: int, number: int, *, is_dark: bool) -> str:
    """Of `draw_pictures`: what an hour's frame of this number shows."""
    return f"{hour % STOCKS}-{is_dark:d}-{number % NOISES}.jpg"


def draw_pictures(own: Path) -> None:
    """Each picture that a day has, once, into a new folder."""
    own.mkdir(parents=True)
    locations = list(_stock())
    for state in range(STOCKS):
        gone = [Change(0, ChangeKind.REMOVE, location) for location in locations[2 * state : 3 * state]]
        for dark in (False, True):
            night = [Change(0, ChangeKind.DARK, lasts=NOISES)] if dark else []
            script = Script(3, NOISES, dict(_stock()), expected_stock(), (*gone, *night))
            shelf = Shelf(RACK, DrawnPictures(), script)
            for noise in range(NOISES):
                Image.fromarray(shelf.frame(noise)).save(own / picture_name(state, noise, is_dark=dark), quality=90)


def _draw(folder: Path, frames: int) -> None:
    """Each picture once, and a link for each frame of the day."""
    own = folder.with_name("pictures")
    draw_pictures(own)
    folder.mkdir()
    for number in range(frames):
        hour, within = divmod(number * HOURS / frames, 1)
        name = picture_name(int(hour), number, is_dark=within >= 1 - DARK_SHARE)
        (folder / f"{number:06d}.jpg").symlink_to(own / name)


def _config(folder: Path, broker: int, health: int) -> str:
    return (
        f'[agent]\nsite = "{SITE}"\nname = "box"\ndata_dir = "data"\n'
        f'[model]\nbundle = "{DEMO_BUNDLE}"\ntrust = ["{DEMO_KEY.read_text(encoding="utf-8").strip()}"]\n'
        f'[mqtt]\nhost = "127.0.0.1"\nport = {broker}\n[health]\nport = {health}\n\n'
        + camera_toml(RACK, f'type = "folder", path = "{folder / "frames"}"')
    )


def main() -> None:
    """Play a day and print what the agent held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frames", type=int, nargs="?", default=DAY)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        samples, seconds = play_day(asked.frames, Path(folder))
    growth = growth_of(samples, asked.frames, seconds)
    if asked.json:
        rows = [asdict(sample) for sample in samples]
        asked.json.write_text(json.dumps({"growth": asdict(growth), "samples": rows}) + "\n", encoding="utf-8")
    print(f"{growth.frames} frames in {growth.seconds:.0f} s, {growth.samples} samples")
    print(f"resident memory after the warm-up: {growth.first_mb:.1f} MB, at the end {growth.last_mb:.1f} MB")
    print(f"growth in these frames: {growth.growth_mb:+.2f} MB ({growth.low_mb:+.2f} to {growth.high_mb:+.2f})")
    files = f"{growth.first_files} after the warm-up, {growth.last_files} at the end, {growth.most_files} at most"
    print(f"open files: {files}")


if __name__ == "__main__":
    main()
