"""Tells people why an agent that was asked something has not answered."""

from warehouse.console.agents.asking import Unanswered
from warehouse.console.pages.words.languages import N_
from warehouse.console.problems import ProblemError

AGAIN = {"Retry-After": "20"}
"""Whoever asks by itself should do so no sooner."""
_OFFLINE = N_("The agent is offline, so that it wasn't asked: try again when it is back.")
_SILENT = N_("The agent hasn't answered: is it away? Load the page again before you repeat it.")
_UNHEARD = N_("The agent is offline, and knows nothing of this yet: it is told when it is back.")
_UNCONFIRMED = N_("The agent hasn't answered yet: it is asked again.")


def unanswered(answer: Unanswered) -> ProblemError:
    """As a problem: 503: it is offline; 504: it was asked, and is silent."""
    if answer is Unanswered.OFFLINE:
        return ProblemError(503, _OFFLINE, AGAIN)
    return ProblemError(504, _SILENT)


def not_known(answer: Unanswered) -> ProblemError:
    """The same for a click that the browser keeps and sends again (static/queue.js)."""
    if answer is Unanswered.OFFLINE:
        return ProblemError(503, _UNHEARD, AGAIN)
    return ProblemError(504, _UNCONFIRMED)
