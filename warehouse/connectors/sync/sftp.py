"""Lists that the WMS uploads to an SFTP server: the newest one that rests is what stands there.

SFTP doesn't say when an upload is over. A list counts when it was the same for a while, and, with `marker`, when the
WMS has put a file beside it that says so.
"""

import asyncio
import fnmatch
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from kardus.support.errors import UsageError
from warehouse.connectors.secret import secret
from warehouse.connectors.sync.lists import is_finished, require_present, snapshot_of
from warehouse.connectors.sync.sftp_settings import SftpSettings
from warehouse.connectors.sync.source import SourceError, StockSnapshot

try:
    import asyncssh
except ImportError as error:
    raise UsageError('source.kind = "sftp": needs asyncssh: install Kardus with the extra `sftp`') from error

TIMEOUT_S = 60.0
"""For one connection, with everything that is asked over it."""
MAX_BYTES = 200_000_000
POLL_S = 0.2


@dataclass(frozen=True)
class _Stamp:
    name: str
    size: int
    modified: int


class SftpSource:
    """Connects for each question, and fetches the newest list.

    The server tells its time in whole seconds: that a list is the last one again, only its content says.
    """

    def __init__(self, settings: SftpSettings) -> None:
        """Prepare.

        Raises:
            ConfigError: key or password can't be read.
            UsageError: there is neither, or no known host, or preset or columns are wrong.
        """
        if not (settings.key_file or settings.password_file):
            raise UsageError("source.key_file: name a private key, or password_file")
        if not settings.known_hosts.is_file():
            raise UsageError(
                f"source.known_hosts = {settings.known_hosts}: no such file: ssh-keyscan {settings.host} writes it"
            )
        self._settings = settings
        self._form = settings.form()
        self._password = secret("password_file", settings.password_file) if settings.password_file else None
        if settings.key_file:
            secret("key_file", settings.key_file)
        self._stopping = threading.Event()
        self._taken: tuple[str, bytes, StockSnapshot] | None = None
        self.name = f"sftp://{settings.user}@{settings.host}:{settings.port}/{settings.folder}/{settings.pattern}"

    def read(self) -> StockSnapshot:
        """The newest list, as far as it is whole."""
        try:
            return asyncio.run(self._read())
        except (asyncssh.Error, OSError, ValueError, TimeoutError) as error:
            raise SourceError(f"{self.name}: {self._cause_and_remedy(error)}") from error

    def wait(self, stopping: threading.Event, seconds: float) -> None:
        """The whole interval: nothing tells."""
        stopping.wait(seconds)

    def stop(self) -> None:
        """End what is under way."""
        self._stopping.set()

    def close(self) -> None:
        """Nothing is open."""

    async def _read(self) -> StockSnapshot:
        settings = self._settings
        connected = asyncssh.connect(
            settings.host,
            settings.port,
            username=settings.user,
            known_hosts=str(settings.known_hosts),
            client_keys=[str(settings.key_file)] if settings.key_file else None,
            password=self._password,
            config=None,  # what stands in somebody's ~/.ssh/config is none of ours
            agent_path=None,
            connect_timeout=20,
            login_timeout=20,
        )
        async with (
            asyncio.timeout(TIMEOUT_S + settings.settle_s),
            connected as connection,
            connection.start_sftp_client() as sftp,
        ):
            found = await self._newest(sftp)
            content = await self._fetched(sftp, found)
            if self._taken and self._taken[:2] == (found.name, content):
                return self._taken[2]
            await self._let_settle()
            if await self._newest(sftp) != found or await self._fetched(sftp, found) != content:
                raise SourceError(f"{self.name}: {found.name} is being written: it is read when it rests")
        snapshot = self._parsed(found, content)
        self._taken = found.name, content, snapshot
        return snapshot

    async def _newest(self, sftp: asyncssh.SFTPClient) -> _Stamp:
        settings = self._settings
        entries = {str(entry.filename): entry.attrs async for entry in sftp.scandir(settings.folder)}
        lists = [
            _Stamp(name, attrs.size or 0, int(attrs.mtime or 0))
            for name, attrs in entries.items()
            if fnmatch.fnmatchcase(name, settings.pattern) and is_finished(name)
            if attrs.type == asyncssh.FILEXFER_TYPE_REGULAR
            if not settings.marker or (name + settings.marker in entries and not name.endswith(settings.marker))
        ]
        if not lists:
            raise SourceError(f"{self.name}: holds no list" + (" with its marker" if settings.marker else ""))
        newest = max(lists, key=lambda stamp: (stamp.modified, stamp.name))
        require_present(f"{self.name}: {newest.name}", newest.modified)
        return newest

    async def _let_settle(self) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._settings.settle_s
        while loop.time() < until_s:
            if self._stopping.is_set():
                raise SourceError(f"{self.name}: is being closed")
            await asyncio.sleep(min(POLL_S, max(0.0, until_s - loop.time())))

    async def _fetched(self, sftp: asyncssh.SFTPClient, found: _Stamp) -> bytes:
        if found.size > MAX_BYTES:
            raise SourceError(f"{self.name}: {found.name} is longer than {MAX_BYTES // 1_000_000} MB")
        async with sftp.open(f"{self._settings.folder}/{found.name}", "rb") as file:
            content = cast("bytes", await file.read(found.size + 1))
        if len(content) != found.size:
            raise SourceError(f"{self.name}: {found.name} is being written: it is read when it rests")
        return content

    def _parsed(self, found: _Stamp, content: bytes) -> StockSnapshot:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "list"
            path.write_bytes(content)
            return snapshot_of(path, self._form, f"{self.name}: {found.name}")

    def _cause_and_remedy(self, error: Exception) -> str:
        """The cause and its remedy, in a line."""
        text = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, asyncssh.HostKeyNotVerifiable):
            return f"the server's key isn't the one in {self._settings.known_hosts} ({text}): find out why"
        if isinstance(error, asyncssh.PermissionDenied):
            return f"refuses the user '{self._settings.user}' ({text}): correct user, key_file or password_file"
        if isinstance(error, TimeoutError):
            return "no answer in time: check host, port and the network"
        return text
