"""A real SFTP server for the tests: asyncssh's, in a thread of its own, over a folder."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

from tests.patience import PATIENCE_S

USER, PASSWORD = "drop", "correct-horse"


@dataclass
class Sftp:
    """Where it is."""

    port: int
    folder: Path
    known_hosts: Path
    key_file: Path
    password_file: Path


class _Login(asyncssh.SSHServer):
    """One user, by password or by the key."""

    def __init__(self, key: asyncssh.SSHKey) -> None:
        self._key = key

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - asyncssh's
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == USER and key.public_data == self._key.public_data


@contextmanager
def sftp_server(folder: Path) -> Iterator[Sftp]:
    """A running one, whose root is `folder / "drop"`."""
    own, user = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
    drop = folder / "drop"
    drop.mkdir()
    key_file, password_file = folder / "key", folder / "password"
    key_file.write_bytes(user.export_private_key())
    password_file.write_text(f"{PASSWORD}\n", encoding="utf-8")
    for path in (key_file, password_file):
        path.chmod(0o600)
    loop, ready, port = asyncio.new_event_loop(), threading.Event(), 0

    async def listen() -> Any:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Login(user),
            server_host_keys=[own],
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(drop).encode()),
        )

    def run() -> None:
        nonlocal port
        asyncio.set_event_loop(loop)
        server = loop.run_until_complete(listen())
        port = server.get_port()
        ready.set()
        loop.run_forever()
        server.close()
        loop.run_until_complete(server.wait_closed())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(PATIENCE_S)
    known_hosts = folder / "known_hosts"
    known_hosts.write_bytes(f"[127.0.0.1]:{port} ".encode() + own.export_public_key())
    try:
        yield Sftp(port, drop, known_hosts, key_file, password_file)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()
