"""How soon a camera's stream is judged, beside an earlier commit.

    python -m tests.scripts.stream_start COMMIT [ROUNDS] [CAMERAS]

A still rack of 16 locations, 1080p at 25 frames/s, H.264 with a key frame a second, served by GStreamer and watched by
another client all the time: like a camera it is in the middle of its course when somebody connects. In each round
`kardus-agent run` of either commit starts in turn, until the WMS side has the first event (three looks, 0.1 s apart),
with each of the networks. With more than one camera all watch the same stream. Both run with this environment's
interpreter and libraries; what isn't committed isn't measured.
"""

import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.against import Pair, print_ratios, tree
from tests.benchmarks.networks import LIGHT, bundle_of
from tests.benchmarks.rack import Bench
from tests.cameras import RtspCamera
from tests.scripts.stream_cost import write_stream

NETWORKS = (LIGHT, "resnet18-int8", "resnet50-rmcsam-int8")
START_S = 8.0
"""A start takes less."""
CHILD = """
import sys, tempfile
from pathlib import Path
from tests.benchmarks import start
from tests.benchmarks.rack import Bench, picture_of
network, url, bundle, cameras = sys.argv[1:]
start.bundle_of = lambda *_: Path(bundle)
class Streamed(Bench):
    def write_config(self, folder, *args, **kwargs):
        path = super().write_config(folder, *args, **kwargs)
        for number in range(self.cameras):
            file = f'type = "file", path = "{picture_of(folder.resolve(), number)}"'
            text = path.read_text()
            assert file in text
            path.write_text(text.replace(file, f'type = "rtsp", url = "{url}"'))
        return path
with tempfile.TemporaryDirectory() as name:
    with start.running_agent(Path(name).resolve() / "start", network, Streamed(16, int(cameras))) as (_, seconds):
        print(seconds)
"""
WATCHER = """
import sys, av
with av.open(sys.argv[1], format="rtsp", options={"rtsp_transport": "tcp"}) as stream:
    print(flush=True)
    for _ in stream.demux(video=0):
        pass
"""


@contextmanager
def watched_stream(file: Path) -> Iterator[str]:
    """The address of a stream that runs whether or not anybody connects."""
    with RtspCamera(f"h264:{file}") as camera:
        watcher = subprocess.Popen([sys.executable, "-c", WATCHER, camera.url], stdout=subprocess.PIPE)
        try:
            if watcher.stdout is None or not watcher.stdout.readline():
                raise RuntimeError("the stream can't be watched")
            yield camera.url
            if watcher.poll() is not None:
                raise RuntimeError("the stream has ended: it was too short")
        finally:
            watcher.kill()
            watcher.communicate()


def main(commit: str, rounds: int, cameras: int) -> None:
    """Print a table."""
    found: dict[str, Pair] = defaultdict(lambda: ([], []))
    bundles = {network: bundle_of(network, print).resolve() for network in NETWORKS}
    with (
        tempfile.TemporaryDirectory(prefix="kardus-start-") as folder,
        tree(commit, "before") as before,
        tree("HEAD", "now") as now,
    ):
        file = Path(folder) / "rack.mkv"
        write_stream(file, Bench(16), START_S * 2 * len(NETWORKS) * rounds, 1.0)
        with watched_stream(file) as url:
            for number in range(rounds):
                order = ((0, before), (1, now)) if number % 2 else ((1, now), (0, before))
                for which, where in order:
                    for network, bundle in bundles.items():
                        found[f"{network}: start to first verdict, s"][which].append(
                            _start_s(where, network, url, bundle, cameras)
                        )
    print_ratios(commit, found)


def _start_s(folder: Path, network: str, url: str, bundle: Path, cameras: int) -> float:
    command = [sys.executable, "-c", CHILD, network, url, str(bundle), str(cameras)]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return float(subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, check=True).stdout)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, (sys.argv[2:] + ["10", "1"][len(sys.argv) - 2 :])[:2]))
