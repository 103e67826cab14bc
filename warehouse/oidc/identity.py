"""The identity of a person, by what a provider says of him."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from warehouse.oidc.errors import SignInRefusedError
from warehouse.oidc.settings import ROLES, OidcSettings, Role

MAX_SUBJECT = 255
"""Of OpenID Connect Core 1.0, section 2."""


@dataclass(frozen=True)
class Identity:
    """A person as a provider knows him."""

    issuer: str
    subject: str
    """The provider's own name for him, which is never given to another."""
    name: str
    """How he is called; may change, and may be given to another."""
    role: Role | None
    """None: he may not come in."""


def identity_of(
    claims: Mapping[str, Any], settings: OidcSettings, more: Callable[[str], Mapping[str, Any]]
) -> Identity:
    """Who it is, by the claims of an ID token that was verified.

    Args:
        claims: the ID token's.
        settings: which of them count.
        more: what the provider says of a subject elsewhere; asked only where the ID token lacks a claim that counts.

    Raises:
        SignInRefusedError: a claim is missing or can't be used.
    """
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
        raise SignInRefusedError("the ID token's claim sub can't be used")
    name, role = (claim(claims, one) for one in (settings.name_claim, settings.role_claim))
    if name is None or role is None:
        others = more(subject)
        name = claim(others, settings.name_claim) if name is None else name
        role = claim(others, settings.role_claim) if role is None else role
    if not isinstance(name, str) or not name.strip():
        raise SignInRefusedError(f"the provider gives no claim {settings.name_claim}: see name_claim and scope")
    return Identity(settings.issuer, subject, name.strip(), role_of(role, settings))


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by the names that lead to it (`realm_access.roles`); None: there is none."""
    if name in claims:
        return claims[name]  # a name may have dots of its own, such as an address
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def role_of(value: Any, settings: OidcSettings) -> Role | None:
    """The highest role that one of the claim's values gives."""
    every = value if isinstance(value, list) else [value]
    held = {one for one in every if isinstance(one, str)}
    return next((role for role in reversed(ROLES) if held & set(settings.roles.get(role, ()))), None)
