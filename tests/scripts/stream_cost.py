"""What cameras at rest cost over RTSP: python -m tests.scripts.stream_cost [--cameras N] [--key-every S] [--windows N].

A still rack of 24 locations, 1080p at 25 frames/s, H.264 at about 4 Mbit/s with sensor noise, served by GStreamer.
Beside each other run, on that stream: a plain PyAV loop that decodes every frame (one thread), an agent with
`decode = "all"` (every frame, as it was before there was a choice) and one with `decode = "auto"`, both with the demo's
model and a look a second. What counts is the processor time (user and system) of each with its decoders, over windows
of 30 s once all has settled: after the first reading of the rack's labels, of which there is one an hour, and after so
many key frames as sizes are learnt from, since an encoder takes that long to find its rate. Each window gives one
ratio. With more than one camera the agent of every frame is left out, and all cameras watch the same stream. A program
that has ended, whose time would stand still, ends the run; how often the agents look is told, too.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av

from edge_agent.camera.rest.packet_sizes import COURSES
from simulator.demo.broker import free_port
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from simulator.recording import camera_toml
from tests.benchmarks.at_rest import looks_of
from tests.benchmarks.pairs import median
from tests.benchmarks.rack import Bench
from tests.brokers import Mosquitto
from tests.cameras import RtspCamera
from tests.scripts.steps import BIN
from tests.scripts.stream_rest import processor_s

RATE, SETTLES_S, WINDOW_S, PICTURES = 25, 75.0, 30.0, 20
LOOP = """
import sys, av
with av.open(sys.argv[1], format="rtsp", options={"rtsp_transport": "tcp"}) as stream:
    stream.streams.video[0].thread_type = "SLICE"
    stream.streams.video[0].codec_context.thread_count = 1
    for _ in stream.decode(video=0):
        pass
"""


def write_stream(path: Path, bench: Bench, seconds: float, key_every_s: float) -> float:
    """Code the still rack; how many bits a second it has."""
    shelf = bench.shelf(PICTURES)
    frames = [
        av.VideoFrame.from_ndarray(shelf.frame(number), "rgb24").reformat(format="yuv420p") for number in range(20)
    ]
    options = {"preset": "veryfast", "tune": "zerolatency", "x264-params": "sliced-threads=0"}
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=RATE, options=options)
        if not isinstance(video, av.VideoStream):
            raise TypeError("no video")
        video.width, video.height, video.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        video.gop_size, video.bit_rate = round(key_every_s * RATE), 4_000_000
        for number in range(round(seconds * RATE)):
            frame = frames[number * 7 % len(frames)]
            frame.pts = None
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return path.stat().st_size * 8 / seconds


@dataclass(frozen=True)
class _Program:
    """A program that watches the stream, from a server of its own: one that is slow must not hold up the others."""

    process: subprocess.Popen[bytes]
    page: int = 0
    """Where the agent tells what it has looked at; 0: it is no agent."""

    def mark(self) -> "_Mark":
        """What it has spent and looked at until now.

        Raises:
            RuntimeError: it has ended, and its time would stand still.
        """
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.process.args!r} ended with {self.process.returncode}: its time can't be told")
        return _Mark(time.monotonic(), processor_s(self.process.pid), looks_of(self.page) if self.page else 0)


@dataclass(frozen=True)
class _Mark:
    at_s: float
    processor_s: float
    looks: int


@contextmanager
def _agent(folder: Path, bench: Bench, file: Path, port: int, decode: str) -> Iterator[_Program]:
    """A running agent, and its camera."""
    config, key, page = folder / f"{decode}.toml", DEMO_KEY.read_text(encoding="utf-8").strip(), free_port()
    with RtspCamera(f"h264:{file}") as camera:
        source = f'type = "rtsp", url = "{camera.url}", decode = "{decode}"'
        config.write_text(
            f'[agent]\nsite = "bench"\nname = "{decode}"\ndata_dir = "{folder / decode}"\n[evidence]\nmax_mb = 0\n'
            f'[model]\nbundle = "{DEMO_BUNDLE.resolve()}"\ntrust = ["{key}"]\nthreads = 1\n'
            f'[health]\nport = {page}\n[mqtt]\nhost = "127.0.0.1"\nport = {port}\n\n'
            + "\n".join(camera_toml(rack, source, f"c{number}", 1.0) for number, rack in enumerate(bench.racks))
        )
        with (folder / f"{decode}.log").open("w") as log:
            process = subprocess.Popen([str(BIN / "kardus-agent"), "run", str(config)], stderr=log)
        yield from _until_done(_Program(process, page))


@contextmanager
def _loop(file: Path) -> Iterator[_Program]:
    with RtspCamera(f"h264:{file}") as camera:
        yield from _until_done(_Program(subprocess.Popen([sys.executable, "-c", LOOP, camera.url])))


def _until_done(program: _Program) -> Iterator[_Program]:
    try:
        yield program
    finally:
        program.process.terminate()
        program.process.wait()


def measure(folder: Path, cameras: int, key_every_s: float, windows: int) -> dict[str, list[tuple[float, float]]]:
    """Share of a core, and looks a second, of each program in each window."""
    bench, path, settles_s = Bench(24, cameras), folder / "rack.mkv", SETTLES_S + COURSES * key_every_s
    bits = write_stream(path, bench, settles_s + (windows + 2) * WINDOW_S, key_every_s)
    print(f"{bits / 1e6:.1f} Mbit/s, a key frame every {key_every_s:g} s, cameras: {cameras}", flush=True)
    broker = Mosquitto(folder / "mosquitto")
    broker.start()
    bench.expect(broker.port, bench.shelf(PICTURES))
    try:
        with ExitStack() as running:
            programs = {"the loop": running.enter_context(_loop(path))}
            for decode in ("all", "auto") if cameras == 1 else ("auto",):
                programs[decode] = running.enter_context(_agent(folder, bench, path, broker.port, decode))
            time.sleep(settles_s)
            marks = []
            for number in range(windows + 1):
                time.sleep(WINDOW_S if number else 0)
                marks.append({name: program.mark() for name, program in programs.items()})
    finally:
        broker.kill()
    return {name: [_between(one[name], other[name]) for one, other in pairwise(marks)] for name in programs}


def _between(one: _Mark, other: _Mark) -> tuple[float, float]:
    took_s = other.at_s - one.at_s
    return (other.processor_s - one.processor_s) / took_s, (other.looks - one.looks) / took_s


def main(arguments: list[str]) -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=1)
    parser.add_argument("--key-every", type=float, default=1.0)
    parser.add_argument("--windows", type=int, default=3)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="kardus-streams-") as folder:
        found = measure(Path(folder), options.cameras, options.key_every, options.windows)
    for name, rows in found.items():
        share = median([100 * share for share, _ in rows])
        ratio = median([own / loop for (own, _), (loop, _) in zip(rows, found["the loop"], strict=True)])
        core = f"{share.value:.1f} % of a core ({share.low:.1f} to {share.high:.1f}, n = {share.n})"
        looks = f"; looks a second: {median([looks for _, looks in rows]).value:.2f}" if name != "the loop" else ""
        print(f"{name}: {core}; by the loop's {ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f}){looks}")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
