"""A run, a checkpoint and a bundle answer alike."""

from pathlib import Path

import numpy as np
import pytest

from kardus.support.errors import BundleError, DataError, UsageError
from train.data.data_set import read_data
from train.data.photos import load_crops
from train.evaluation.predictor import BundlePredictor, TorchPredictor, open_predictor


def test_run_checkpoint_and_bundle_agree_on_every_photo(run_folder: Path, bundle_file: Path, photos: Path) -> None:
    crops = load_crops(read_data(photos), 48, "Reading")
    assert len(crops) > 64  # more than one batch
    run, checkpoint, bundle = (
        open_predictor(path).outputs(crops).logits for path in (run_folder, run_folder / "model.ckpt", bundle_file)
    )
    assert run.shape == (120, 15)
    np.testing.assert_array_equal(run, checkpoint)
    np.testing.assert_array_equal(run.argmax(axis=1), bundle.argmax(axis=1))
    assert np.abs(run - bundle).max() <= 1e-3


def test_run_and_bundle_know_the_same_of_themselves(run_folder: Path, bundle_file: Path) -> None:
    run, bundle = open_predictor(run_folder), open_predictor(bundle_file)
    assert isinstance(run, TorchPredictor)
    assert isinstance(bundle, BundlePredictor)
    assert run.size_px == bundle.size_px == 48
    assert run.classes == bundle.classes
    assert run.calibration == bundle.calibration


def test_logits_of_a_photo_do_not_depend_on_its_batch(run_folder: Path, bundle_file: Path, photos: Path) -> None:
    crops = load_crops(read_data(photos), 48, "Reading")[:70]
    for path in (run_folder, bundle_file):
        predictor = open_predictor(path)
        np.testing.assert_allclose(
            predictor.outputs(crops).logits[69:], predictor.outputs(crops[69:]).logits, atol=1e-4
        )


def test_nothing_at_the_path_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such model: name a run's folder, a checkpoint or a \.bundle file"):
        open_predictor(tmp_path / "none")


def test_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"model\.ckpt: no checkpoint there"):
        open_predictor(tmp_path)


def test_bundle_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.bundle").write_text("hello")
    with pytest.raises(BundleError, match=r"x\.bundle: damaged, or not a bundle"):
        open_predictor(tmp_path / "x.bundle")
