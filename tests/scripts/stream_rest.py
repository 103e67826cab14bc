"""What is told late of a stream at rest: python -m tests.scripts.stream_rest FOLDER [--changes N] [--only X].

A drawn rack of 12 locations at 15 frames/s, 960 x 540, is coded live in the ways of `STREAMS` and served over RTSP
(GStreamer). Two agents (`kardus-agent run`, the demo's model, a look a second) watch the same stream: one decodes every
frame, one as `decode = "auto"` does. Once the other's stream has rested for a second and up to three more, a carton is
taken away or put back; a stream that doesn't come to rest in `RESTS_WITHIN_S` is changed all the same, and counted
apart. Of each change that the first agent tells it is counted whether the other tells it, and how much later. FOLDER
keeps what came of each stream: what is done there isn't played again. `--changes` is for each stream, `--ways` how many
streams play beside each other. Exit code 1 where a change was missed or told more than 2 s later.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path

import av

from kardus.contract.messages import Envelope, LocationEvent
from kardus.contract.topics import agents_filter
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from simulator.demo.broker import free_port
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from simulator.pictures import DrawnPictures, generator
from simulator.recording import camera_toml
from simulator.scene import Rack
from simulator.script import Change, ChangeKind, Script
from simulator.shelf import Shelf
from tests.brokers import Mosquitto
from tests.cameras import RtspCamera
from tests.scripts.steps import BIN, percent
from train.evaluation.metrics import proportion
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

SITE, RATE, LATE_S = "rest", 15, 2.0
PICTURES = 20
"""Of each state of the rack, with other noise each; they are shown again and again."""
RESTS_FOR_S, RESTS_WITHIN_S, TOLD_WITHIN_S, PATIENCE_S = 1.0, 120.0, 40.0, 120.0
QUICK = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "sliced-threads=0"}
AT_ONCE = {"live": "1", "cluster_time_limit": "20", "flush_packets": "1"}
"""Matroska that is written frame by frame."""


@dataclass(frozen=True)
class Kept:
    """How a stream is coded."""

    codec: str
    options: dict[str, str]
    key_every_s: float
    bits_a_second: int = 0

    @property
    def kind(self) -> str:
        """As GStreamer names it."""
        return "h265" if self.codec == "libx265" else "h264"


STREAMS = {
    "h264-1s": Kept("libx264", QUICK | {"crf": "24"}, 1.0),
    "h264-4s": Kept("libx264", QUICK | {"crf": "26"}, 4.0),
    "h264-b": Kept("libx264", {"preset": "superfast", "crf": "26", "bf": "2"}, 2.0),
    "h264-held": Kept("libx264", QUICK | {"maxrate": "1500k", "bufsize": "750k"}, 2.0, 1_500_000),
    "h265-4s": Kept(
        "libx265", {"preset": "ultrafast", "tune": "zerolatency", "crf": "26", "x265-params": "log-level=none"}, 4.0
    ),
}


@dataclass(frozen=True)
class Made:
    """What came of one change."""

    location: str
    rested: bool
    """Whether the stream rested when it was made."""
    every_s: float | None
    """Until it was told by the agent that decodes every frame; None: it wasn't."""
    auto_s: float | None
    """The same of the other."""


@dataclass
class Played:
    """What came of a stream."""

    made: list[Made] = field(default_factory=list)
    spent_s: tuple[float, float] = (0.0, 0.0)
    """Processor time of both agents with their decoders, the one of every frame first."""
    rested: float = 0.0
    """In which share of the time the stream rested (`kardus_camera_stream_rests`)."""


class LiveStream:
    """A rack that is coded as it is shown, from when somebody reads it on."""

    def __init__(self, path: Path, kept: Kept, shelf: Shelf) -> None:
        """Code into this pipe."""
        self._path, self._kept, self._shelf = path, kept, shelf
        self._frames = self.state(0)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        os.mkfifo(path)
        self._thread.start()

    def state(self, number: int) -> list[av.VideoFrame]:
        """Pictures of the rack after so many changes."""
        each = (self._shelf.frame(number * PICTURES + picture) for picture in range(PICTURES))
        return [av.VideoFrame.from_ndarray(frame, "rgb24").reformat(format="yuv420p") for frame in each]

    def show(self, frames: list[av.VideoFrame]) -> None:
        """From the next frame on."""
        self._frames = frames

    def stop(self) -> None:
        """Show nothing more."""
        self._stopping.set()
        self._thread.join(PATIENCE_S)

    def _write(self) -> None:
        kept = self._kept
        # Opened here: PyAV would hold the interpreter until somebody reads.
        with self._path.open("wb", 0) as pipe, av.open(pipe, "w", format="matroska", options=AT_ONCE) as out:
            video = out.add_stream(kept.codec, rate=RATE, options=kept.options)
            if not isinstance(video, av.VideoStream):
                raise TypeError(kept.codec)
            size = self._shelf.rack
            video.width, video.height, video.pix_fmt = size.width_px, size.height_px, "yuv420p"
            video.gop_size = round(kept.key_every_s * RATE)
            if kept.bits_a_second:
                video.bit_rate = kept.bits_a_second
            began_s = time.monotonic()
            for number in itertools.count():
                if self._stopping.wait(max(0.0, began_s + number / RATE - time.monotonic())):
                    return
                frame = self._frames[number * 7 % PICTURES]
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                out.mux(video.encode(frame))


class Told:
    """What both agents say, as it comes."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._changed = threading.Condition()
        self._rows: dict[tuple[str, str, str], float] = {}

    def take(self, topic: str, payload: bytes) -> None:
        """A message has come."""
        if payload and topic.endswith("/events"):
            event = Envelope[LocationEvent].model_validate_json(payload).data
            which = "every" if "/agents/every/" in topic else "auto"
            with self._changed:
                self._rows[which, event.location, event.verdict.value] = time.monotonic()
                self._changed.notify_all()

    def await_all(self, wanted: Mapping[str, str], since_s: float, within_s: float) -> dict[str, float]:
        """By agent, when it had told the last of these verdicts, by location, since then; without one that hasn't."""

        def found() -> dict[str, float]:
            rows = {
                which: [self._rows.get((which, *one), 0.0) for one in wanted.items()] for which in ("every", "auto")
            }
            return {which: max(times) for which, times in rows.items() if min(times) > since_s}

        with self._changed:
            self._changed.wait_for(lambda: len(found()) == 2, within_s)
            return found()


def shelf_of(changes: int) -> Shelf:
    """A rack on which a carton goes or comes every `PICTURES` frames."""
    rack = Rack(3, 4, width_px=960, height_px=540)
    names = [slot.location for slot in rack.slots()]
    rng, stock = generator(11, "rest"), DrawnPictures().stock()
    first = {name: stock[int(rng.integers(len(stock)))] for name in names}
    script = []
    for number in range(changes):
        location, is_back = names[(5 * number) % len(names)], number // len(names) % 2 == 1
        kind, name = (ChangeKind.PLACE, first[location].name) if is_back else (ChangeKind.REMOVE, "")
        script.append(Change((number + 1) * PICTURES, kind, location, name=name))
    expected: dict[str, str | None] = {name: first[name].sku for name in names}
    shown: dict[str, str | None] = {name: one.name for name, one in first.items()}
    return Shelf(rack, DrawnPictures(), Script(11, (changes + 1) * PICTURES, shown, expected, tuple(script)))


def play(name: str, folder: Path, changes: int) -> Played:
    """Play one stream to both agents."""
    shelf, kept, work = shelf_of(changes), STREAMS[name], folder / f"work-{name}-{time.time_ns()}"
    work.mkdir()
    told, broker, stream = Told(), Mosquitto(work / "mosquitto"), LiveStream(work / "live.mkv", kept, shelf)
    broker.start()
    pages = {"all": free_port(), "auto": free_port()}
    try:
        lines = [StockLine(location, sku) for location, sku in shelf.script.expected.items()]
        publish_stock(BrokerSettings("127.0.0.1", broker.port), SITE, lines, replace=False)
        with RtspCamera(f"{kept.kind}:{stream._path.resolve()}") as camera, ExitStack() as running:
            settings = BrokerSettings("127.0.0.1", broker.port)
            running.enter_context(MqttClient(settings, [(agents_filter(SITE), 1)], told.take))
            agents = [
                running.enter_context(_agent(which, camera.url, broker.port, pages[which], work, shelf.rack))
                for which in pages
            ]
            first = dict.fromkeys(shelf.script.expected, "match")
            if len(told.await_all(first, 0.0, PATIENCE_S)) < 2:
                raise TimeoutError(f"{name}: no verdicts have come")
            running.callback(stream.stop)  # before those that watch it
            played, rests = Played(), _Rests(pages["auto"])
            for number, change in enumerate(shelf.script.changes):
                played.made.append(_make(stream, stream.state(number + 1), change, told, rests))
                print(name, number + 1, played.made[-1], file=sys.stderr, flush=True)
            every_s, auto_s = (processor_s(agent.pid) for agent in agents)
            played.spent_s, played.rested = (every_s, auto_s), rests.share
    finally:
        broker.kill()
    return played


def _make(stream: LiveStream, frames: list[av.VideoFrame], change: Change, told: Told, rests: "_Rests") -> Made:
    """Make a change in the midst of a rest, and wait for what is told of it."""
    wanted = {change.location: "empty" if change.kind is ChangeKind.REMOVE else "match"}
    rests.wait_for(RESTS_FOR_S + generator(3, f"pause/{change.frame}").uniform(0, 3), RESTS_WITHIN_S)
    is_resting, began_s = rests.poll(), time.monotonic()
    stream.show(frames)
    found = told.await_all(wanted, began_s, TOLD_WITHIN_S)
    every_s, auto_s = (found[which] - began_s if which in found else None for which in ("every", "auto"))
    return Made(change.location, is_resting, every_s, auto_s)


class _Rests:
    """Whether the stream of an agent rests, as its metrics say."""

    def __init__(self, page: int) -> None:
        self._page = page
        self._polled: list[bool] = []

    @property
    def share(self) -> float:
        """In how many of all the times that were asked it did."""
        return sum(self._polled) / len(self._polled)

    def poll(self) -> bool:
        """Whether it does now."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._page}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        rests = any(line.startswith("kardus_camera_stream_rests{") and float(line.split()[-1]) for line in lines)
        self._polled.append(rests)
        return rests

    def wait_for(self, seconds: float, within_s: float) -> None:
        """Until it has rested for so long without a break, or hasn't within so long."""
        since_s, ends_s = time.monotonic(), time.monotonic() + within_s
        while time.monotonic() < ends_s and time.monotonic() - since_s < seconds:
            if not self.poll():
                since_s = time.monotonic()
            time.sleep(0.25)


@contextmanager
def _agent(decode: str, url: str, port: int, page: int, work: Path, rack: Rack) -> Iterator[subprocess.Popen[bytes]]:
    name = "every" if decode == "all" else decode
    config, key = work / f"{name}.toml", DEMO_KEY.read_text(encoding="utf-8").strip()
    config.write_text(
        f'[agent]\nsite = "{SITE}"\nname = "{name}"\ndata_dir = "{work / name}"\n[evidence]\nmax_mb = 0\n'
        f'[model]\nbundle = "{DEMO_BUNDLE.resolve()}"\ntrust = ["{key}"]\nthreads = 1\n'
        f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\n[health]\nport = {page}\n\n'
        + camera_toml(rack, f'type = "rtsp", url = "{url}", decode = "{decode}"', interval_s=1.0)
    )
    process = subprocess.Popen([str(BIN / "kardus-agent"), "run", str(config)], stderr=(work / f"{name}.log").open("w"))
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def processor_s(pid: int) -> float:
    """User and system time of a process, and of those that it has started, whether they run or were waited for."""
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(stat.parent.name) == pid:
            total += sum(int(ticks) for ticks in fields[11:15]) / 100
        elif int(fields[1]) == pid:
            total += (int(fields[11]) + int(fields[12])) / 100
    return total


def main(arguments: list[str]) -> int:
    """Play what isn't done yet; print all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--changes", type=int, default=40)
    parser.add_argument("--only", default="")
    parser.add_argument("--ways", type=int, default=1)
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)

    def done(name: str) -> Played:
        path = options.folder / f"{name}-{options.changes}.json"
        if not path.exists():
            path.write_text(json.dumps(asdict(play(name, options.folder, options.changes))))
        content = json.loads(path.read_text())
        return Played(**content | {"made": [Made(**one) for one in content["made"]]})

    names = [name for name in STREAMS if options.only in name]
    with ThreadPoolExecutor(options.ways) as pool:
        played = dict(zip(names, pool.map(done, names), strict=True))
    print("| stream | made at rest | told | missed | later: median, most | the same, awake | processor time | rested |")
    print("|---|---|---|---|---|---|---|---|")
    for name, one in played.items():
        share = one.spent_s[1] / one.spent_s[0]
        cells = [
            *_cells(one.made, lambda made: made.rested),
            " / ".join(_cells(one.made, lambda made: not made.rested)),
        ]
        print(f"| {name} | {' | '.join(cells)} | {share:.2f} | {100 * one.rested:.0f} % |")
    rows = [made for one in played.values() for made in one.made if made.rested and made.every_s is not None]
    wrong = sum(made.auto_s is None or made.auto_s - made.every_s > LATE_S for made in rows if made.every_s is not None)
    print(
        f"at rest, missed or more than {LATE_S:g} s later: {percent(proportion('it', wrong, len(rows)).model_dump())}"
    )
    return 1 if wrong else 0


def _cells(made: list[Made], chosen: Callable[[Made], bool]) -> list[str]:
    """How many, of how many the first agent told, how many the other missed, how much later it told them."""
    own = [one for one in made if chosen(one)]
    told = [one for one in own if one.every_s is not None]
    later = sorted(one.auto_s - one.every_s for one in told if one.auto_s is not None and one.every_s is not None)
    middle = f"{later[len(later) // 2]:.2f} s, {later[-1]:.2f} s" if later else "-"
    return [str(len(own)), str(len(told)), str(sum(one.auto_s is None for one in told)), middle]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
