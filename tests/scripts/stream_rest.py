"""What key frames alone miss at rest: python -m tests.scripts.stream_rest FOLDER [--changes N] [--every S] [--only X].

A drawn rack of 12 locations is played over RTSP (GStreamer) at 15 frames/s, 960 x 540, coded in the ways of `STREAMS`;
every 7 s a carton is taken away or put back (a stream with a key frame every 4 s has hardly come to rest by then: with
`--every 20` it has). Two agents (`kardus-agent run`, the demo's model, a look a second) watch the same stream: one
decodes every frame, one as `decode = "auto"` does. Of each change that the first one tells it is counted whether the
other tells it, and how much later; and in which share of the time the other's stream rested. FOLDER keeps the coded
streams and what came of each: what is done there isn't played again. `--changes` is for each stream. Exit code 1 where
a change was missed or told more than 2 s later.
"""

import argparse
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
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
LEARNS_S = 45.0
"""Until both agents know the rack, and the stream's rest is learnt."""
PATIENCE_S = 120.0
QUICK = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "sliced-threads=0"}


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


@dataclass
class Told:
    """What the two agents said, by location: (seconds since the stream began, verdict)."""

    every: list[tuple[str, float, str]] = field(default_factory=list)
    auto: list[tuple[str, float, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Counted:
    """What came of a stream's changes."""

    changes: int
    told: int
    """By the agent that decodes every frame."""
    missed: int
    """Of them, by the other."""
    later_s: list[float]
    """By how much the other told each later."""
    spent_s: tuple[float, float]
    """Processor time of both agents with their decoders, the one of every frame first."""
    rested: float
    """In which share of the time the stream rested (`kardus_camera_stream_rests`), once it was learnt."""


def shelf_of(changes: int, every_s: float) -> Shelf:
    """A rack on which a carton goes or comes every so many seconds."""
    rack = Rack(3, 4, width_px=960, height_px=540)
    names = [slot.location for slot in rack.slots()]
    rng, stock = generator(11, "rest"), DrawnPictures().stock()
    first = {name: stock[int(rng.integers(len(stock)))] for name in names}
    script = []
    for number in range(changes):
        location = names[(5 * number) % len(names)]
        is_back = number // len(names) % 2 == 1
        frame = round((LEARNS_S + number * every_s) * RATE)
        kind, name = (ChangeKind.PLACE, first[location].name) if is_back else (ChangeKind.REMOVE, "")
        script.append(Change(frame, kind, location, name=name))
    frames = round((LEARNS_S + (changes + 1) * every_s) * RATE)
    expected: dict[str, str | None] = {name: first[name].sku for name in names}
    return Shelf(
        rack, DrawnPictures(), Script(11, frames, {n: s.name for n, s in first.items()}, expected, tuple(script))
    )


def write_stream(path: Path, shelf: Shelf, kept: Kept) -> None:
    """Code a shelf's frames; the file appears when it is whole."""
    unfinished = path.with_suffix(".part.mkv")
    with av.open(str(unfinished), "w") as out:
        video = out.add_stream(kept.codec, rate=RATE, options=kept.options)
        if not isinstance(video, av.VideoStream):
            raise TypeError(kept.codec)
        video.width, video.height, video.pix_fmt = shelf.rack.width_px, shelf.rack.height_px, "yuv420p"
        video.gop_size = round(kept.key_every_s * RATE)
        if kept.bits_a_second:
            video.bit_rate = kept.bits_a_second
        for number in range(shelf.script.frames):
            out.mux(video.encode(av.VideoFrame.from_ndarray(shelf.frame(number), "rgb24")))
        out.mux(video.encode(None))
    unfinished.rename(path)


def play(name: str, folder: Path, changes: int, every_s: float) -> Counted:
    """Play one stream to both agents."""
    shelf, kept = shelf_of(changes, every_s), STREAMS[name]
    path = folder / f"{name}-{changes}-{every_s:g}.mkv"
    if not path.exists():
        write_stream(path, shelf, kept)
    told, broker, work = Told(), Mosquitto(folder / f"mosquitto-{name}"), folder / f"work-{name}-{time.time_ns()}"
    work.mkdir()
    broker.start()
    try:
        lines = [StockLine(location, sku) for location, sku in shelf.script.expected.items()]
        publish_stock(BrokerSettings("127.0.0.1", broker.port), SITE, lines, replace=False)
        spent, rested = _watch(shelf, f"{kept.kind}:{path.resolve()}", broker.port, work, told)
    finally:
        broker.kill()
    return count(shelf.script.changes, told, every_s, spent, rested)


def _watch(shelf: Shelf, codec: str, port: int, work: Path, told: Told) -> tuple[tuple[float, float], float]:
    """Run both agents until the stream is over; times in `told` count from the first picture of the stream.

    Gives the processor time of both, and in which share of the time the second one's stream rested.
    """
    began: list[float] = []
    pages = {"all": free_port(), "auto": free_port()}

    def take(topic: str, payload: bytes) -> None:
        if payload and topic.endswith("/events"):
            event = Envelope[LocationEvent].model_validate_json(payload).data
            began[:] = began or [time.monotonic()]
            row = event.location, time.monotonic() - began[0], event.verdict.value
            (told.every if "/agents/every/" in topic else told.auto).append(row)

    with RtspCamera(codec) as camera, ExitStack() as running:
        running.enter_context(MqttClient(BrokerSettings("127.0.0.1", port), [(agents_filter(SITE), 1)], take))
        agents = [
            running.enter_context(_agent(which, camera.url, port, pages[which], work, shelf.rack)) for which in pages
        ]
        deadline = time.monotonic() + PATIENCE_S
        while not began:
            if time.monotonic() > deadline:
                raise TimeoutError("no verdict has come")
            time.sleep(0.1)
        time.sleep(LEARNS_S)
        ends_s, rests = time.monotonic() + shelf.script.frames / RATE - LEARNS_S, []
        while time.monotonic() < ends_s:
            rests.append(_rests(pages["auto"]))
            time.sleep(0.5)
        every_s, auto_s = (processor_s(agent.pid) for agent in agents)
    return (every_s, auto_s), sum(rests) / len(rests)


def _rests(page: int) -> bool:
    """Whether the stream rests, as its agent's metrics say."""
    with urllib.request.urlopen(f"http://127.0.0.1:{page}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return any(line.startswith("kardus_camera_stream_rests{") and float(line.split()[-1]) for line in lines)


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


def count(
    changes: tuple[Change, ...], told: Told, every_s: float, spent_s: tuple[float, float], rested: float
) -> Counted:
    """Which changes the first agent told, and what the other made of them."""
    wanted = {ChangeKind.REMOVE: "empty", ChangeKind.PLACE: "match"}
    later_s, missed, count_told = [], 0, 0
    for change in changes:
        at_s = change.frame / RATE
        until_s = at_s + 12 * every_s - 10  # the same location's next change is after twelve
        every, auto = (
            _first(rows, change.location, (at_s, until_s), wanted[change.kind]) for rows in (told.every, told.auto)
        )
        if every is None:
            continue
        count_told += 1
        if auto is None:
            missed += 1
        else:
            later_s.append(round(auto - every, 2))
    return Counted(len(changes), count_told, missed, later_s, spent_s, rested)


def _first(
    rows: list[tuple[str, float, str]], location: str, between_s: tuple[float, float], verdict: str
) -> float | None:
    """When it was told; the stream began a few seconds before the first event, so that times may be that much early."""
    at_s, until_s = between_s
    found = [said for where, said, what in rows if where == location and what == verdict and at_s - 10 < said < until_s]
    return min(found, default=None)


def main(arguments: list[str]) -> int:
    """Play what isn't done yet; print all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--changes", type=int, default=40)
    parser.add_argument("--every", type=float, default=7.0)
    parser.add_argument("--only", default="")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, Counted] = {}
    for name in (name for name in STREAMS if options.only in name):
        done = options.folder / f"{name}-{options.changes}-{options.every:g}.json"
        if not done.exists():
            done.write_text(json.dumps(asdict(play(name, options.folder, options.changes, options.every))))
        results[name] = Counted(**json.loads(done.read_text()))
        print(name, _line(results[name]), flush=True)
    told, missed = sum(r.told for r in results.values()), sum(r.missed for r in results.values())
    late = sum(later > LATE_S for r in results.values() for later in r.later_s)
    print(f"together: {told} told by decoding every frame, {missed} missed, {late} told more than {LATE_S:g} s later")
    print(f"missed or late: {percent(proportion('missed or late', missed + late, told).model_dump())}")
    return 1 if missed or late else 0


def _line(found: Counted) -> str:
    later = sorted(found.later_s)
    middle, most = (later[len(later) // 2], later[-1]) if later else (0.0, 0.0)
    share = found.spent_s[1] / found.spent_s[0]
    return (
        f"{found.changes} changes, {found.told} told, {found.missed} missed; later by {middle} s (median), {most} s "
        f"(most); processor time / every frame {share:.2f}; rested {100 * found.rested:.0f} % of the time"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
