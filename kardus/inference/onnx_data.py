"""Whether an ONNX model keeps any of its data outside itself, told from its bytes, without the onnx package.

Data outside would be covered by no hash and no signature. Walks the protobuf wire format
(https://protobuf.dev/programming-guides/encoding/) along the messages of onnx.proto that can hold a tensor.
"""

from collections.abc import Iterator

_MAX_DEPTH = 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # fields of TensorProto
_PARTS = {  # message -> field number -> message
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}


def has_external_data(model: bytes) -> bool:
    """Whether any tensor of the model lies outside the model's own bytes.

    Raises:
        ValueError: the bytes are not a protobuf message.
    """
    return _is_external(memoryview(model), "model", 0)


def _is_external(message: memoryview, kind: str, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    for field, value in _fields(message):
        if kind == "tensor":
            if field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value != 0):
                return True
        elif (
            isinstance(value, memoryview)
            and field in _PARTS[kind]
            and _is_external(value, _PARTS[kind][field], depth + 1)
        ):
            return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Number and value of each field of a message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            size, at = _varint(message, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if at + size > len(message):
            raise ValueError("cut off")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at a place, and the place after it."""
    value = shift = 0
    while at < len(message) and shift < 64:  # noqa: PLR2004 - ten bytes hold 64 bits
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004 - the last byte has no top bit
            return value, at
    raise ValueError("a number without an end")
