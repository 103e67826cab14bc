"""Providers that are plug-ins: registered with onnxruntime by their library, and added to a session by a device."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime as ort

from kardus.inference.providers import KNOWN_PROVIDERS, Provider

registered: dict[str, Path] = {}
"""A library is registered once for the whole process, whichever session needs it."""


class NoPluginError(Exception):
    """A provider's plug-in isn't installed, can't be loaded, or finds nothing to run on; the text says which."""


def plugin_library(provider: Provider) -> Path | None:
    """The file of a provider's plug-in: the one that is named, or that of its package; None: there is none here.

    Raises:
        NoPluginError: the file that is named isn't there, or the package is damaged.
    """
    if provider.library is not None:
        if not provider.library.is_file():
            raise NoPluginError(f"{provider.library} is no file: name the plug-in's library")
        return provider.library
    known = KNOWN_PROVIDERS.get(provider.name)
    if known is None or not known.module:
        return None
    try:
        locate: Callable[[], str] = importlib.import_module(known.module).get_library_path
        return Path(locate())
    except ModuleNotFoundError:
        return None
    except (ImportError, AttributeError, OSError) as error:
        raise NoPluginError(f"{known.package} is damaged ({error}): install it again") from error


def plugin_device(provider: Provider, library: Path, errors: tuple[type[Exception], ...]) -> Any:
    """The device (`OrtEpDevice`) that a plug-in is added to a session by; registers the library before.

    Args:
        provider: the one that is asked for.
        library: its plug-in's file.
        errors: what onnxruntime raises.

    Raises:
        NoPluginError: the library can't be loaded, or has no such device.
    """
    if registered.get(provider.name) != library:
        try:
            # QNN's plug-in calls its devices by the name that it is registered under: it must be the provider's
            ort.register_execution_provider_library(provider.name, str(library))
        except errors as error:
            raise NoPluginError(f"{library.name} can't be loaded: {str(error).splitlines()[0]}") from error
        registered[provider.name] = library
    own = [device for device in ort.get_ep_devices() if device.ep_name == provider.name]
    known = KNOWN_PROVIDERS.get(provider.name)
    if not own:
        needs = f" (it needs {known.needs})" if known and known.needs else ""
        raise NoPluginError(f"its plug-in is installed, and finds nothing here to run on{needs}")
    wanted = provider.device or (known.usual_device if known else "")
    if not wanted:
        return own[0]
    found = next((device for device in own if wanted.upper() in _kinds(device)), None)
    if found is None:
        has = ", ".join(sorted({min(_kinds(device), key=len) for device in own}))
        raise NoPluginError(f"it has no device '{wanted}' here: it has {has}; name one with device")
    return found


def _kinds(device: Any) -> set[str]:
    """What a device may be called: its kind, and the provider's own name for it (`GPU.1`)."""
    own = {value for key, value in device.ep_metadata.items() if key.endswith("_device")}
    return {str(device.device.type).rpartition(".")[2].upper(), *(name.upper() for name in own)}
