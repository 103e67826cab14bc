"""From a checkpoint to a bundle that answers as the trained model does."""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from export import build as build_module
from export.build import build
from export.lower_precision import PrecisionTarget
from kardus.contract.manifest import GoldenSample
from kardus.inference.bundle import Bundle, read_bundle
from kardus.inference.preprocess import read_photo, rectify_whole
from kardus.support.errors import BundleError, DataError, UsageError
from tests.conftest import BUILT, run_command
from tests.in_process import assert_nothing_written
from tests.train.making import labelled
from train.data.data_set import read_data
from train.evaluation.outputs import run_network
from train.networks.checkpoint import build_network, load_checkpoint, save_checkpoint


@pytest.fixture
def bundle(bundle_file: Path) -> Bundle:
    """The small run's bundle, read."""
    return read_bundle(bundle_file)


@pytest.fixture
def ready_graph(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `build` take the small run's graph instead of exporting again, which takes seconds."""
    monkeypatch.setattr(build_module, "to_onnx", lambda *_: bundle.model)


def _fp32(data: Path) -> PrecisionTarget:
    return PrecisionTarget("fp32", max_drop=0, data=data)


def test_same_inputs_give_the_same_bytes_in_another_folder_and_process_and_no_file_in_the_home(
    run_folder: Path,
    photos: Path,
    signing_key: tuple[Path, str],
    bundle_file: Path,
    *,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", BUILT)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CI", raising=False)  # where it is set, onnxruntime sends and keeps nothing of itself
    (tmp_path / "home").mkdir()
    here = tmp_path / "far" / "away"
    shutil.copytree(run_folder, here / "run")
    shutil.copytree(photos, here / "photos")
    options = ("--data", here / "photos", "--sign", signing_key[0])
    run_command("kardus-export", "build", here / "run", "--out", here / "small.bundle", *options)
    assert read_bundle(bundle_file).manifest.created == "2023-11-14T22:13:20+00:00"
    assert (here / "small.bundle").read_bytes() == bundle_file.read_bytes()
    assert not list(tmp_path.rglob("*.part"))
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]  # telemetry is off


def test_parity_on_real_crops_is_measured_and_within_its_limit(bundle: Bundle) -> None:
    parity = bundle.manifest.parity
    assert parity.n == 120
    assert 0 < parity.mean_logit_difference <= parity.max_logit_difference <= 1e-3
    assert parity.top1_agreement == 1
    assert parity.min_embedding_cosine == pytest.approx(1, abs=1e-4)


@pytest.mark.usefixtures("ready_graph")
def test_graph_of_another_network_is_refused_and_nothing_written(run_folder: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(run_folder)
    torch.manual_seed(99)
    other = build_network(checkpoint.config, checkpoint.classes).state_dict()
    (tmp_path / "run").mkdir()
    save_checkpoint(tmp_path / "run" / "model.ckpt", replace(checkpoint, weights=other))
    out = tmp_path / "out" / "wrong.bundle"
    out.parent.mkdir()
    with pytest.raises(BundleError, match=r"wrong\.bundle: not written: the exported model differs from the trained"):
        build(tmp_path / "run", out)
    assert_nothing_written(tmp_path, out)


@pytest.mark.usefixtures("ready_graph")
def test_graph_for_other_classes_is_refused_and_nothing_written(run_folder: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(run_folder)
    classes = checkpoint.classes[:7]
    weights = build_network(checkpoint.config, classes).state_dict()
    save_checkpoint(tmp_path / "model.ckpt", replace(checkpoint, weights=weights, classes=classes))
    with pytest.raises(BundleError, match="not the logits of 7 classes"):
        build(tmp_path / "model.ckpt", tmp_path / "wrong.bundle")
    assert_nothing_written(tmp_path, tmp_path / "wrong.bundle")


def test_golden_samples_cover_every_class_with_crops_of_the_data_set(bundle: Bundle, photos: Path) -> None:
    assert [sample.label for sample in bundle.golden] == [info.name for info in bundle.manifest.classes]
    assert [sample.file for sample in bundle.golden] == [f"golden/{number}.png" for number in range(15)]
    for sample in bundle.golden:
        own = [rectify_whole(read_photo(s.path), 48) for s in read_data(photos).samples if s.name == sample.label]
        assert any(np.array_equal(_crop(bundle, sample), crop) for crop in own)


def _crop(bundle: Bundle, sample: GoldenSample) -> np.ndarray:
    with Image.open(io.BytesIO(bundle.golden_png[sample.file]), formats=("PNG",)) as picture:
        return np.asarray(picture)


def test_golden_outputs_are_those_of_the_trained_model(bundle: Bundle, run_folder: Path) -> None:
    network = load_checkpoint(run_folder).model()
    trained = run_network(network, np.stack([_crop(bundle, sample) for sample in bundle.golden]))
    names = [info.name for info in bundle.manifest.classes]
    for sample, logits in zip(bundle.golden, trained.logits, strict=True):
        np.testing.assert_allclose(sample.logits, logits, atol=1e-3)
        assert sample.top1 == names[int(logits.argmax())]


def test_manifest_tells_what_the_checkpoint_knows(
    bundle: Bundle, run_folder: Path, signing_key: tuple[Path, str]
) -> None:
    checkpoint, manifest = load_checkpoint(run_folder), bundle.manifest
    assert manifest.classes == checkpoint.classes
    assert manifest.calibration == checkpoint.calibration
    assert manifest.metrics == checkpoint.metrics
    assert (manifest.name, manifest.version, manifest.precision) == ("small", "1.0.0", "fp32")
    assert manifest.input.size == 48
    assert manifest.training.data_sha256 == checkpoint.data_sha256
    assert manifest.training.photos == 90
    assert manifest.training.parameters == sum(p.numel() for p in checkpoint.model().parameters())
    assert manifest.training.config["seed"] == 1
    assert bundle.signed_by == (signing_key[1],)


def test_no_path_of_the_building_machine_is_in_the_manifest(bundle_file: Path, photos: Path, run_folder: Path) -> None:
    manifest = read_bundle(bundle_file).manifest.model_dump_json()
    for path in (photos, run_folder, Path.cwd()):
        assert str(path) not in manifest


@pytest.mark.usefixtures("ready_graph")
def test_name_version_and_lack_of_a_key_are_as_asked(run_folder: Path, tmp_path: Path) -> None:
    build(run_folder, tmp_path / "x.bundle", name="shelf-7", version="2.10.3")
    bundle = read_bundle(tmp_path / "x.bundle")
    assert bundle.title == "shelf-7 2.10.3"
    assert bundle.signed_by == ()


def test_data_set_that_is_gone_is_named_with_the_option(run_folder: Path, tmp_path: Path) -> None:
    checkpoint = replace(load_checkpoint(run_folder), data_source=str(tmp_path / "gone"))
    save_checkpoint(tmp_path / "model.ckpt", checkpoint)
    with pytest.raises(DataError, match=r"gone: the data set that was trained on is not there: name it with --data"):
        build(tmp_path / "model.ckpt", tmp_path / "x.bundle")


def test_a_named_data_set_that_is_not_there_is_refused(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        build(run_folder, tmp_path / "x.bundle", target=_fp32(tmp_path / "nowhere"))


def test_data_set_without_a_photo_of_every_class_is_refused(run_folder: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "model.ckpt", replace(load_checkpoint(run_folder), data_source=str(tmp_path / "gone")))
    with pytest.raises(DataError, match="no photo of class 'Juice-Guava': every class needs a golden sample"):
        build(tmp_path / "model.ckpt", tmp_path / "x.bundle", target=_fp32(labelled(tmp_path / "data")))
    assert_nothing_written(tmp_path, tmp_path / "x.bundle")


@pytest.mark.parametrize("words", [{"name": "a\n"}, {"version": "1.0.0\n"}, {"version": "1.0"}, {"name": "a b"}])
def test_names_and_versions_that_no_bundle_may_have_are_refused(
    run_folder: Path, tmp_path: Path, words: dict[str, str]
) -> None:
    with pytest.raises(UsageError, match="can't be used: use"):
        build(run_folder, tmp_path / "x.bundle", name=words.get("name"), version=words.get("version", "1.0.0"))


def test_a_folder_in_the_bundles_place_is_refused_before_the_work(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "x.bundle").mkdir()
    with pytest.raises(UsageError, match=r"--out .*x\.bundle: is a folder"):
        build(run_folder, tmp_path / "x.bundle")


def test_a_source_date_that_is_no_time_is_named(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH = 'yesterday': not a time"):
        build(run_folder, tmp_path / "x.bundle")
    assert list(tmp_path.iterdir()) == []
