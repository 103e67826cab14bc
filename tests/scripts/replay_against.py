"""What an earlier commit tells of the same recordings: python -m tests.scripts.replay_against COMMIT [SEEDS].

For each seed a rack of 15 locations with 40 faults, each put right, and every trouble of a camera is played to a
recording (`kardus-agent simulate`, 1920 x 1080 JPEG), and replayed by either commit with the demo's bundle and the same
configuration. A change of verdict that both tell of a location, at most 2 pictures apart, is the same; what only one of
them tells is printed. Both run with this environment's interpreter and libraries; what isn't committed isn't replayed.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from tests.benchmarks.against import ROOT, tree

FAULTS, APART_S = 40, 2.0
Change = dict[str, Any]


def _agent(folder: Path, *words: object) -> str:
    environment = os.environ | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "edge_agent", *map(str, words)]
    return subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout


def write_recording(folder: Path, seed: int) -> tuple[Path, Path]:
    """A recording, and a configuration that replays it."""
    script, recording, config = folder / f"{seed}.json", folder / f"{seed}", folder / f"{seed}.toml"
    _agent(ROOT, "simulate", "script", script, "--seed", seed, "--faults", FAULTS)
    _agent(ROOT, "simulate", "shelf", recording, "--script", script, "--seed", seed)
    key = DEMO_KEY.read_text(encoding="utf-8").strip()
    config.write_text(
        f'[agent]\nsite = "s"\nname = "box"\ndata_dir = "{folder / "data"}"\n'
        f'[model]\nbundle = "{DEMO_BUNDLE.resolve()}"\ntrust = ["{key}"]\n[mqtt]\nhost = "127.0.0.1"\n'
        + (recording / "camera.toml").read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    return recording, config


def changes_of(folder: Path, recording: Path, config: Path) -> list[Change]:
    """What a commit tells."""
    told: list[Change] = json.loads(_agent(folder, "replay", recording, "--config", config, "--json"))["changes"]
    return told


def only_in(ours: list[Change], theirs: list[Change]) -> list[Change]:
    """Changes that the other hasn't told of that location, with the same verdict and product, about then."""
    left, alone = list(theirs), []
    for change in ours:
        twin = next((other for other in left if _is_same(change, other)), None)
        if twin is None:
            alone.append(change)
        else:
            left.remove(twin)
    return alone


def _is_same(one: Change, other: Change) -> bool:
    apart_s = abs((datetime.fromisoformat(one["at"]) - datetime.fromisoformat(other["at"])).total_seconds())
    return all(one[key] == other[key] for key in ("location", "verdict", "seen")) and apart_s <= APART_S


def main(commit: str, seeds: int) -> None:
    """Print what differs, and how much doesn't."""
    total: Counter[str] = Counter()
    with (
        tempfile.TemporaryDirectory(prefix="kardus-replay-") as name,
        tree(commit, "before") as before,
        tree("HEAD", "now") as now,
    ):
        for seed in range(1, seeds + 1):
            recording, config = write_recording(Path(name), seed)
            earlier, later = (changes_of(folder, recording, config) for folder in (before, now))
            gone, new = only_in(earlier, later), only_in(later, earlier)
            total += Counter(before=len(earlier), now=len(later), gone=len(gone), new=len(new))
            total["to the byte"] += earlier == later
            for which, changes in (("before only", gone), ("now only", new)):
                for change in changes:
                    print(f"seed {seed}, {which}: {json.dumps(change)}", flush=True)
    print(f"{seeds} recordings: {dict(total)}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5)
