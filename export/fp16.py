"""The model in half precision: weights and arithmetic in 16 bits, outputs in 32."""

import warnings
from collections.abc import Collection

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16

from export.precision_search import LayerNoise


class HalfPrecision:
    """Converts a model to half precision."""

    def __init__(self, model: bytes) -> None:
        """Take the float model."""
        self._model = model

    def model(self, in_float: Collection[str] = ()) -> bytes:
        """The model in float16, except inputs, outputs and the named nodes, as one file."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of values below float16's range; the accuracy is evaluated
            converted = convert_float_to_float16(
                onnx.load_from_string(self._model), keep_io_types=True, node_block_list=list(in_float)
            )
        onnx.checker.check_model(converted)
        return bytes(converted.SerializeToString(deterministic=True))

    def ranking(self) -> list[LayerNoise]:
        """None: a network that overflows in half precision does so in most layers."""
        return []
