"""The scopes of a token: what it lets a program do."""

from typing import Literal, get_args

Scope = Literal["read", "pictures", "act", "teach", "audit"]
"""`read`: everything but pictures; `pictures`; `act`: acknowledge, comment, ask for a new picture; `teach`: say what a
picture shows; `audit`: the audit log."""
SCOPES: tuple[Scope, ...] = get_args(Scope)
