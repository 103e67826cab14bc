"""How far a golden sample's logits may be off on another processor, runtime or chip."""

from collections.abc import Mapping
from types import MappingProxyType

from kardus.contract.manifest import Precision
from kardus.inference.providers import Arithmetic

OF_PRECISION: Mapping[Precision, float] = MappingProxyType({"fp32": 1e-3, "fp16": 5e-2, "int8": 0.1})
"""By the precision of the model's weights, where the arithmetic is f32. What was found stands in docs/hardware.md."""
OF_ARITHMETIC: Mapping[Arithmetic, float] = MappingProxyType({"f32": 1e-3, "tf32": 5e-2, "f16": 5e-2, "bf16": 0.3})
"""By the arithmetic that a processor computes the model in: two to three times what was found (docs/hardware.md)."""


def allowed(stated: float, arithmetic: Arithmetic) -> float:
    """The largest logit difference allowed: what the manifest states, or more where the arithmetic is coarser."""
    return stated if arithmetic == "f32" else max(stated, OF_ARITHMETIC[arithmetic])
