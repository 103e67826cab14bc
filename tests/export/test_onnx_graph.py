"""The ONNX graph."""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from export.onnx_graph import OPSET, to_onnx
from export.portable_graph import to_portable
from export.quantise import quantiser
from kardus.inference.bundle import read_bundle
from train.augmentation.augmented_views import to_tensor
from train.evaluation.outputs import pooled_features, run_network
from train.networks.carton import AttentionSpec, CartonNet


@pytest.fixture(scope="module")
def graph(bundle_file: Path) -> onnx.ModelProto:
    """The small run's graph."""
    return onnx.load_from_string(read_bundle(bundle_file).model)


def _shape(value: onnx.ValueInfoProto) -> list[int | str]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def test_input_is_a_dynamic_batch_of_uint8_crops(graph: onnx.ModelProto) -> None:
    assert [value.name for value in graph.graph.input] == ["crops"]
    crops = graph.graph.input[0]
    assert crops.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    batch, *rest = _shape(crops)
    assert isinstance(batch, str)
    assert rest == [48, 48, 3]


def test_outputs_are_logits_embedding_and_evidence_of_the_same_batch(graph: onnx.ModelProto) -> None:
    assert [value.name for value in graph.graph.output] == ["logits", "embedding", "evidence"]
    batch = _shape(graph.graph.input[0])[0]
    assert [_shape(value) for value in graph.graph.output] == [[batch, 15], [batch, 95 + 1], [batch, 2, 2]]


def test_graph_is_one_file_of_standard_operators(graph: onnx.ModelProto) -> None:
    assert {(opset.domain, opset.version) for opset in graph.opset_import} == {("", OPSET)}
    assert {node.domain for node in graph.graph.node} == {""}
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in graph.graph.initializer)


def test_nothing_of_the_building_machine_is_in_it(bundle_file: Path) -> None:
    model = read_bundle(bundle_file).model
    for trace in ("site-packages", ".py", "Traceback", "/train/", sys.prefix, str(Path.cwd()), str(Path.home())):
        assert trace.encode() not in model, trace


def test_notes_of_the_exporter_are_stripped(graph: onnx.ModelProto) -> None:
    assert all(prop.key.startswith("kardus.") for prop in graph.metadata_props)
    assert not graph.producer_version
    for part in (*graph.graph.node, *graph.graph.initializer, *graph.graph.input, *graph.graph.value_info):
        assert not part.doc_string
        assert not part.metadata_props


def _lively() -> CartonNet:
    """A network with attention and GeM whose untrained answers differ from crop to crop."""
    torch.manual_seed(4)
    network = CartonNet("resnet18", 6, attention=AttentionSpec(), pooling="gem")
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if "attention.channel" in name:
                tensor.mul_(0.2)
        for _ in range(20):  # running statistics that are none of the defaults
            network.train()(torch.rand(4, 3, 32, 32) * 255)
        network.head.weight.mul_(10)
    return network.eval()


@pytest.mark.slow
def test_attention_and_gem_answer_as_in_torch_in_any_batch() -> None:
    network = _lively()
    session = onnxruntime.InferenceSession(to_onnx(network, 32), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(2)
    crops = (rng.integers(0, 256, (40, 8, 8, 3)).repeat(4, axis=1).repeat(4, axis=2)).astype(np.uint8)
    trained = run_network(network, crops)
    assert len(set(trained.logits.argmax(axis=1).tolist())) > 1
    np.testing.assert_allclose(trained.logits, network(to_tensor(crops)).detach().numpy(), atol=1e-4)
    for count in (1, 3, 40):
        logits, embedding, evidence = session.run(None, {"crops": crops[:count]})
        np.testing.assert_allclose(logits, trained.logits[:count], atol=1e-3)
        np.testing.assert_array_equal(logits.argmax(axis=1), trained.logits[:count].argmax(axis=1))
        np.testing.assert_allclose(embedding, trained.embedding[:count], atol=1e-4)
        np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(evidence, trained.evidence[:count], atol=1e-2)


@pytest.mark.slow
def test_an_embedding_of_earlier_stages_is_the_same_in_every_form_of_the_graph() -> None:
    torch.manual_seed(4)
    network = CartonNet("timm:test_efficientnet", 3, stages=True)
    crops = (
        np.random.default_rng(2).integers(0, 256, (24, 8, 8, 3)).repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8)
    )
    network.train()(to_tensor(crops))  # normalisation learns the activations' ranges
    network.space.fit(pooled_features(network, crops), torch.arange(24) % 3)
    trained, plain = run_network(network, crops).embedding, to_onnx(network, 64)
    assert float(np.abs(trained).max()) > 1

    def embedding(model: bytes, given: np.ndarray) -> np.ndarray:
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        return np.asarray(session.run(["embedding"], {"crops": given})[0])

    np.testing.assert_allclose(embedding(plain, crops), trained, atol=2e-3)
    one = to_tensor(crops[:1]).contiguous().numpy()
    np.testing.assert_allclose(embedding(to_portable(network, 64), one), trained[:1], atol=2e-3)
    with quantiser(plain, crops) as made:
        eight = embedding(made.model(), crops)
    alike = (eight * trained).sum(axis=1) / np.linalg.norm(eight, axis=1) / np.linalg.norm(trained, axis=1)
    assert float(alike.min()) > 0.9
