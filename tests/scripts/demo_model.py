"""Makes the bundle that ships with the demo: `python -m tests.scripts.demo_model [WORK_FOLDER]`.

Draws photos, trains, signs with a new key and exports, with the project's own commands. The private key is deleted:
nobody can sign another bundle for the demo's key.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from simulator.demo.play import DEMO_BUNDLE
from tests.scripts.steps import percent, run, run_json


def make(work: Path) -> None:
    """Draw, train, export, and put bundle and public key where the demo looks for them."""
    photos, model, bundle = work / "photos", work / "run", work / "demo.bundle"
    run("kardus-agent", "simulate", "dataset", photos, "--seed", 7001, "--train", 80, "--val", 40, "--unknown", 300)
    options = ("--size", 112, "--epochs", 40, "--outliers", 0.25, "--refit", 0)  # val is measured on below
    run("kardus-train", "fit", photos, "--recipe", "scratch", "--arch", "shufflenet_v2_x1_0", *options, "--out", model)
    run("kardus-export", "keys", "make", "demo", "--dir", work)
    run("kardus-export", "build", model, "--out", bundle, "--name", "kardus-demo", "--sign", work / "demo.key")
    result = run_json(
        "kardus-train", "evaluate", bundle, photos, "--split", "val", "--unknown", work / "photos-unknown", "--json"
    )
    (work / "demo.key").unlink()
    shutil.copy(bundle, DEMO_BUNDLE)
    shutil.copy(work / "demo.pub", DEMO_BUNDLE.with_suffix(".pub"))
    print(f"by class: {percent(result['accuracy']['class'])}")
    print(f"unknown rejected: {percent(result['rejection']['rejected'])}, AUROC {result['rejection']['auroc']:.4f}")
    print(f"known rejected: {percent(result['rejection']['false_alarms'])}")
    print(f"bundle: {bundle.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        make(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder))
