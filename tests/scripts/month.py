"""What agent and receiver hold over a month of a box's life: python -m tests.scripts.month FOLDER [--days N].

A day is what happens in it, and not its 24 hours: each of 24 "hours" has LOOKS pictures (640 x 360, 24 locations) in
which other stock is missing than before, so that events, states and evidence come of it; one of them is dark, the
broker is killed and comes back twice, the configuration is read again once (SIGHUP, with another interval), and at its
end the calendar of both processes jumps by a day (Debian's `faketime`; their monotonic clocks go on), so that coverage
is told. The receiver distrusts a calendar that jumps, and throws nothing away. What comes after so many seconds of a
monotonic clock (a refresh, a state told again) comes as seldom as the run is short.

The agent (`kardus-agent run`, the demo's model) and `kardus-wms receive` (SQLite) are processes of their own; resident
memory and open files are read from /proc at the end of each hour, and averaged over the day. FOLDER keeps both
programs' data and what was measured: a run that was broken off is gone on with, in processes that begin anew. Through
the days after the first WARM_UP of each life a line is laid, with a level of its own for each life: its slope is the
growth a day, with its 95 % interval (Student's t). Exit code 1: a program surely grows, by its whole interval.
"""

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from kardus.mqtt.settings import BrokerSettings
from simulator.demo.broker import free_port
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from simulator.recording import camera_toml
from tests.brokers import Mosquitto
from tests.scripts.day import HOURS, RACK, SITE, draw_pictures, expected_stock, frames_taken, picture_name
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

DAYS, LOOKS, WARM_UP = 30, 8, 5
DARK_HOUR, RELOAD_HOUR, LOST_HOURS = 3, 12, (8, 16)
INTERVALS_S = (0.02, 0.03)
PATIENCE_S = 120.0
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


@dataclass(frozen=True)
class Day:
    """What a program held in a day."""

    life: int
    """Which process of it, from 0 on."""
    day: int
    looks: int
    """Of the agent in this life, until the day's end."""
    events: int
    """Stored by the receiver in all lives, until then."""
    agent_mb: float
    receiver_mb: float
    agent_files: int
    receiver_files: int


@dataclass
class Box:
    """Both programs, and what they stand on."""

    folder: Path
    broker: Mosquitto
    page: int
    agent: subprocess.Popen[bytes]
    receiver: subprocess.Popen[bytes]

    def live_day(self, life: int, day: int) -> Day:
        """A day, and what was held in it."""
        held = []
        for hour in range(HOURS):
            if hour in LOST_HOURS:
                self.broker.kill()
            self._look(hour)
            if hour in LOST_HOURS:
                self.broker.start()
            if hour == RELOAD_HOUR:
                write_config(self.folder, self.broker.port, self.page, INTERVALS_S[day % 2])
                self.agent.send_signal(signal.SIGHUP)
            held.append([*_held(self.agent), *_held(self.receiver)])
        set_calendar(self.folder, day + 1)
        agent_kb, agent_files, receiver_kb, receiver_files = np.mean(held, axis=0)
        looks, events = frames_taken(self.page), events_of(self.folder)
        own_mb = agent_kb / 1024, receiver_kb / 1024
        return Day(life, day, looks, events, *own_mb, round(agent_files), round(receiver_files))

    def _look(self, hour: int) -> None:
        """As many looks as an hour has."""
        first, picture = frames_taken(self.page), self.folder / "camera.jpg"
        deadline, shown = time.monotonic() + PATIENCE_S, -1
        while (number := frames_taken(self.page) - first) < LOOKS:
            if time.monotonic() > deadline or self.agent.poll() is not None or self.receiver.poll() is not None:
                raise RuntimeError(f"{number} looks in an hour: see the logs in {self.folder}")
            if number != shown:
                shown, beside = number, picture.with_suffix(".part")
                name = picture_name(hour, number, is_dark=hour == DARK_HOUR)
                beside.write_bytes((self.folder / "pictures" / name).read_bytes())
                beside.replace(picture)
            time.sleep(INTERVALS_S[0] / 2)


def write_config(folder: Path, broker: int, page: int, interval_s: float) -> Path:
    """The agent's configuration."""
    path = folder / "agent.toml"
    path.write_text(
        f'[agent]\nsite = "{SITE}"\nname = "box"\ndata_dir = "data"\n'
        f'[model]\nbundle = "{DEMO_BUNDLE.resolve()}"\ntrust = ["{DEMO_KEY.read_text(encoding="utf-8").strip()}"]\n'
        f'threads = 1\n[mqtt]\nhost = "127.0.0.1"\nport = {broker}\n[health]\nport = {page}\n\n'
        + camera_toml(RACK, f'type = "file", path = "{folder / "camera.jpg"}"', interval_s=interval_s),
        encoding="utf-8",
    )
    return path


def set_calendar(folder: Path, day: int) -> None:
    """Both programs read the calendar so many days ahead."""
    beside = folder / "calendar.part"
    beside.write_text(f"+{day}d\n")
    beside.replace(folder / "calendar")


def events_of(folder: Path) -> int:
    """How many events the receiver has stored, in all days: the last one's number."""
    with sqlite3.connect(f"file:{folder / 'received.sqlite'}?mode=ro", uri=True) as database:
        return int(database.execute("SELECT coalesce(max(sequence), 0) FROM events").fetchone()[0])


def _held(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Resident memory in KB, and open files."""
    proc = Path(f"/proc/{process.pid}")
    pages = int((proc / "statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024, len(list((proc / "fd").iterdir()))


@contextmanager
def running(folder: Path, day: int) -> Iterator[Box]:
    """Both programs and a broker, from this day on."""
    if FAKETIME is None:
        sys.exit("no libfaketime: apt-get install faketime")
    if not (folder / "pictures").exists():
        draw_pictures(folder / "pictures")
    set_calendar(folder, day)
    ahead = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(folder / "calendar")}
    environment = os.environ | ahead | {"FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1"}
    (folder / "camera.jpg").write_bytes((folder / "pictures" / picture_name(0, 0, is_dark=False)).read_bytes())
    broker, page = Mosquitto(folder / "mosquitto"), free_port()
    broker.start()
    receive = ["receive", "--site", SITE, "--host", "127.0.0.1", "--port", str(broker.port)]
    receive += ["--sqlite", str(folder / "received.sqlite"), "--keep-days", "7"]
    config = write_config(folder, broker.port, page, INTERVALS_S[day % 2])
    with ExitStack() as ends:
        ends.callback(broker.kill)
        stock = [StockLine(location, sku) for location, sku in expected_stock().items()]
        publish_stock(BrokerSettings("127.0.0.1", broker.port), SITE, stock, replace=False)
        started = []
        for name, words in (("warehouse", receive), ("edge_agent", ["run", str(config)])):
            log = ends.enter_context((folder / f"{name}.log").open("ab"))
            process = subprocess.Popen([sys.executable, "-m", name, *words], stderr=log, stdout=log, env=environment)
            ends.callback(process.wait)
            ends.callback(process.terminate)
            started.append(process)
        box = Box(folder, broker, page, started[1], started[0])
        _wait_until_at_work(box)
        yield box


def _wait_until_at_work(box: Box) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if frames_taken(box.page) and events_of(box.folder) >= 0:
                return
        except (OSError, sqlite3.Error):
            time.sleep(0.2)  # neither page nor database is there yet
    raise TimeoutError(f"agent or receiver doesn't begin: see the logs in {box.folder}")


def growth_a_day(days: Sequence[Day], values: Sequence[float]) -> tuple[float, float, float]:
    """The slope of values over days, after each life's warm-up, and its 95 % interval.

    Raises:
        ValueError: there are too few days.
    """
    first = {life: min(day.day for day in days if day.life == life) for life in {day.life for day in days}}
    kept = [number for number, day in enumerate(days) if day.day - first[day.life] >= WARM_UP]
    lives = np.array([days[number].life for number in kept])
    freedom = len(kept) - len(set(lives.tolist())) - 1
    if freedom < 1:
        raise ValueError(f"{len(kept)} days after the warm-up of {WARM_UP} in each life: too few for a line")
    x, y = np.array([days[number].day for number in kept], float), np.array([values[number] for number in kept])
    for life in set(lives.tolist()):
        own = lives == life
        x[own], y[own] = x[own] - x[own].mean(), y[own] - y[own].mean()
    slope = float(x @ y / (x @ x))
    error = float(np.sqrt(np.square(y - slope * x).sum() / freedom / (x @ x)))
    away = float(stats.t.ppf(0.975, freedom)) * error
    return slope, slope - away, slope + away


def main(arguments: list[str]) -> int:
    """Live the days that are missing, and print what was held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=DAYS)
    options = parser.parse_args(arguments)
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    rows = folder / "days.jsonl"
    days = [Day(**json.loads(line)) for line in rows.read_text().splitlines()] if rows.exists() else []
    if len(days) < options.days:
        life = days[-1].life + 1 if days else 0
        with running(folder, len(days)) as box:
            while len(days) < options.days:
                days.append(box.live_day(life, len(days)))
                with rows.open("a") as out:
                    out.write(json.dumps(asdict(days[-1])) + "\n")
    try:
        growing = _told(days)
    except ValueError as error:
        sys.exit(str(error))
    return int(bool(growing))


def _told(days: Sequence[Day]) -> list[str]:
    """Print what was held; which programs surely grow."""
    last = [day for number, day in enumerate(days) if number + 1 == len(days) or days[number + 1].life != day.life]
    looks, events = sum(day.looks for day in last), days[-1].events
    print(f"{len(days)} days, {len(last)} lives, {looks} looks; {events} events were stored")
    growing = []
    for name in ("agent", "receiver"):
        held = [float(getattr(day, f"{name}_mb")) for day in days]
        files = [int(getattr(day, f"{name}_files")) for day in days]
        slope, low, high = growth_a_day(days, held)
        print(f"{name}, first and last day: {held[0]:.1f}, {held[-1]:.1f} MB; open files {files[0]}, {files[-1]}")
        print(f"  growth a day: {slope:+.3f} MB ({low:+.3f} to {high:+.3f}){': it surely grows' if low > 0 else ''}")
        growing += [name] if low > 0 else []
    return growing


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
