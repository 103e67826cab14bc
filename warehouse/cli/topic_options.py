"""Options whose text becomes one level of an MQTT topic, and the site, which most commands ask for."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from kardus.contract.topics import is_id
from kardus.support.errors import UsageError


def topic_level(option: str, *, may_be_empty: bool = False) -> Callable[[Any], Any]:
    """Refuses a text, or one of a list of texts, that can't be one level of a topic."""

    def check(given: Any) -> Any:
        for text in [given] if isinstance(given, str) else given or ():
            if not (is_id(text) or (may_be_empty and not text)):
                raise UsageError(
                    f"{option} '{text}': can't stand in a topic: no /, + or # and no control character in it, not empty"
                )
        return given

    return check


SiteOption = Annotated[
    str, typer.Option(callback=topic_level("--site"), help="The site, as in the agents' configuration.")
]
