"""Roles in words, in English, marked for translation."""

from warehouse.console.identity.roles import Role
from warehouse.console.pages.words.languages import N_

ROLE_WORDS = {
    Role.VIEWER: N_("viewer"),
    Role.OPERATOR: N_("operator"),
    Role.SUPERVISOR: N_("supervisor"),
    Role.ADMINISTRATOR: N_("administrator"),
}
