"""Two runs become one bundle, which every command reads, changes or refuses."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export import build as build_module
from export import lower_precision as lower_module
from export.__main__ import main
from export.bench import bench
from export.bundle_diff import diff_bundles
from export.enroll import Release, enroll, retire
from export.verify import verify
from kardus.contract.manifest import ClassInfo
from kardus.inference.bundle import Bundle, read_bundle
from kardus.inference.cascade import SmallNetwork
from kardus.inference.classification import MatchQuestion
from kardus.inference.preprocess import read_photo, rectify_whole
from kardus.support.errors import BundleError
from tests.conftest import Once
from tests.export.bundles import repack, unpack
from tests.export.colours import COLOURS, SIDE, photo
from tests.export.pairs import colour_cascade
from tests.in_process import assert_nothing_written, assert_one_line, call
from train.__main__ import main as train_main
from train.networks.checkpoint import CHECKPOINT, Checkpoint, load_checkpoint, save_checkpoint

Capture = pytest.CaptureFixture[str]
PINK = (230, 70, 70)
"""Most like red, and like nothing that the networks know."""


@pytest.fixture(scope="session")
def unseen(once: Once) -> Path:
    """120 more drawn photos of the small data set's classes."""
    from simulator.dataset import write_dataset

    return once("unseen", lambda to: write_dataset(to / "photos", seed=12, train=0, val=8, side_px=96)) / "photos"


@pytest.fixture
def _ready_graph(bundle_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let exports take the small run's graph instead of making it again, which takes seconds."""
    model = read_bundle(bundle_file).model
    monkeypatch.setattr(build_module, "to_onnx", lambda *_: model)
    monkeypatch.setattr(lower_module, "to_onnx", lambda *_: model)


def _changed(run: Path, folder: Path, change: Callable[[Checkpoint], Checkpoint]) -> Path:
    folder.mkdir()
    save_checkpoint(folder / CHECKPOINT, change(load_checkpoint(run)))
    return folder


@pytest.mark.usefixtures("_ready_graph")
@pytest.mark.parametrize("precision", [pytest.param("fp32", marks=pytest.mark.slow), "int8"])
def test_two_runs_are_exported_signed_verified_and_evaluated(
    run_folder: Path, signing_key: tuple[Path, str], unseen: Path, tmp_path: Path, capsys: Capture, *, precision: str
) -> None:
    out, words = tmp_path / "pair.bundle", ("--max-drop", 100, "--max-loss", 10, "--sign", signing_key[0])
    made = call(
        capsys, main, "build", run_folder, "--small", run_folder, "--out", out, "--precision", precision,
        "--data", unseen, *words,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert "the small network answers" in made.stdout
    bundle = read_bundle(out)
    small = bundle.manifest.small
    assert small
    assert bundle.small
    assert (small.precision, small.fit.max_loss, small.fit.answered.n) == (precision, 10, 120)
    assert 0 < small.fit.answered.value <= 0.71
    assert bundle.manifest.members["small.onnx"].size == len(bundle.small.model)
    assert [check.what for check in verify(out, (signing_key[1],))][-3:] == [
        "small network: runs on",
        "small network: golden samples",
        "small network: batches",
    ]
    told = json.loads(call(capsys, train_main, "evaluate", out, unseen, "--json", "--unknown", unseen).stdout)[
        "cascade"
    ]
    assert told["answered"]["value"] == pytest.approx(small.fit.answered.value, abs=0.15)
    assert set(told) == {"answered", "lost", "strangers"}
    assert "Answered by the small network" in call(capsys, train_main, "evaluate", out, unseen).stdout
    shown = call(capsys, main, "inspect", out, columns=300).stdout
    assert "small network, held out" in shown


@pytest.mark.usefixtures("_ready_graph")
def test_runs_that_are_no_pair_are_refused_in_one_line(
    run_folder: Path, unseen: Path, tmp_path: Path, capsys: Capture
) -> None:
    def smaller(checkpoint: Checkpoint) -> Checkpoint:
        return replace(checkpoint, config=checkpoint.config.model_copy(update={"size": 32}))

    def resold(checkpoint: Checkpoint) -> Checkpoint:
        first = checkpoint.classes[0].model_copy(update={"sku": "other"})
        return replace(checkpoint, classes=(first, *checkpoint.classes[1:]))

    out = tmp_path / "pair.bundle"
    for small, words, said in (
        (_changed(run_folder, tmp_path / "smaller", smaller), (), "takes crops of 32 px"),
        (_changed(run_folder, tmp_path / "resold", resold), (), "has other classes than"),
        (tmp_path / "nowhere", (), "no checkpoint there"),
        (run_folder, ("--form", "portable"), "converters take one network"),
        (run_folder, (), "30 photos that neither network was trained on are too few"),
    ):
        refused = call(capsys, main, "build", run_folder, "--small", small, "--out", out, *words)
        assert said in refused.stderr.splitlines()[-1]
        assert refused.returncode in (1, 2)
        assert_nothing_written(tmp_path, out)


def _asked(bundle: Bundle, paths: list[Path], sku: str) -> int:
    """How many photos the small network takes for a product."""
    crops = np.stack([rectify_whole(read_photo(path), SIDE) for path in paths])
    answers = SmallNetwork(bundle).answer(crops, [MatchQuestion(sku, 0.6)] * len(crops))
    return sum(answer is not None for answer in answers)


def test_what_an_enrolled_product_may_be_taken_for_is_left_to_the_large_network(tmp_path: Path) -> None:
    far = colour_cascade(tmp_path / "a.bundle").manifest.small
    assert far
    patient = far.fit.model_copy(update={"score": -5000.0})
    before = colour_cascade(tmp_path / "a.bundle", fit=patient, calibration=far.calibration.model_copy(
        update={"rejection_threshold": -5000.0}
    ))  # fmt: skip
    photos = [photo(tmp_path / f"{number}.png", PINK, number) for number in range(8)]
    assert _asked(before, photos[5:], "sku-red") == 3, "it takes the new product for red"
    out = tmp_path / "b.bundle"
    enroll(before, ClassInfo(name="pink", category="", sku="sku-pink"), photos[:5], Release(out, "1.3.0"))
    after = read_bundle(out)
    assert after.manifest.small
    assert after.manifest.small.withheld == ("sku-red",)
    assert _asked(after, photos[5:], "sku-red") == _asked(after, photos[5:], "sku-pink") == 0
    green = [photo(tmp_path / "green.png", COLOURS["green"])]
    assert _asked(after, green, "sku-green") == 1
    verify(out)
    found = diff_bundles(before, after)
    assert found.facts["it doesn't answer"] == ("none", "sku-red")
    alone = diff_bundles(before, replace(before, small=None)).facts
    assert alone["small network"][1] == alone["it answers from"][1] == "none"


def test_a_retired_product_is_answered_no_more_and_its_golden_sample_is_gone(tmp_path: Path) -> None:
    before, out = colour_cascade(tmp_path / "a.bundle"), tmp_path / "b.bundle"
    retire(before, ["green"], Release(out, "1.3.0"))
    after = read_bundle(out)
    assert after.small
    assert [sample.label for sample in after.small.golden] == ["red", "blue"]
    verify(out)
    green = [photo(tmp_path / "green.png", COLOURS["green"])]
    assert _asked(before, green, "sku-green") == 1
    assert _asked(after, green, "sku-green") == _asked(after, green, "sku-red") == 0


def test_verify_finds_what_is_wrong_with_the_small_network(tmp_path: Path, capsys: Capture) -> None:
    colour_cascade(tmp_path / "a.bundle")
    members = unpack(tmp_path / "a.bundle")
    golden = json.loads(members["golden/small.json"])
    golden[0]["logits"][0] += 1
    altered = repack(tmp_path / "b.bundle", members | {"golden/small.json": json.dumps(golden).encode()})
    assert_one_line(call(capsys, main, "verify", altered), 1, "(small network): golden samples differ", "build again")
    fewer = repack(tmp_path / "c.bundle", members | {"golden/small.json": json.dumps(golden[1:]).encode()})
    with pytest.raises(BundleError, match=r"\(small network\): no golden sample of class 'red'"):
        verify(fewer)


def test_bench_times_a_cascade_too(tmp_path: Path) -> None:
    speeds = bench(colour_cascade(tmp_path / "a.bundle"), threads=1, batch=8, seconds=0.2)
    assert [speed.what for speed in speeds] == ["classifier", "onnxruntime", "cascade"]
