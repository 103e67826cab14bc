"""What the audit log says, in words for who reads: it is kept in the words of programs, the same for everybody.

What no pattern here knows, as a comment or the reason of a sign-in provider, is shown as it was noted.
"""

import re

from warehouse.console.agents.asking import Unanswered
from warehouse.console.pages.words.label_comments import comment_words
from warehouse.console.pages.words.languages import N_, Translate
from warehouse.console.pages.words.role_words import ROLE_WORDS
from warehouse.store.labels import SAID_OF_PICTURE

ACTION_WORDS = {
    "sign-in": N_("signed in"),
    "sign-in-refused": N_("could not sign in"),
    "sign-out": N_("signed out"),
    "add-user": N_("added a person"),
    "change-password": N_("changed a password"),
    "change-role": N_("changed a role"),
    "remove-user": N_("removed a person"),
    "make-token": N_("made a token"),
    "revoke-token": N_("revoked a token"),
    "take": N_("took a task"),
    "release": N_("gave a task back"),
    "acknowledge": N_("acknowledged an alert"),
    "comment": N_("commented"),
    "done": N_("said that it is done"),
    "undo": N_("said that it is not done"),
    "look": N_("asked for a fresh look"),
    "picture": N_("looked at a picture"),
    "label": N_("said what a picture shows"),
    "request-product": N_("requested a product"),
    "download-request": N_("downloaded a request"),
    "lay-out": N_("laid a camera out"),
    "offer-model": N_("offered a model"),
    "model-back": N_("took a model back"),
}
_OUTCOMES = {
    "done": N_("the agent has done it"),
    Unanswered.SILENT.value: N_("no answer yet"),
    Unanswered.OFFLINE.value: N_("offline: it wasn't asked"),
}
_OUTCOME = re.compile(rf"(?:^|(?<=: )|(?<=; ))(?:{'|'.join(map(re.escape, _OUTCOMES))})(?=$|[;,] )")
_CHANGE = (re.compile(r"(?P<former>.*?) to (?P<now>.*)", re.DOTALL), N_("%(former)s to %(now)s"))
_DETAILS = {
    "take": ((re.compile(r"from (?P<name>.*)", re.DOTALL), N_("from %(name)s")),),
    "change-role": (_CHANGE,),
    "offer-model": (_CHANGE,),
    "model-back": (_CHANGE,),
    "request-product": ((re.compile(r"(?P<number>\d+) photos"), N_("photos: %(number)s")),),
    "lay-out": (
        (
            re.compile(r"(?P<number>\d+) locations, based on revision (?P<former>\d+)"),
            N_("locations: %(number)s, based on revision %(former)s"),
        ),
        (
            re.compile(r"back to revision (?P<number>\d+), from (?P<former>\d+)"),
            N_("back to revision %(number)s, from %(former)s"),
        ),
    ),
}
_ROLES = {role.word: word for role, word in ROLE_WORDS.items()}


def action_words(action: str, translate: Translate) -> str:
    """What somebody did; one of a later version as it was noted."""
    return translate(ACTION_WORDS[action]) if action in ACTION_WORDS else action


def detail_words(action: str, detail: str, translate: Translate) -> str:
    """What is noted of it beside."""
    if action == "label":
        return comment_words(SAID_OF_PICTURE + detail, translate).removeprefix(SAID_OF_PICTURE)
    if action in ("acknowledge", "look"):
        return _OUTCOME.sub(lambda found: translate(_OUTCOMES[found[0]]), detail)
    if action in ("add-user", "remove-user") and detail in _ROLES:
        return translate(_ROLES[detail])
    for pattern, words in _DETAILS.get(action, ()):
        if found := pattern.fullmatch(detail):
            named = found.groupdict()
            if action == "change-role":
                named = {name: translate(_ROLES[role]) if role in _ROLES else role for name, role in named.items()}
            return translate(words) % named
    return detail
