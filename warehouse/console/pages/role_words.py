"""Roles in words, in English, marked for translation."""

from warehouse.console.pages.languages import N_
from warehouse.console.roles import Role

ROLE_WORDS = {
    Role.VIEWER: N_("viewer"),
    Role.OPERATOR: N_("operator"),
    Role.SUPERVISOR: N_("supervisor"),
    Role.ADMINISTRATOR: N_("administrator"),
}
