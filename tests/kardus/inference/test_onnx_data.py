"""Data outside a model is found wherever ONNX can hide it; anything else is a ValueError or an answer."""

import contextlib
import random

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from kardus.inference.bundle import read_bundle
from kardus.inference.onnx_data import has_external_data
from simulator.demo.play import DEMO_BUNDLE
from tests.edge_agent.making import damaged


def _tensor(*, outside: bool) -> TensorProto:
    tensor = numpy_helper.from_array(np.arange(12, dtype=np.float32), "w")
    if outside:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "weights.bin"
    return tensor


def _in_initializer(tensor: TensorProto) -> onnx.ModelProto:
    return helper.make_model(helper.make_graph([], "g", [], [], [tensor]))


def _in_attribute(tensor: TensorProto) -> onnx.ModelProto:
    node = helper.make_node("Constant", [], ["c"], value=tensor)
    return helper.make_model(helper.make_graph([node], "g", [], []))


def _in_branch(tensor: TensorProto) -> onnx.ModelProto:
    inner = helper.make_graph([], "inner", [], [], [tensor])
    node = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    return helper.make_model(helper.make_graph([node], "g", [], []))


def _in_function(tensor: TensorProto) -> onnx.ModelProto:
    node = helper.make_node("Constant", [], ["c"], value=tensor)
    function = helper.make_function("d", "f", [], ["c"], [node], [helper.make_opsetid("", 18)])
    return helper.make_model(helper.make_graph([], "g", [], []), functions=[function])


def _in_sparse(tensor: TensorProto) -> onnx.ModelProto:
    model = helper.make_model(helper.make_graph([], "g", [], []))
    model.graph.sparse_initializer.add().values.CopyFrom(tensor)
    return model


@pytest.mark.parametrize("place", [_in_initializer, _in_attribute, _in_branch, _in_function, _in_sparse])
@pytest.mark.parametrize("outside", [True, False])
def test_data_outside_is_found_wherever_it_is_named(place: object, outside: bool) -> None:  # noqa: FBT001
    assert callable(place)
    assert has_external_data(place(_tensor(outside=outside)).SerializeToString()) is outside


def test_a_bundle_of_ours_keeps_everything_inside() -> None:
    assert not has_external_data(read_bundle(DEMO_BUNDLE).model)


@given(st.binary(max_size=300))
def test_any_bytes_give_an_answer_or_a_value_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        has_external_data(data)


def test_damaged_models_give_an_answer_or_a_value_error() -> None:
    whole = _in_branch(_tensor(outside=True)).SerializeToString()
    rng = random.Random(1)
    for _ in range(3000):
        with contextlib.suppress(ValueError):
            has_external_data(damaged(whole, rng))


def test_a_model_nested_without_end_is_a_value_error() -> None:
    data = b""
    for field in reversed((7, *((1, 5, 6) * 200))):  # model, graph, and on: node, attribute, graph
        length, size = b"", len(data)
        while size > 127:
            length += bytes([size & 127 | 128])
            size >>= 7
        data = bytes([field << 3 | 2]) + length + bytes([size]) + data
    with pytest.raises(ValueError, match="nested too deeply"):
        has_external_data(data)
