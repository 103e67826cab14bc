"""Where other bundles come from: servers that an authority vouches for, and a folder that is watched."""

import os
import ssl
from pathlib import Path

from edge_agent.config.sections import ModelSection
from kardus.support.errors import ConfigError


def require_sources(settings: ModelSection) -> None:
    """Whether the authorities' file and the folder can be used. The folder may come later.

    Raises:
        ConfigError: one can't; the message names its key.
    """
    if settings.ca_file:
        tls_context(settings.ca_file)
    folder = settings.watch_folder
    if folder and folder.exists() and not (folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)):
        raise ConfigError(f"model.watch_folder = {folder}: can't be listed: name a folder that the agent may read")


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """What a connection to a server is made with; without a file, by the system's authorities.

    Raises:
        ConfigError: no certificates can be read from the file.
    """
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"model.ca_file = {ca_file}: no certificates (PEM) can be read from it: name the authority's PEM file"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
