"""Gets a bundle's bytes to the staging folder: over HTTPS, or from a file. Nothing of them is believed here."""

import hashlib
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx2

from edge_agent.models.bundle_sources import tls_context
from kardus.contract.commands import ChangeModel
from kardus.inference.bundle_archive import CHUNK_BYTES, MAX_BUNDLE_BYTES
from kardus.support.backoff import backoff_s
from kardus.support.errors import BundleError
from kardus.support.exchange import Exchanges, Trace
from kardus.support.input_files import open_file

TIMEOUT_S = 20.0
"""How long a server may be silent."""
SLOWEST_BYTES_S = 8192.0
"""A server that gives less a second, on average, is given up: so all of it has a time-out."""
TRIES = 4
BACK_OFF_S = 2.0
"""Before the second try, on average; twice as long before each further one. By half to one and a half times as long, by
chance: a whole fleet is told of a model at the same moment."""


def fetch(command: ChangeModel, target: Path, ca_file: Path | None, stopping: threading.Event) -> None:
    """Download the file that a command names; it is tried several times.

    Raises:
        BundleError: the server doesn't give it, it isn't the file that the command names, or the disk doesn't take it.
    """
    context = tls_context(ca_file)
    for attempt in range(1, TRIES + 1):
        try:
            # Nothing of the environment's proxies or credentials; no redirection to somewhere else.
            with httpx2.Client(verify=context, timeout=TIMEOUT_S, trust_env=False) as client:
                digest = _downloaded(client, command, target, stopping)
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError, TimeoutError) as error:
            pause_s = BACK_OFF_S * 2 ** (attempt - 1)
            if attempt == TRIES or stopping.wait(pause_s / 2 + backoff_s(0, first_s=pause_s, cap_s=pause_s)):
                raise BundleError(
                    f"{command.url}: can't be fetched ({str(error) or type(error).__name__}): check the address, the "
                    "server, and model.ca_file"
                ) from error
        else:
            _require(command, target, digest)
            return


def copy(source: Path, target: Path) -> str:
    """Copy a file, so that nobody changes it meanwhile; its SHA-256.

    Raises:
        BundleError: it can't be read, is too large for a bundle, or the disk doesn't take it.
    """
    try:
        with open_file(source) as file:
            return write_limited(iter(lambda: file.read(CHUNK_BYTES), b""), target, MAX_BUNDLE_BYTES)
    except OSError as error:
        raise BundleError(f"{source}: cannot be read ({error.strerror}): copy it there again") from error


def write_limited(parts: Iterable[bytes], target: Path, limit: int) -> str:
    """Write what comes to a file, at most so many bytes; the SHA-256 of it.

    Raises:
        BundleError: more comes, or the disk doesn't take it.
    """
    digest, length = hashlib.sha256(), 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.open("wb")
    except OSError as error:
        raise _full(target, error) from error
    with file:
        for part in parts:
            length += len(part)
            if length > limit:
                raise BundleError(f"more than {limit} bytes come: not the bundle that was meant")
            digest.update(part)
            try:
                file.write(part)
                file.flush()
            except OSError as error:
                raise _full(target, error) from error
    return digest.hexdigest()


def _downloaded(client: httpx2.Client, command: ChangeModel, target: Path, stopping: threading.Event) -> str:
    """Download to a file once; the SHA-256 of what came."""

    def download(trace: Trace) -> str:
        return write_limited(_parts(client, command.url, stopping, trace), target, command.size)

    return Exchanges(stopping).run(download, TIMEOUT_S + command.size / SLOWEST_BYTES_S)


def _parts(client: httpx2.Client, url: str, stopping: threading.Event, trace: Trace) -> Iterator[bytes]:
    headers = {"Accept-Encoding": "identity"}
    with client.stream("GET", url, headers=headers, extensions={"trace": trace}) as answer:
        if answer.status_code != httpx2.codes.OK:
            raise httpx2.HTTPStatusError(
                f"it answers {answer.status_code} {answer.reason_phrase}", request=answer.request, response=answer
            )
        for part in answer.iter_raw(CHUNK_BYTES):
            if stopping.is_set():
                raise httpx2.ReadError("it isn't wanted any more")
            yield part


def _require(command: ChangeModel, target: Path, digest: str) -> None:
    length = target.stat().st_size
    if (length, digest) != (command.size, command.sha256):
        raise BundleError(
            f"{command.url}: {length} bytes with the SHA-256 {digest}: not the {command.size} bytes with "
            f"{command.sha256} that the command names"
        )


def _full(target: Path, error: OSError) -> BundleError:
    return BundleError(f"{target}: cannot be written ({error.strerror}): check the disk and its space")
