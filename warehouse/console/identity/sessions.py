"""Who is in: sessions, by a cookie of 256 random bits of which the database has the SHA-256; and who is locked out."""

import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, insert, select, update

from warehouse.console.identity.people import Person, name_key, person_of
from warehouse.console.identity.tokens import Principal, secret_digest
from warehouse.store.database import Database
from warehouse.store.tables import present, sessions, signin_failures, users

IDLE = timedelta(hours=12)
"""Nobody stays in who hasn't asked for anything in that time."""
LONGEST = timedelta(days=30)
"""Nor longer than this."""
MAX_PROVIDED_SESSION = timedelta(hours=12)
"""Who comes in by a provider is asked there again: it may know by then that he has left, or does something else."""
NOTE_AFTER = timedelta(minutes=5)
"""So seldom it is noted that somebody is still there: a request shouldn't cost a transaction."""
TRIES = 5
"""So many wrong passwords, and the name is locked ..."""
LOCK_S = 30.0
"""... for so long, twice as long after each further one ..."""
MAX_LOCK_S = 900.0
"""... but never longer."""
FORGET = timedelta(days=1)
"""Wrong passwords are forgotten."""
LINK_S = 900.0
"""A one-time link is good for so long."""


@dataclass(frozen=True)
class Visit:
    """A person who is signed in, and the CSRF token of the session."""

    person: Person
    csrf: str
    """What every form of his has to bring along."""

    @property
    def principal(self) -> Principal:
        """The same for the API's functions."""
        return Principal(self.person.id, self.person.name, frozenset(self.person.role.scopes))


def begin_session(database: Database, person: Person, former: str = "") -> str:
    """Let somebody in: the cookie's new text. The `former` session of this browser ends, whoever's it was.

    Raises:
        StoreError: the database doesn't take it.
    """
    secret, now = secrets.token_urlsafe(32), present()
    with database.noting() as connection:
        connection.execute(delete(sessions).where(sessions.c.digest == secret_digest(former)))
        connection.execute(delete(sessions).where(sessions.c.seen < now - IDLE))
        connection.execute(insert(sessions).values(digest=secret_digest(secret), user_id=person.id, made=now, seen=now))
    return secret


def end_session(database: Database, secret: str) -> None:
    """Let the cookie be worth nothing.

    Raises:
        StoreError: the database doesn't take it.
    """
    with database.noting() as connection:
        connection.execute(delete(sessions).where(sessions.c.digest == secret_digest(secret)))


def visit_of(database: Database, secret: str) -> Visit | None:
    """Who shows this cookie; None: nobody who is in.

    Raises:
        StoreError: the database can't be read, or doesn't take that he is still there.
    """
    if not secret:
        return None
    now, digest = present(), secret_digest(secret)
    chosen = select(users, sessions.c.made.label("began"), sessions.c.seen).join_from(
        sessions, users, sessions.c.user_id == users.c.id
    )
    with database.reading() as connection:
        row = connection.execute(chosen.where(sessions.c.digest == digest)).first()
    if row is None or now - row.seen > IDLE or now - row.began > (MAX_PROVIDED_SESSION if row.issuer else LONGEST):
        return None
    if now - row.seen > NOTE_AFTER:
        with database.noting() as connection:
            connection.execute(update(sessions).where(sessions.c.digest == digest).values(seen=now))
    return Visit(person_of(row), csrf_of(secret))


def csrf_of(secret: str) -> str:
    """What forms of a session bring along: nobody can reckon it who doesn't have the cookie."""
    return hmac.new(secret.encode(), b"kardus csrf", hashlib.sha256).hexdigest()


def locked_s(database: Database, name: str) -> float:
    """For how long nobody comes in by this name, right password or not; 0: he may try.

    Names that nobody has are locked alike, so that a lock tells nothing.

    Raises:
        StoreError: the database can't be read.
    """
    with database.reading() as connection:
        found = select(signin_failures).where(signin_failures.c.name == name_key(name))
        row = connection.execute(found).first()
    if row is None or row.failures < TRIES:
        return 0.0
    lock_s = min(LOCK_S * 2.0 ** min(row.failures - TRIES, 10), MAX_LOCK_S)
    passed_s: float = (present() - row.last).total_seconds()
    return max(0.0, float(lock_s - passed_s))


def note_failure(database: Database, name: str) -> None:
    """A wrong password was given for this name.

    Raises:
        StoreError: the database doesn't take it.
    """
    key, now = name_key(name), present()
    with database.noting() as connection:
        connection.execute(delete(signin_failures).where(signin_failures.c.last < now - FORGET))
        one = signin_failures.c.name == key
        more = update(signin_failures).where(one).values(failures=signin_failures.c.failures + 1, last=now)
        if not connection.execute(more).rowcount:
            connection.execute(insert(signin_failures).values(name=key, failures=1, last=now))


def forget_failures(database: Database, name: str) -> None:
    """The right password was given.

    Raises:
        StoreError: the database doesn't take it.
    """
    with database.noting() as connection:
        connection.execute(delete(signin_failures).where(signin_failures.c.name == name_key(name)))


class OneTimeLinks:
    """Lets somebody in once, by an address that was printed for him. For any thread."""

    def __init__(self) -> None:
        """No link has been made yet."""
        self._good: dict[str, float] = {}
        self._lock = threading.Lock()

    def make(self) -> str:
        """The last part of a new address."""
        secret = secrets.token_urlsafe(32)
        with self._lock:
            self._good[secret_digest(secret)] = time.monotonic() + LINK_S
        return secret

    def use(self, secret: str) -> bool:
        """Whether it lets in: the first time, and not too late."""
        with self._lock:
            until = self._good.pop(secret_digest(secret), 0.0)
        return time.monotonic() < until
