"""People who sign in by an OpenID provider: it says who they are and what they may do, each time that they come.

They are known by the provider's own name for them (issuer and subject), never by the name that people read: that may be
given to somebody else, and may be the name of somebody who comes in by a password.
"""

import secrets
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from warehouse.console.identity.auditing import AuditRow, insert_entries
from warehouse.console.identity.people import Person, checked_name, is_taken, person_of
from warehouse.oidc.identity import Identity
from warehouse.store.database import Database
from warehouse.store.tables import present, sessions, users


class NameTakenError(Exception):
    """Somebody else here has this name."""


def person_from(database: Database, identity: Identity, address: str) -> Person | None:
    """Who it is here: made at his first visit, with the role that the provider gives him now; None: he has none.

    Who has lost every role is out at once, in each of his browsers.

    Raises:
        NameTakenError: another person has his name.
        StoreError: the database doesn't take it.
        UsageError: his name can't be used.
    """
    with database.noting() as connection:
        known = (users.c.issuer == identity.issuer) & (users.c.subject == identity.subject)
        row = connection.execute(select(users).where(known)).first()
        if identity.role is None:
            if row is not None:
                connection.execute(delete(sessions).where(sessions.c.user_id == row.id))
            return None
        if row is None:
            _add(connection, identity)
            _note(connection, identity, address, "add-user", identity.name, identity.role)
        elif row.role != identity.role:
            connection.execute(update(users).where(known).values(role=identity.role))
            _note(connection, identity, address, "change-role", row.name, f"{row.role} to {identity.role}")
        return person_of(connection.execute(select(users).where(known)).one())


def _add(connection: Connection, identity: Identity) -> None:
    name = checked_name(identity.name)
    if is_taken(connection, name):
        raise NameTakenError(f"user '{name}': somebody else here has this name")
    row: dict[str, Any] = {
        "id": secrets.token_hex(6),
        "name": name,
        "role": identity.role,
        "password": "",
        "language": "",
    }
    row |= {"made": present(), "issuer": identity.issuer, "subject": identity.subject}
    connection.execute(insert(users).values(**row))


def _note(connection: Connection, identity: Identity, address: str, action: str, subject: str, detail: str) -> None:
    insert_entries(connection, [AuditRow(identity.issuer, address, action, subject, detail)])
