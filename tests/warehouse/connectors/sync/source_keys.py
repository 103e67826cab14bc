"""`[source]` for the servers of the tests."""

from pathlib import Path

from tests.warehouse.connectors.sync.erpnext_stand_in import PARENT, TOKEN, Erpnext
from tests.warehouse.connectors.sync.odoo_stand_in import DATABASE, KEY, LOGIN, Odoo
from tests.warehouse.connectors.sync.sftp_server import USER, Sftp


def private(path: Path, text: str) -> Path:
    """A file for nobody else."""
    path.write_text(f"{text}\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def odoo_keys(folder: Path, server: Odoo, *, key: str = KEY, **other: str) -> str:
    """By JSON-2 where it has that."""
    api = "json-2" if server.version >= 19 else "json-rpc"
    words = {"kind": "odoo", "url": server.url, "database": DATABASE, "api": api, "warehouse": "WH"}
    words |= {"user": LOGIN} if api == "json-rpc" else {}
    return _written(words | {"password_file": str(private(folder / "odoo.key", key))} | other)


def erpnext_keys(folder: Path, server: Erpnext, *, token: str = TOKEN, **other: str) -> str:
    """By token."""
    words = {"kind": "erpnext", "url": server.url, "parent": PARENT}
    return _written(words | {"token_file": str(private(folder / "erpnext.token", token))} | other)


def sftp_keys(server: Sftp, **other: str) -> str:
    """By key, and without waiting for a list to settle."""
    words = {"kind": "sftp", "host": "127.0.0.1", "user": USER, "known_hosts": str(server.known_hosts)}
    words |= {} if "password_file" in other else {"key_file": str(server.key_file)}
    settle = other.pop("settle_s", "0")
    return f"{_written(words | other)}port = {server.port}\nsettle_s = {settle}\n"


def _written(words: dict[str, str]) -> str:
    return "".join(f'{name} = "{value}"\n' for name, value in words.items())
