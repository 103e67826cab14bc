"""Which precision and which devices a run computes with."""

import pytest
import torch

from kardus.support.errors import UsageError
from train.config import ComputePrecision, make_config
from train.devices import augmenting_device, choose_precision, launch
from train.networks.carton import CartonNet


@pytest.mark.parametrize(
    ("asked", "flags", "arch", "chosen"),
    [
        ("auto", {"avx512_bf16": True}, "resnet18", "bf16-mixed"),
        ("auto", {"avx512_bf16": False, "avx2": True}, "resnet18", "32-true"),
        ("auto", {"avx512_bf16": True}, "shufflenet_v2_x0_5", "32-true"),  # slower there, with its grouped convolutions
        ("32", {"avx512_bf16": True}, "resnet18", "32-true"),
        ("bf16", {}, "mobilenet_v3_small", "bf16-mixed"),
    ],
)
def test_precision_is_bfloat16_where_that_is_faster(
    monkeypatch: pytest.MonkeyPatch, asked: ComputePrecision, flags: dict[str, bool], arch: str, chosen: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags)
    assert choose_precision(asked, CartonNet(arch, 2)) == chosen


def test_a_batch_too_small_for_the_processes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(UsageError, match="--batch 6: 4 processes need two photos each: use 8 or more"):
        launch(make_config(batch=6), CartonNet("resnet18", 2))


@pytest.mark.parametrize(("computing", "changing"), [("cuda:1", "cuda:1"), ("cpu", "cpu"), ("mps", "cpu")])
def test_crops_are_changed_on_a_cuda_device_and_else_on_the_processor(computing: str, changing: str) -> None:
    assert augmenting_device(torch.device(computing)) == torch.device(changing)
