"""Execution providers: what of a processor, GPU or NPU onnxruntime is to run a model on, and how it computes there.

What is asked for (`Provider`) comes from the configuration or from `--provider`; what is known of the usual ones
(`KNOWN_PROVIDERS`) are their packages, and the options by which each is told its arithmetic.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kardus.support.errors import UsageError
from kardus.support.settings_files import FilePath

Arithmetic = Literal["f32", "tf32", "f16", "bf16"]
"""The format that products are computed in, from the most exact on; sums are in f32 (of f16, on some chips, in f16)."""
CPU = "CPUExecutionProvider"


class Provider(BaseModel):
    """One entry of a list of execution providers: its name alone, or a table with how it is to compute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    """onnxruntime's name of it: `OpenVINOExecutionProvider`, `CUDAExecutionProvider` ..."""
    device: str = ""
    """Which of its devices: `CPU`, `GPU`, `NPU`, or a number (CUDA, TensorRT); empty: its usual one."""
    precision: Arithmetic | None = None
    """`f32`, `tf32`, `f16` or `bf16`; without it the most exact that the provider has."""
    library: FilePath | None = None
    """A plug-in's file, where it is none that an installed package brings."""
    options: dict[str, str] = {}
    """onnxruntime's own options for it, passed on as they are."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, given: Any) -> Any:
        return {"name": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _has_arithmetic(self) -> "Provider":
        known = KNOWN_PROVIDERS.get(self.name)
        if self.precision is not None and (known is None or self.precision not in known.arithmetics):
            has = ", ".join(known.arithmetics) if known else "none that we can name: use its own options"
            raise ValueError(f"precision '{self.precision}': {self.name} has {has}")
        if self.name == CPU and self.library is not None:
            raise ValueError(f"{CPU} is built into onnxruntime, and has no library: leave it out")
        if self.name == CPU and (self.options or self.device not in ("", "CPU")):
            raise ValueError(f"{CPU} has no device and no options: leave {next(iter(self.options), 'device')} out")
        return self

    def __hash__(self) -> int:
        """By everything that makes two of them equal."""
        return hash((self.name, self.device, self.precision, self.library, *sorted(self.options.items())))

    @property
    def arithmetic(self) -> Arithmetic:
        """What it is told to compute in."""
        if self.precision is not None:
            return self.precision
        known = KNOWN_PROVIDERS.get(self.name)
        return next(iter(known.arithmetics)) if known else "f32"

    def all_options(self, device: str) -> dict[str, str]:
        """What onnxruntime is given for it: what the arithmetic and device need, and what was named, which wins."""
        known = KNOWN_PROVIDERS.get(self.name)
        return (known.arithmetics[self.arithmetic](device) if known else {}) | self.options


@dataclass(frozen=True)
class KnownProvider:
    """What is known of a provider beforehand."""

    package: str
    """What to install, from the package index."""
    arithmetics: Mapping[Arithmetic, Callable[[str], dict[str, str]]]
    """The options that set each; the first is the usual one. They may depend on the device."""
    module: str = ""
    """Of one that is a plug-in: the package's module, whose `get_library_path()` names its file."""
    usual_device: str = ""
    needs: str = ""
    """What else must be there."""


def _always(**options: str) -> Callable[[str], dict[str, str]]:
    return lambda _: dict(options)


def _by_number(**options: str) -> Callable[[str], dict[str, str]]:
    return lambda device: options | ({"device_id": device} if device else {})


def _openvino(hint: str) -> Callable[[str], dict[str, str]]:
    """Its option `precision` is passed over by the plug-in; only this way in is obeyed."""
    return lambda device: {"load_config": json.dumps({device or "CPU": {"INFERENCE_PRECISION_HINT": hint}})}


def _qnn(**options: str) -> Callable[[str], dict[str, str]]:
    """For the NPU and, where the device is the processor, for its emulator: packages have no library for processors."""
    return lambda device: {"backend_type": "gpu" if device.upper() == "GPU" else "htp"} | options


KNOWN_PROVIDERS: Mapping[str, KnownProvider] = MappingProxyType(
    {
        CPU: KnownProvider("onnxruntime", {"f32": _always()}),
        "OpenVINOExecutionProvider": KnownProvider(
            "onnxruntime-ep-openvino",
            {"f32": _openvino("f32"), "f16": _openvino("f16"), "bf16": _openvino("bf16")},
            module="onnxruntime_ep_openvino",
            usual_device="CPU",
            needs="an Intel processor, GPU or NPU",
        ),
        "QNNExecutionProvider": KnownProvider(
            "onnxruntime-qnn",
            # the NPU computes in f16 by itself: enable_htp_fp16_precision is refused without the chip's soc_model
            {"f16": _qnn(), "f32": _qnn(enable_htp_fp16_precision="0")},
            module="onnxruntime_qnn",
            usual_device="NPU",
            needs="a Qualcomm chip",
        ),
        "CUDAExecutionProvider": KnownProvider(
            "onnxruntime-gpu",
            {"f32": _by_number(use_tf32="0"), "tf32": _by_number(use_tf32="1")},
            needs="NVIDIA's driver, CUDA and cuDNN",
        ),
        "TensorrtExecutionProvider": KnownProvider(
            "onnxruntime-gpu",
            {
                "tf32": _by_number(),  # TensorRT takes TF32 by default, and the provider has no option against it
                "f16": _by_number(trt_fp16_enable="1"),
                "bf16": _by_number(trt_bf16_enable="1"),
            },
            needs="NVIDIA's driver, CUDA, cuDNN and TensorRT",
        ),
        "CoreMLExecutionProvider": KnownProvider(
            "onnxruntime",
            {
                "f32": _always(ModelFormat="MLProgram", MLComputeUnits="CPUAndGPU"),
                "f16": _always(ModelFormat="MLProgram", MLComputeUnits="ALL", AllowLowPrecisionAccumulationOnGPU="1"),
            },
            needs="macOS",
        ),
    }
)
ON_CPU = (Provider(name=CPU),)
"""What a model runs on where nothing else is asked for."""


def parse_provider(text: str, option: str) -> Provider:
    """Read `NAME[,device=D][,precision=P][,library=FILE][,KEY=VALUE ...]`, as a command line has it.

    Raises:
        UsageError: it can't be understood; the message names the option.
    """
    name, *pairs = (word.strip() for word in text.split(","))
    given = [(key.strip(), value.strip()) for key, _, value in (pair.partition("=") for pair in pairs)]
    if any(not key or not value for key, value in given):
        raise UsageError(f"{option} '{text}': write NAME,key=value,... such as {CPU} or NAME,precision=f32")
    keys = [key for key, _ in given]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise UsageError(f"{option} '{text}': {twice} is given twice: give it once")
    fields = {key: value for key, value in given if key in ("device", "precision", "library")}
    own = {key: value for key, value in given if key not in fields}
    try:
        return Provider.model_validate({"name": name, **fields, "options": own})
    except ValidationError as error:
        raise UsageError(f"{option} '{text}': {_wrong_word(error)}") from error


def _wrong_word(error: ValidationError) -> str:
    """The first word that is wrong, and what it may be."""
    first = error.errors()[0]
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    if first["loc"] == ("name",):
        return f"it begins with no name: name {', '.join(KNOWN_PROVIDERS)}, or a plug-in's"
    word, message = first["loc"][0], first["msg"]
    return f"{word}={first['input']}: {message[:1].lower()}{message[1:]}"


def provider_names(providers: Sequence[Provider]) -> str:
    """Their names, for people."""
    return ", ".join(provider.name for provider in providers)
