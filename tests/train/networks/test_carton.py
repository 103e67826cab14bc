"""The whole network: shapes, normalisation, pooling and evidence."""

import numpy as np
import pytest
import torch

from kardus.support.errors import UsageError
from train.networks.carton import IMAGENET_STATISTICS, AttentionSpec, CartonNet, GeM, InputStatistics
from train.networks.rmcsam import RMCSAM
from train.networks.whitening import WITHIN_DIRECTIONS

SMALL, EFFICIENT = "shufflenet_v2_x0_5", "timm:test_efficientnet"


def _crops(count: int = 2, size_px: int = 64) -> torch.Tensor:
    return torch.rand((count, 3, size_px, size_px), generator=torch.Generator().manual_seed(1)) * 255


def _check_outputs(network: CartonNet, classes: int) -> None:
    crops = _crops()
    with torch.no_grad():
        outputs = network.eval().explain(crops)
        maps = network.feature_map(crops)
        assert torch.allclose(outputs.logits, network(crops), atol=1e-5)
    assert outputs.logits.shape == (2, classes)
    assert outputs.embedding.shape == (2, min(maps.shape[1], classes - 1 + WITHIN_DIRECTIONS + 1))
    assert outputs.evidence.shape == (2, *maps.shape[2:])
    assert bool((outputs.evidence >= 0).all())
    for tensor in outputs:
        assert bool(torch.isfinite(tensor).all())


ONE_OF_EACH_FAMILY = (
    "resnet18",
    "mobilenet_v3_small",
    "shufflenet_v2_x0_5",
    "convnext_tiny",
    "regnet_y_400mf",
    "vgg11_bn",
    "timm:mobilenetv4_conv_small",
)


@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
@pytest.mark.parametrize(("rmcsam", "pooling"), [(False, "avg"), (True, "gem")])
def test_every_architecture_gives_logits_embedding_and_evidence(name: str, pooling: str, *, rmcsam: bool) -> None:
    torch.manual_seed(2)
    _check_outputs(CartonNet(name, 5, attention=AttentionSpec() if rmcsam else None, pooling=pooling), 5)


@pytest.mark.parametrize(("rmcsam", "pooling"), [(True, "avg"), (False, "gem")])
def test_attention_and_pooling_combine_freely(pooling: str, *, rmcsam: bool) -> None:
    torch.manual_seed(2)
    network = CartonNet(SMALL, 7, attention=AttentionSpec() if rmcsam else None, pooling=pooling)
    assert isinstance(network.attention, RMCSAM) is rmcsam
    assert isinstance(network.pool, GeM) is (pooling == "gem")
    _check_outputs(network, 7)


def test_with_stages_the_embedding_sees_earlier_maps_and_the_logits_stay() -> None:
    torch.manual_seed(2)
    network, plain = (CartonNet(EFFICIENT, 5, stages=stages).eval() for stages in (True, False))
    plain.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith("space.")}, strict=False)
    with torch.no_grad():
        described, pooled = network.described(_crops()), plain.described(_crops())
        assert torch.equal(network(_crops()), plain(_crops()))
        assert torch.equal(network.explain(_crops()).logits, plain.explain(_crops()).logits)
        assert torch.equal(network.pooled_and_described(_crops())[0], pooled)
        assert network.explain(_crops()).embedding.shape[0] == 2
    assert described.shape[1] == len(network.space.center) > pooled.shape[1] == len(plain.space.center)
    assert torch.allclose(described.norm(dim=1), torch.tensor(2.0))  # of the last map and three earlier ones
    last = described[:, -pooled.shape[1] :]
    assert torch.allclose(last, pooled / pooled.norm(dim=1, keepdim=True), atol=1e-6)


@pytest.mark.parametrize("name", ["resnet18", "timm:mobilenetv4_conv_small", "timm:test_resnet"])
def test_networks_whose_stages_are_not_known_are_refused_with_stages(name: str) -> None:
    with pytest.raises(UsageError, match=f"--arch {name} isn't an EfficientNet of timm: give --embedding last"):
        CartonNet(name, 3, stages=True)


def test_input_is_normalised_by_imagenets_statistics_inside_the_network() -> None:
    torch.manual_seed(0)
    network = CartonNet(SMALL, 3).eval()
    crops = _crops()
    by_hand = (crops.numpy() - np.reshape(IMAGENET_STATISTICS.mean, (1, 3, 1, 1))) / np.reshape(
        IMAGENET_STATISTICS.std, (1, 3, 1, 1)
    )
    with torch.no_grad():
        expected = network.features(torch.from_numpy(by_hand).float())
        assert torch.allclose(network.feature_map(crops), expected, atol=1e-4)
    assert pytest.approx((123.675, 116.28, 103.53)) == IMAGENET_STATISTICS.mean
    assert pytest.approx((58.395, 57.12, 57.375)) == IMAGENET_STATISTICS.std


def test_evidence_is_the_positive_part_of_the_top_class_activation_map() -> None:
    torch.manual_seed(0)
    network = CartonNet(SMALL, 4).eval()
    crops = _crops()
    with torch.no_grad():
        outputs = network.explain(crops)
        maps = network.feature_map(crops).numpy()
    weight = network.head.weight.detach().numpy()
    for index, top in enumerate(outputs.logits.argmax(dim=1).tolist()):
        expected = np.zeros(maps.shape[2:])
        for channel in range(maps.shape[1]):
            expected += weight[top, channel] * maps[index, channel]
        np.testing.assert_allclose(outputs.evidence[index].numpy(), np.maximum(expected, 0), atol=1e-4)


def test_gem_is_the_cubic_mean_over_the_places() -> None:
    maps = np.random.default_rng(0).uniform(0.1, 2, (2, 3, 4, 5))
    expected = np.cbrt((maps**3).sum(axis=(2, 3)) / 20)
    np.testing.assert_allclose(GeM()(torch.from_numpy(maps)).numpy(), expected, rtol=1e-9)


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    network = CartonNet(SMALL, 3, dropout=0.5).eval()
    crops = _crops()
    with torch.no_grad():
        assert torch.equal(network(crops), network(crops))
        network.dropout.train()
        assert not torch.equal(network(crops), network(crops))


def test_statistics_of_the_input_are_kept_with_the_weights() -> None:
    network, other = CartonNet(SMALL, 3), CartonNet(SMALL, 3)
    network.use_statistics(InputStatistics((127.0,) * 3, (128.0,) * 3))
    other.load_state_dict(network.state_dict())
    assert other.statistics == network.statistics
    crops = _crops()
    with torch.no_grad():
        assert torch.equal(network.eval()(crops), other.eval()(crops))


def test_weights_without_statistics_were_trained_with_those_of_imagenet() -> None:
    network = CartonNet(SMALL, 3)
    network.use_statistics(InputStatistics((127.0,) * 3, (128.0,) * 3))
    network.load_state_dict(
        {name: value for name, value in network.state_dict().items() if name not in ("mean", "std")}
    )
    assert network.statistics.mean == pytest.approx(IMAGENET_STATISTICS.mean)
    assert network.statistics.std == pytest.approx(IMAGENET_STATISTICS.std)
