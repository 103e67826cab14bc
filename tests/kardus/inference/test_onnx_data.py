"""Data outside a model is found wherever ONNX can hide it; anything else is a ValueError or an answer."""

import contextlib
import random
from collections.abc import Callable

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


def _in_sparse_indices(tensor: TensorProto) -> onnx.ModelProto:
    model = helper.make_model(helper.make_graph([], "g", [], []))
    model.graph.sparse_initializer.add().indices.CopyFrom(tensor)
    return model


def _in_attribute_of(name: str) -> Callable[[TensorProto], onnx.ModelProto]:
    """In one of the fields of an attribute that hold tensors."""

    def place(tensor: TensorProto) -> onnx.ModelProto:
        model = _in_attribute(numpy_helper.from_array(np.zeros(1, np.float32)))
        attribute = model.graph.node[0].attribute.add()
        field = getattr(attribute, name)
        holder = field.add() if name.endswith("s") else field
        if "sparse" in name:
            holder.values.CopyFrom(tensor)
        elif name.startswith("g"):
            holder.initializer.add().CopyFrom(tensor)
        else:
            holder.CopyFrom(tensor)
        return model

    return place


def _in_training(part: str) -> Callable[[TensorProto], onnx.ModelProto]:
    def place(tensor: TensorProto) -> onnx.ModelProto:
        model = helper.make_model(helper.make_graph([], "g", [], []))
        getattr(model.training_info.add(), part).initializer.add().CopyFrom(tensor)
        return model

    return place


def _in_function_attribute(tensor: TensorProto) -> onnx.ModelProto:
    model = _in_function(numpy_helper.from_array(np.zeros(1, np.float32)))
    model.functions[0].attribute_proto.add().t.CopyFrom(tensor)
    return model


PLACES = {
    "initializer": _in_initializer,
    "attribute": _in_attribute,
    "branch": _in_branch,
    "function": _in_function,
    "function's attribute": _in_function_attribute,
    "sparse values": _in_sparse,
    "sparse indices": _in_sparse_indices,
    **{f"attribute's {name}": _in_attribute_of(name) for name in ("t", "g", "tensors", "graphs")},
    **{f"attribute's {name}": _in_attribute_of(name) for name in ("sparse_tensor", "sparse_tensors")},
    **{f"training's {part}": _in_training(part) for part in ("initialization", "algorithm")},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("outside", [True, False])
def test_data_outside_is_found_wherever_it_is_named(place: str, outside: bool) -> None:  # noqa: FBT001
    assert has_external_data(PLACES[place](_tensor(outside=outside)).SerializeToString()) is outside


@pytest.mark.parametrize("kept", ["data_location", "external_data"])
def test_either_of_its_two_marks_is_enough(kept: str) -> None:
    tensor = _tensor(outside=True)
    tensor.ClearField({"data_location": "external_data", "external_data": "data_location"}[kept])
    assert has_external_data(_in_initializer(tensor).SerializeToString())


@pytest.mark.parametrize("strange", [b"\xa1\x06" + b"\x07" * 8, b"\xa5\x06" + b"\x07" * 4, b"\xa0\x06\x07"])
def test_fields_of_a_later_onnx_are_stepped_over(strange: bytes) -> None:
    """Field 100 in eight bytes, in four, as a number."""
    model = _in_initializer(_tensor(outside=True)).SerializeToString()
    assert has_external_data(strange + model)
    assert not has_external_data(strange)


@pytest.mark.parametrize("cut", [b"\x3a\x05abc", b"\xa1\x06\x07", b"\xa5\x06\x07\x07\x07", b"\xa1\x06" + b"\x07" * 7])
def test_a_field_that_is_cut_off_is_a_value_error(cut: bytes) -> None:
    with pytest.raises(ValueError, match="cut off"):
        has_external_data(cut)


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
