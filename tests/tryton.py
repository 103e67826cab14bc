"""A real Tryton for tests and for the demo: installed into an environment of its own, with a small warehouse."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.demo.broker import free_port, wait_for_port
from tests.patience import PATIENCE_S

PACKAGES = ("trytond==8.2.1", "trytond-stock==8.2.1", "proteus==8.2.0")
PASSWORD = "correct-horse-battery"  # noqa: S105 - of a database that lives for a test
PROGRAM = Path(__file__).with_name("tryton_warehouse.py")
SETUP_S = 900.0
USER = "kardus"
"""With the group Stock, and no more."""


@dataclass(frozen=True)
class Tryton:
    """A running server."""

    python: Path
    config: Path
    port: int
    password_file: Path
    """Of `admin` and of `kardus`."""

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://localhost:{self.port}"

    def count(self, location: str, product: str, quantity: int) -> None:
        """Confirm an inventory."""
        self._run("count", location, product, str(quantity))

    def inventories(self) -> list[dict[str, Any]]:
        """Every inventory: `number`, `location`, `state`, `by`, `lines`, `notes`; the oldest first."""
        found: list[dict[str, Any]] = json.loads(self._run("list"))
        return found

    def _run(self, *words: str) -> str:
        command = [self.python, PROGRAM, self.config, "wms", *words]
        done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True, timeout=SETUP_S)
        return done.stdout


def install(folder: Path, packages: Sequence[str] = PACKAGES) -> Path:
    """Tryton's own environment, made where there is none; its programs."""
    programs = folder / "bin"
    if not (programs / "trytond").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([programs / "pip", "install", "-q", *packages], check=True, timeout=SETUP_S)
    return programs


@contextmanager
def running_tryton(
    folder: Path,
    stock: Mapping[str, str | None],
    products: Sequence[str],
    environment: Path | None = None,
    client: Path | None = None,
) -> Iterator[Tryton]:
    """A server with these products, and one of them at each location (`None`: nothing).

    Args:
        folder: for its database.
        stock: product by location.
        products: their codes, more than are in stock perhaps.
        environment: where Tryton is installed, or will be; by default in the folder.
        client: the web client's files, to be served too; None: no client.
    """
    programs = install(environment or folder / "venv")
    password, port, config = folder / "password", free_port(), folder / "trytond.conf"
    password.write_text(PASSWORD, encoding="utf-8")
    password.chmod(0o600)
    database = f"[database]\nuri = sqlite://\npath = {folder}\n"
    root = f"root = {client}\n" if client else ""
    config.write_text(f"{database}[web]\nlisten = localhost:{port}\n{root}", encoding="utf-8")
    (folder / "wms.sqlite").touch()
    words = [programs / "trytond-admin", "-c", config, "-d", "wms", "-u", "stock", "--activate-dependencies"]
    subprocess.run(
        [*map(str, words), "--email", "admin@example.com"],
        check=True,
        env=os.environ | {"TRYTONPASSFILE": str(password)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=SETUP_S,
    )
    told = folder / "warehouse.json"
    told.write_text(json.dumps({"stock": stock, "products": products, "password": PASSWORD}), encoding="utf-8")
    made = Tryton(programs / "python", config, port, password)
    subprocess.run([*map(str, (made.python, PROGRAM, config, "wms", "make", told))], check=True, timeout=SETUP_S)
    with subprocess.Popen(
        [*map(str, (programs / "trytond", "-c", config, "-d", "wms"))], stderr=subprocess.DEVNULL
    ) as server:
        try:
            wait_for_port(port, PATIENCE_S)
            yield made
        finally:
            server.terminate()
