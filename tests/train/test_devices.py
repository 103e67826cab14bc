"""Which devices a run computes with."""

import pytest
import torch

from kardus.support.errors import UsageError
from train.config import make_config
from train.devices import augmenting_device, launch


def test_a_batch_too_small_for_the_processes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(UsageError, match="--batch 6: 4 processes need two photos each: use 8 or more"):
        launch(make_config(batch=6))


@pytest.mark.parametrize(("computing", "changing"), [("cuda:1", "cuda:1"), ("cpu", "cpu"), ("mps", "cpu")])
def test_crops_are_changed_on_a_cuda_device_and_else_on_the_processor(computing: str, changing: str) -> None:
    assert augmenting_device(torch.device(computing)) == torch.device(changing)
