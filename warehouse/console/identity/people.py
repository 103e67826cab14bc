"""People: who may come in, with which role, by which password.

Passwords are kept as argon2id hashes (RFC 9106, its second recommendation: 64 MiB, 3 passes), never as they are.
"""

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import Connection, Row, delete, insert, select, update

from kardus.support.errors import UsageError
from kardus.support.spelling import composed
from warehouse.console.identity.auditing import AuditRow, insert_entries
from warehouse.console.identity.roles import ROLES, Role
from warehouse.store.database import Database
from warehouse.store.tables import present, sessions, signin_failures, users

MIN_PASSWORD = 10
MAX_PASSWORD = 200
"""A longer one would only cost time."""
MAX_NAME = 100
COMMAND = "kardus-wms users"
"""Who does it, in the audit log, where it isn't somebody on the page."""
_hasher = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=1)


def _hash_of_nothing() -> str:
    """A hash that no password is known of; hashing one would take a fifth of a second of every start."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(length)).decode().rstrip("=")
        for length in (_hasher.salt_len, _hasher.hash_len)
    )
    return f"$argon2id$v=19$m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}${salt}${digest}"


_NOBODY = _hash_of_nothing()
"""What is compared where there is no such person, so that it takes as long."""


@dataclass(frozen=True)
class Person:
    """A person who may come in."""

    id: str
    name: str
    role: Role
    language: str
    """Empty: as the browser says."""
    made: datetime
    has_password: bool
    issuer: str = ""
    """The provider by which he comes in, which says what he may do; empty: by a password or an address."""


def add_person(database: Database, name: str, role: str, password: str, *, by: AuditRow | None = None) -> Person:
    """Add somebody; without a password he comes in by other ways alone.

    Raises:
        StoreError: the database doesn't take it.
        UsageError: name, role or password can't be used, or the name is taken.
    """
    row: dict[str, Any] = {
        "id": secrets.token_hex(6),
        "name": checked_name(name),
        "role": _role(role).word,
        "password": hashed(password) if password else "",
        "language": "",
        "made": present(),
    }
    with database.noting() as connection:
        if is_taken(connection, row["name"]):
            raise UsageError(f"user '{name}': there is one already: choose another name")
        connection.execute(insert(users).values(**row))
        _note(connection, by, "add-user", str(row["name"]), str(row["role"]))
        return _person(connection.execute(select(users).where(users.c.id == row["id"])).one())


def list_people(database: Database) -> list[Person]:
    """All of them, by name.

    Raises:
        StoreError: the database can't be read.
    """
    with database.reading() as connection:
        return [_person(row) for row in connection.execute(select(users).order_by(users.c.name))]


def find_person(database: Database, name: str) -> Person | None:
    """Somebody by name, in whatever case it is written; None: nobody, or several.

    Raises:
        StoreError: the database can't be read.
    """
    with database.reading() as connection:
        row = _only(connection, name)
    return _person(row) if row is not None else None


def change_password(database: Database, name: str, password: str, *, by: AuditRow | None = None) -> None:
    """Give somebody another password: who is in with the former one has to come in anew; a lock-out is over.

    Raises:
        StoreError: the database doesn't take it.
        UsageError: there is no such person, or the password can't be used.
    """
    with database.noting() as connection:
        row = _own(connection, name)
        connection.execute(update(users).where(users.c.id == row.id).values(password=hashed(password)))
        connection.execute(delete(sessions).where(sessions.c.user_id == row.id))
        connection.execute(delete(signin_failures).where(signin_failures.c.name == name_key(row.name)))
        _note(connection, by, "change-password", row.name, "")


def change_role(database: Database, name: str, role: str, *, by: AuditRow | None = None) -> None:
    """Give somebody another role, which holds from the next request on.

    Raises:
        StoreError: the database doesn't take it.
        UsageError: there is no such person or role, or nobody would be administrator any more.
    """
    with database.noting() as connection:
        row = _own(connection, name)
        if _role(role) < Role.ADMINISTRATOR:
            _keep_an_administrator(connection, row)
        connection.execute(update(users).where(users.c.id == row.id).values(role=_role(role).word))
        _note(connection, by, "change-role", row.name, f"{row.role} to {_role(role).word}")


def remove_person(database: Database, name: str, *, by: AuditRow | None = None) -> None:
    """Let somebody in no more, at once; what he has done stays in the audit log.

    Raises:
        StoreError: the database doesn't take it.
        UsageError: there is no such person, or he is the last administrator.
    """
    with database.noting() as connection:
        row = _required(connection, name)
        _keep_an_administrator(connection, row)
        connection.execute(delete(sessions).where(sessions.c.user_id == row.id))
        connection.execute(delete(users).where(users.c.id == row.id))
        _note(connection, by, "remove-user", row.name, row.role)


def set_language(database: Database, id_: str, language: str) -> None:
    """Remember which language somebody reads.

    Raises:
        StoreError: the database doesn't take it.
    """
    with database.noting() as connection:
        connection.execute(update(users).where(users.c.id == id_).values(language=language))


def with_password(database: Database, name: str, password: str) -> Person | None:
    """Who it is; None: there is no such person, or several, or the password is another. All take as long.

    Raises:
        StoreError: the database can't be read.
    """
    with database.reading() as connection:
        row = _only(connection, name)
    stored = row.password if row is not None and row.password else _NOBODY
    try:
        _hasher.verify(stored, password[: MAX_PASSWORD + 1])
    except (VerifyMismatchError, InvalidHashError):
        return None
    return _person(row) if row is not None and row.password else None


def person_of(row: Row[tuple[object, ...]]) -> Person:
    """A row of `users`."""
    return _person(row)


def hashed(password: str) -> str:
    """What is kept of a password.

    Raises:
        UsageError: it is too short or too long.
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise UsageError(f"password: {MIN_PASSWORD} to {MAX_PASSWORD} characters: choose a longer one, such as words")
    return _hasher.hash(password)


def checked_name(name: str) -> str:
    """A name as it is stored.

    Raises:
        UsageError: it can't be used.
    """
    plain = composed(name.strip())
    if not plain or len(plain) > MAX_NAME or not plain.isprintable():
        raise UsageError(f"user name: 1 to {MAX_NAME} characters that can be printed")
    return plain


def name_key(name: str) -> str:
    """What is the same for names that differ in the case of their letters, or in how Unicode spells them, alone."""
    return composed(name.strip()).casefold()


def _role(word: str) -> Role:
    if word not in ROLES:
        raise UsageError(f"role '{word}': there is none: use {', '.join(ROLES)}")
    return ROLES[word]


def is_taken(connection: Connection, name: str) -> bool:
    """Whether somebody has this name, in whatever case it is written."""
    return bool(_called(connection, name))


def _called(connection: Connection, name: str) -> list[Row[tuple[object, ...]]]:
    """Who has exactly this name, or else all whose name is the same in another case.

    An earlier version let names in that are one for `name_key` (Weiß, Weiss). SQLite can't compare them so: it knows no
    capitals beyond ASCII.
    """
    wanted = name_key(name)
    found = [row for row in connection.execute(select(users).order_by(users.c.name)) if name_key(row.name) == wanted]
    exactly = composed(name.strip())
    return [row for row in found if row.name == exactly] or found


def _only(connection: Connection, name: str) -> Row[tuple[object, ...]] | None:
    found = _called(connection, name)
    return found[0] if len(found) == 1 else None


def _required(connection: Connection, name: str) -> Row[tuple[object, ...]]:
    found = _called(connection, name)
    if not found:
        raise UsageError(f"user '{name}': there is none: see `kardus-wms users list`")
    if len(found) > 1:
        names = " or ".join(f"'{row.name}'" for row in found)
        raise UsageError(f"user '{name}': may be {names}: write the name as one of these")
    return found[0]


def _own(connection: Connection, name: str) -> Row[tuple[object, ...]]:
    """Somebody whose password and role are kept here."""
    row = _required(connection, name)
    if row.issuer:
        raise UsageError(f"user '{row.name}' comes in by {row.issuer}: change it there")
    return row


def _keep_an_administrator(connection: Connection, row: Row[tuple[object, ...]]) -> None:
    others = select(users.c.id).where(users.c.role == Role.ADMINISTRATOR.word, users.c.id != row.id)
    if row.role == Role.ADMINISTRATOR.word and connection.execute(others.limit(1)).first() is None:
        raise UsageError(f"user '{row.name}' is the only administrator: make somebody else one before")


def _note(connection: Connection, by: AuditRow | None, action: str, subject: str, detail: str) -> None:
    who = by or AuditRow(COMMAND, "", "", "", "")
    insert_entries(connection, [AuditRow(who.actor, who.address, action, subject, detail)])


def _person(row: Row[tuple[object, ...]]) -> Person:
    role = ROLES.get(row.role, Role.VIEWER)
    return Person(row.id, row.name, role, row.language, row.made, bool(row.password), row.issuer)
