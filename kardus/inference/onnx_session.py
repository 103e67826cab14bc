"""Opens onnxruntime's session over a model, sees what it really runs on, and knows what it can raise."""

import json
import logging
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from kardus.inference.provider_plugins import NoPluginError, plugin_device, plugin_library, registered
from kardus.inference.providers import CPU, KNOWN_PROVIDERS, Arithmetic, Provider, provider_names
from kardus.support.errors import ProviderError

ORT_ERRORS = (
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)  # they have no common base but Exception
PROVIDER_ERRORS = (*ORT_ERRORS, RuntimeError, ValueError)
"""What onnxruntime raises where a provider can't be made, by the provider."""
UNWANTED_OPTIMIZERS = ["WeightBiasQuantization"]
"""It rounds a layer that export left in float between two of 8 bits, with one scale for all of its filters."""
_NUMPY = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}
log = logging.getLogger("kardus.inference")


@dataclass(frozen=True)
class RunsOn:
    """What a session was seen to run on."""

    shares: Mapping[str, float]
    """Each provider's share of the time of one run, 0..1."""
    arithmetic: Arithmetic = "f32"
    """The coarsest that it computes in."""
    device: str = ""
    """The device that was named for the preferred provider; empty: its usual one."""
    unused: tuple[str, ...] = ()
    """Why each provider that is preferred isn't used: `NAME: reason`."""

    def __str__(self) -> str:
        """For people, the largest share first."""
        shares = sorted(self.shares.items(), key=lambda item: -item[1])
        first, *rest = [f"{name} {100 * share:.0f} %" if len(shares) > 1 else name for name, share in shares]
        details = ", ".join(filter(None, (self.device, self.arithmetic)))
        instead = "".join(f"; not on {reason}" for reason in self.unused)
        return f"{', '.join([f'{first} ({details})', *rest])}{instead}"


@dataclass
class _Candidates:
    """What of a list of providers can be tried here."""

    usable: list[Provider] = field(default_factory=list)
    devices: dict[str, Any] = field(default_factory=dict)
    """The device of each that is a plug-in."""
    unused: list[str] = field(default_factory=list)
    """Why the others can't."""


def open_session(model: bytes, threads: int, providers: Sequence[Provider]) -> tuple[ort.InferenceSession, RunsOn]:
    """A session that holds no more memory than it needs, and what it runs on.

    A list names what may run the model, the preferred one first. Where none but the processor is named, nothing is
    asked; otherwise one run is profiled, since onnxruntime passes over a provider that doesn't work without a word.

    Args:
        model: an ONNX file's content.
        threads: processor threads for one run; 0 leaves the choice to onnxruntime.
        providers: execution providers, the preferred one first; any after it are its fall-backs.

    Raises:
        ProviderError: none of them can be used, or a name isn't known.
        Exception: one of ORT_ERRORS: it can't load the model.
    """
    found = _candidates(providers)
    while True:
        if not found.usable:
            raise _not_used(providers, found.unused, "")
        is_plain = [provider.name for provider in found.usable] == [CPU]
        try:
            session, shares = _try(model, threads, found, is_profiled=not is_plain)
        except PROVIDER_ERRORS as error:
            if is_plain:
                raise
            found.unused.append(f"{found.usable[0].name}: it fails ({_cause(error)})")
            del found.usable[0]
            continue
        return session, _runs_on(providers, found, shares)


def first_line(error: Exception) -> str:
    """What onnxruntime says, without its call stack."""
    return str(error).splitlines()[0]


def _cause(error: Exception) -> str:
    """The last of the places that onnxruntime passed an error through, in one line."""
    return first_line(error).rpartition(" : ")[2]


def _candidates(providers: Sequence[Provider]) -> _Candidates:
    """Sort out what isn't installed, and what has no device here.

    Raises:
        ProviderError: nobody knows a provider of that name, one is named twice, or has a library that can't be used.
    """
    found = _Candidates()
    # onnxruntime calls a plug-in available, too, once it was used: it must go on to be added by its device
    built_in = [name for name in ort.get_available_providers() if name not in registered]
    for name, count in Counter(provider.name for provider in providers).items():
        if count > 1:
            raise ProviderError(
                f"'{name}' is named {count} times, and which of them runs the model couldn't be told: name it once, "
                f"and {CPU} after it as its fall-back"
            )
    for provider in providers:
        if provider.library is not None and provider.name in built_in:
            raise ProviderError(
                f"'{provider.name}' is built into the onnxruntime that is installed, and would pass over the library "
                f"{provider.library}: leave it out"
            )
        try:
            library = None if provider.name in built_in else plugin_library(provider)
            if library is not None:
                found.devices[provider.name] = plugin_device(provider, library, PROVIDER_ERRORS)
            elif provider.name not in built_in:
                found.unused.append(f"{provider.name}: {_not_installed(provider, built_in)}")
                continue
        except NoPluginError as error:
            found.unused.append(f"{provider.name}: {error}")
            continue
        found.usable.append(provider)
    return found


def _not_installed(provider: Provider, built_in: Sequence[str]) -> str:
    known = KNOWN_PROVIDERS.get(provider.name)
    if known is None:
        others = ", ".join(name for name in KNOWN_PROVIDERS if name not in built_in)
        raise ProviderError(
            f"'{provider.name}': no such provider in this onnxruntime: name one that it has ({', '.join(built_in)}) or "
            f"that can be added ({others}), or its plug-in (library = FILE)"
        )
    needs = f"; it needs {known.needs}" if known.needs else ""
    return f"not in this onnxruntime: pip install {known.package}{needs}"


def _try(
    model: bytes, threads: int, found: _Candidates, *, is_profiled: bool
) -> tuple[ort.InferenceSession, dict[str, float]]:
    """The session over these providers, and each one's share of one run.

    Raises:
        ProviderError: there is nowhere to write the profile.
    """
    if not is_profiled:
        return _session(model, _options(threads), found), {CPU: 1.0}
    try:
        with tempfile.TemporaryDirectory(prefix="kardus-profile-") as folder:
            options = _options(threads)
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "run")
            session = _session(model, options, found)
            session.run(None, _zeros(session))
            profile = Path(session.end_profiling()).read_bytes()
    except OSError as error:
        raise ProviderError(
            f"what the model runs on can't be seen ({error}): let the temporary folder (TMPDIR) "
            f"be written, or name {CPU} alone"
        ) from error
    return session, shares_of(profile)


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what is wrong with a model is reported once, by whoever asked for it
    options.enable_mem_pattern = False  # no plan of memory is kept for every number of crops
    options.add_session_config_entry(
        "session.force_spinning_stop", "1"
    )  # its threads would wait for the next run, busy
    return options


def _session(model: bytes, options: ort.SessionOptions, found: _Candidates) -> ort.InferenceSession:
    given: dict[str, Any] = {}
    if found.devices:
        for provider in found.usable:
            own = provider.all_options(provider.device)
            if provider.name in found.devices:
                options.add_provider_for_devices([found.devices[provider.name]], own)
            elif provider.name != CPU:  # onnxruntime adds it, as the last one
                options.add_provider(provider.name, own)
    else:
        given["providers"] = [(provider.name, provider.all_options(provider.device)) for provider in found.usable]
    session = ort.InferenceSession(model, options, enable_fallback=0, disabled_optimizers=UNWANTED_OPTIMIZERS, **given)
    session._model_bytes = None  # noqa: SLF001 - the model once more, for a try with other providers: nobody asks for it
    return session


def _zeros(session: ort.InferenceSession) -> dict[str, Any]:
    """One input for a run whose answer doesn't matter."""
    return {
        node.name: np.zeros([size if isinstance(size, int) else 1 for size in node.shape], _NUMPY[node.type])
        for node in session.get_inputs()
    }


def shares_of(profile: bytes) -> dict[str, float]:
    """Each provider's share of the time of the kernels in an onnxruntime profile (JSON); 0..1, together 1."""
    times: Counter[str] = Counter()
    for event in json.loads(profile):
        provider = event.get("args", {}).get("provider", "")
        if event.get("cat") == "Node" and provider:
            times[provider] += max(1, event["dur"])  # microseconds; what took none was run all the same
    whole = sum(times.values())
    return {name: time / whole for name, time in times.items()}


def _runs_on(providers: Sequence[Provider], found: _Candidates, shares: Mapping[str, float]) -> RunsOn:
    """What a session runs on, where that was asked for.

    Raises:
        ProviderError: none of the list is used.
    """
    used = [provider for provider in found.usable if provider.name in shares]
    idle = [provider.name for provider in found.usable if provider.name not in shares and provider.name != CPU]
    first = used[0] if used else None
    before = [provider.name for provider in providers[: providers.index(first)]] if first else idle
    unused = [*found.unused, *(f"{name}: it takes nothing of this model here{_needs(name)}" for name in idle)]
    told = tuple(reason for reason in unused if not first or reason.partition(":")[0] in before)
    if first is None:
        raise _not_used(providers, told, f"; it would run on {', '.join(shares)}")
    for reason in told:
        log.warning("the model runs on %s, a fall-back: not on %s", first.name, reason)
    coarsest = max((provider.arithmetic for provider in used), key=("f32", "tf32", "f16", "bf16").index)
    return RunsOn(dict(shares), coarsest, first.device, told)


def _needs(name: str) -> str:
    known = KNOWN_PROVIDERS.get(name)
    return f" (it needs {known.needs})" if known and known.needs else ""


def _not_used(providers: Sequence[Provider], reasons: Sequence[str], instead: str) -> ProviderError:
    remedy = "" if CPU in provider_names(providers) else f"; or name {CPU} after it, as a fall-back"
    return ProviderError(f"{'; '.join(reasons)}{instead}{remedy}")
