"""What a bundle can be converted to, by which toolkit, and where that is to be had."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

TargetName = Literal["openvino", "ncnn", "litert", "rknn"]
_NCHW = "float32 RGB on 0..255, 1 x 3 x {side} x {side}; normalisation is in the model"
_NHWC = "float32 RGB on 0..255, 1 x {side} x {side} x 3; normalisation is in the model"


@dataclass(frozen=True)
class Runtime:
    """One runtime."""

    modules: tuple[str, ...]
    """What its worker imports."""
    package: str
    """What to install."""
    needs_own_environment: bool = False
    """It pins numpy below 2, which Kardus needs: it can't be installed beside Kardus."""
    input: str = _NCHW
    """What the converted model takes."""
    usual_chip: str = ""
    """Empty: the files suit every chip."""

    @property
    def remedy(self) -> str:
        """How to get it."""
        if not self.needs_own_environment:
            return f"pip install {self.package}"
        return (
            f"it needs an environment of its own (python3.11 -m venv ENV; ENV/bin/pip install {self.package}): name it "
            "with --python ENV/bin/python"
        )


TARGETS: Mapping[str, Runtime] = MappingProxyType(
    {
        "openvino": Runtime(("openvino",), "openvino"),
        "ncnn": Runtime(("ncnn", "pnnx"), "ncnn pnnx"),
        "litert": Runtime(("onnx2tf", "ai_edge_litert"), "onnx2tf==1.29.24", needs_own_environment=True, input=_NHWC),
        "rknn": Runtime(("rknn.api",), "rknn-toolkit2==2.5.0", needs_own_environment=True, usual_chip="rk3588"),
    }
)
