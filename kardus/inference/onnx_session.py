"""Opens onnxruntime's session over a model, and knows what it can raise."""

from collections.abc import Sequence

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from kardus.support.errors import ConfigError

CPU = "CPUExecutionProvider"
ORT_ERRORS = (
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)  # they have no common base but Exception


def open_session(model: bytes, threads: int, providers: Sequence[str]) -> ort.InferenceSession:
    """A session that holds no more memory than it needs.

    Args:
        model: an ONNX file's content.
        threads: processor threads for one run; 0 leaves the choice to onnxruntime.
        providers: onnxruntime's execution providers, the preferred one first.

    Raises:
        ConfigError: this machine's onnxruntime has no such provider.
        Exception: one of ORT_ERRORS: it can't load the model.
    """
    _require_providers(providers)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what is wrong with a model is reported once, by whoever asked for it
    options.enable_mem_pattern = False  # no plan of memory is kept for every number of crops
    session = ort.InferenceSession(model, options, providers=list(providers))
    session._model_bytes = None  # noqa: SLF001 - the model once more, for a try with other providers: nobody asks for it
    return session


def first_line(error: Exception) -> str:
    """What onnxruntime says, without its call stack."""
    return str(error).splitlines()[0]


def _require_providers(providers: Sequence[str]) -> None:
    """Refuse what onnxruntime would pass over with a warning."""
    available = ort.get_available_providers()
    missing = next((name for name in providers if name not in available), None)
    if missing is not None:
        raise ConfigError(
            f"model.providers: no {missing} in this onnxruntime (it has {', '.join(available)}): "
            "install the onnxruntime package for it, or name another"
        )
