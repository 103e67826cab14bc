"""What an earlier commit tells of the same recordings: python -m tests.scripts.replay_against COMMIT [SEEDS].

For each seed a rack of 15 locations with 10 faults, each put right, and every trouble of a camera is played to a
recording (`kardus-agent simulate`, 1920 x 1080 JPEG), and replayed by either commit with the demo's bundle and the same
configuration. A change of verdict that both tell of a location, at most 2 pictures apart, is the same; what only one of
them tells is printed, and whether it is what the script then had there. Both run with this environment's interpreter
and libraries; what isn't committed isn't replayed.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from tests.benchmarks.against import ROOT, tree

FAULTS, APART_S, BEGINS = 10, 2.0, 6
Change = dict[str, Any]


def _agent(folder: Path, *words: object) -> str:
    environment = os.environ | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "edge_agent", *map(str, words)]
    return subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout


@dataclass(frozen=True)
class Scripted:
    """A recording, a configuration that replays it, and the right verdicts of each picture, by location."""

    recording: Path
    config: Path
    truth: list[dict[str, str]]

    def is_right(self, change: Change) -> bool:
        """Whether the script has this verdict there at that second: a script has a picture a second."""
        return bool(self.truth[_second(change)].get(change["location"]) == change["verdict"])


def _second(change: Change) -> int:
    at = datetime.fromisoformat(change["at"])
    return round((at - at.replace(hour=BEGINS, minute=0, second=0, microsecond=0)).total_seconds())


def write_recording(folder: Path, seed: int) -> Scripted:
    """Play a script, and write down how it is replayed."""
    script, recording, config = folder / f"{seed}.json", folder / f"{seed}", folder / f"{seed}.toml"
    _agent(ROOT, "simulate", "script", script, "--seed", seed, "--faults", FAULTS)
    _agent(ROOT, "simulate", "shelf", recording, "--script", script, "--seed", seed)
    lines = (recording / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    (recording / "truth.jsonl").unlink()  # its form may be newer than the other commit, which need not score
    key = DEMO_KEY.read_text(encoding="utf-8").strip()
    config.write_text(
        f'[agent]\nsite = "s"\nname = "box"\ndata_dir = "{folder / "data"}"\n'
        f'[model]\nbundle = "{DEMO_BUNDLE.resolve()}"\ntrust = ["{key}"]\n[mqtt]\nhost = "127.0.0.1"\n'
        + (recording / "camera.toml").read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    return Scripted(recording, config, [json.loads(line)["verdicts"] for line in lines])


def changes_of(folder: Path, played: Scripted) -> list[Change]:
    """What a commit tells."""
    replayed = _agent(folder, "replay", played.recording, "--config", played.config, "--json")
    told: list[Change] = json.loads(replayed)["changes"]
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
            played = write_recording(Path(name), seed)
            earlier, later = (changes_of(folder, played) for folder in (before, now))
            gone, new = only_in(earlier, later), only_in(later, earlier)
            total += Counter(before=len(earlier), now=len(later), gone=len(gone), new=len(new))
            total["to the byte"] += earlier == later
            for which, changes in (("before only", gone), ("now only", new)):
                for change in changes:
                    right = "right" if played.is_right(change) else "wrong"
                    total[f"{which}, {right}"] += 1
                    print(f"seed {seed}, {which}, {right}: {json.dumps(change)}", flush=True)
    print(f"{seeds} recordings: {dict(total)}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5)
