"""Options whose text becomes one level of an MQTT topic, and the site, which most commands ask for."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from kardus.contract.topics import is_id
from kardus.support.errors import UsageError
from kardus.support.spelling import composed


def topic_level(option: str, *, may_be_empty: bool = False) -> Callable[[Any], Any]:
    """Composes a text, or each of a list of texts, as agents do; refuses what can't be one level of a topic."""

    def checked(text: str) -> str:
        if not (is_id(composed(text)) or (may_be_empty and not text)):
            raise UsageError(
                f"{option} '{text}': can't stand in a topic: no /, + or # and no control character in it, not empty"
            )
        return composed(text)

    def check(given: Any) -> Any:
        return checked(given) if isinstance(given, str) else [checked(text) for text in given or ()]

    return check


SiteOption = Annotated[
    str, typer.Option(callback=topic_level("--site"), help="The site, as in the agents' configuration.")
]
