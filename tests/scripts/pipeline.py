"""The whole line from nothing, in one command: `make pipeline`, or `python -m tests.scripts.pipeline`.

Draws photos, trains, exports with verification, and runs the agent on shelves drawn with seeds that nothing was
trained or calibrated on. Ends in a table of honest figures. At most 8 minutes on two cores.
"""

import shutil
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from edge_agent.config.sources import SimulatedSource
from tests.scripts.shelves import Played, play_shelf
from tests.scripts.steps import percent, run, run_json
from train.evaluation.metrics import proportion

SHELF_SEEDS = (501, 502, 503)
OUTPUT = Path("pipeline-output")


def main() -> None:
    """Run every stage and print the table."""
    began = time.monotonic()
    OUTPUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        rows = _stages(work)
        shutil.copy(work / "cartons.bundle", OUTPUT)
        shutil.copytree(work / "run", OUTPUT / "run", dirs_exist_ok=True)
    table = Table("figure", "value", title="The whole line", title_justify="left")
    for row in [*rows, ("all of it", f"{time.monotonic() - began:.0f} s")]:
        table.add_row(*row)
    Console().print(table)
    print(f"bundle and run: {OUTPUT}")


def _stages(work: Path) -> list[tuple[str, str]]:
    photos, fresh, model, bundle = work / "photos", work / "fresh", work / "run", work / "cartons.bundle"
    draw_s = run("kardus-agent", "simulate", "dataset", photos, "--seed", 41, "--train", 40, "--val", 20)
    run("kardus-agent", "simulate", "dataset", fresh, "--seed", 42, "--train", 2, "--val", 40, "--unknown", 200)
    options = ("--size", 112, "--epochs", 30, "--outliers", 0.25)
    fit_s = run(
        "kardus-train", "fit", photos, "--recipe", "scratch", "--arch", "shufflenet_v2_x1_0", *options, "--out", model
    )
    run("kardus-export", "keys", "make", "pipeline", "--dir", work)
    build_s = run("kardus-export", "build", model, "--out", bundle, "--sign", work / "pipeline.key")
    key = (work / "pipeline.pub").read_text().strip()
    run("kardus-export", "verify", bundle, "--trust", key)
    unknown = work / "fresh-unknown"
    figures = run_json("kardus-train", "evaluate", bundle, fresh, "--split", "val", "--unknown", unknown, "--json")
    parity = run_json("kardus-export", "inspect", bundle, "--json")["parity"]
    played = [play_shelf(bundle, key, _source(seed), work / "agent") for seed in SHELF_SEEDS]
    return [
        ("photos drawn", f"15 classes x 60, {draw_s:.0f} s"),
        ("training", f"{fit_s:.0f} s"),
        ("export with verification", f"{build_s:.0f} s"),
        ("accuracy by class, photos of another seed", percent(figures["accuracy"]["class"])),
        ("accuracy by SKU", percent(figures["accuracy"]["sku"])),
        ("accuracy by category", percent(figures["accuracy"]["category"])),
        ("calibration error", f"{100 * figures['calibration_error']:.1f} %"),
        ("unknown cartons rejected", percent(figures["rejection"]["rejected"])),
        ("known cartons rejected by mistake", percent(figures["rejection"]["false_alarms"])),
        ("parity: largest logit difference", f"{parity['max_logit_difference']:.1e} on {parity['n']} crops"),
        ("parity: same class", f"{100 * parity['top1_agreement']:.0f} %"),
        ("bundle", f"{bundle.stat().st_size / 1e6:.2f} MB"),
        *shelf_rows(played),
    ]


def shelf_rows(played: list[Played]) -> list[tuple[str, str]]:
    """The figures of played shelves."""
    faults = sum(len(p.outcome.faults) for p in played)
    reported = sum(p.reported for p in played)
    false = sum(len(p.outcome.false_alerts) for p in played)
    locations = sum(p.locations for p in played)
    return [
        ("faults reported at their location", percent(proportion("", reported, faults).model_dump())),
        ("false alerts", f"{false} on {locations} locations of {len(played)} shelves"),
        ("locations left uncertain", f"{sum(p.doubts for p in played)} of {locations}"),
    ]


def _source(seed: int) -> SimulatedSource:
    return SimulatedSource(type="simulated", seed=seed)


if __name__ == "__main__":
    main()
