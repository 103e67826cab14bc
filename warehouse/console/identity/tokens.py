"""Tokens: what a program or a person shows to be let in.

A token is `kardus_ID_SECRET`. The secret has 256 random bits, so that its SHA-256 is as good as any slow hash: there is
nothing to be guessed, and a check costs microseconds at every request. The database has the hash alone.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Row, insert, select, update

from kardus.support.errors import UsageError
from warehouse.console.identity.auditing import AuditRow, insert_entries
from warehouse.console.identity.scopes import SCOPES
from warehouse.store.database import Database
from warehouse.store.tables import present, tokens

SECRET_BYTES = 32
_FORM = re.compile(r"kardus_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True)
class Principal:
    """Who asks: a program, or somebody on the page, whose role gives him scopes."""

    id: str
    name: str
    scopes: frozenset[str]

    def __str__(self) -> str:
        """As the audit log has it."""
        return f"{self.name} ({self.id})"


@dataclass(frozen=True)
class ApiToken:
    """What is known of a token; its secret isn't."""

    id: str
    name: str
    scopes: tuple[str, ...]
    made: datetime
    expires: datetime | None
    revoked: datetime | None

    @property
    def is_good(self) -> bool:
        """Whether it lets anybody in now."""
        return self.revoked is None and (self.expires is None or self.expires > present())


def make_token(database: Database, name: str, scopes: Collection[str], days: float | None) -> str:
    """Make one; its text, which nobody sees again.

    Raises:
        StoreError: the database doesn't take it.
        UsageError: there is no such scope, or none at all, or no name.
    """
    if strange := sorted(set(scopes) - set(SCOPES)):
        raise UsageError(f"--scope {strange[0]}: there is none: use {', '.join(SCOPES)}")
    if not scopes:
        raise UsageError(f"--scope: a token without one is of no use: give {', '.join(SCOPES)}")
    if not name.isprintable() or not name.strip() or len(name) > 100:  # noqa: PLR2004 - as Name in records.py
        raise UsageError("--name: 1 to 100 characters that can be printed: say who will use it")
    id_, secret, now = secrets.token_hex(6), secrets.token_urlsafe(SECRET_BYTES), present()
    row = {"id": id_, "name": name.strip(), "scopes": " ".join(sorted(set(scopes))), "digest": secret_digest(secret)}
    expires = now + timedelta(days=days) if days is not None else None
    with database.noting() as connection:
        connection.execute(insert(tokens).values(**row, made=now, expires=expires))
        insert_entries(
            connection, [AuditRow("kardus-wms tokens", "", "make-token", id_, f"{row['name']}: {row['scopes']}")]
        )
    return f"kardus_{id_}_{secret}"


def list_tokens(database: Database) -> list[ApiToken]:
    """All of them, the oldest first.

    Raises:
        StoreError: the database can't be read.
    """
    with database.reading() as connection:
        return [_token(row) for row in connection.execute(select(tokens).order_by(tokens.c.made, tokens.c.id))]


def revoke_token(database: Database, id_: str) -> None:
    """Let nobody in with it from now on: the next request is refused, and open streams end within seconds.

    Raises:
        StoreError: the database doesn't take it.
        UsageError: there is none with this id.
    """
    with database.noting() as connection:
        good = update(tokens).where(tokens.c.id == id_, tokens.c.revoked.is_(None)).values(revoked=present())
        if connection.execute(good).rowcount:
            insert_entries(connection, [AuditRow("kardus-wms tokens", "", "revoke-token", id_, "")])
        elif connection.execute(select(tokens.c.id).where(tokens.c.id == id_)).first() is None:
            raise UsageError(f"token {id_}: there is none: see `kardus-wms tokens list`")


def principal_of(database: Database, text: str) -> Principal | None:
    """Who shows this token; None: it is none, or isn't good any more.

    Raises:
        StoreError: the database can't be read.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    with database.reading() as connection:
        row = connection.execute(select(tokens).where(tokens.c.id == found.group(1))).first()
    if row is None or not hmac.compare_digest(row.digest, secret_digest(found.group(2))) or not _token(row).is_good:
        return None
    return Principal(row.id, row.name, frozenset(row.scopes.split()))


def is_still_good(database: Database, id_: str) -> bool:
    """Whether a token that was shown before lets anybody in now.

    Raises:
        StoreError: the database can't be read.
    """
    with database.reading() as connection:
        row = connection.execute(select(tokens).where(tokens.c.id == id_)).first()
    return row is not None and _token(row).is_good


def _token(row: Row[tuple[object, ...]]) -> ApiToken:
    return ApiToken(row.id, row.name, tuple(row.scopes.split()), row.made, row.expires, row.revoked)


def secret_digest(secret: str) -> str:
    """What is stored of a secret that is drawn at random: SHA-256 in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()
