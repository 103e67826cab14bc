"""Comments that the server itself writes on an alert when a picture is labelled: in the language of who reads."""

import re

from warehouse.console.pages.words.languages import N_, Translate
from warehouse.store.labels import SAID_OF_PICTURE, StatedTruth

_WORDS = {
    StatedTruth.PRODUCT: N_("The picture shows: %(product)s"),
    StatedTruth.EMPTY: N_("The picture shows that nothing stands there"),
    StatedTruth.FOREIGN: N_("The picture shows none of our products"),
    StatedTruth.UNUSABLE: N_("The picture doesn't tell what stands there"),
    StatedTruth.WITHDRAWN: N_("What was said of the picture doesn't hold any more"),
}
_SAID = re.compile(
    rf"{re.escape(SAID_OF_PICTURE)}(?P<truth>{'|'.join(_WORDS)})(?:: (?P<product>.+?))?(?P<note> \(.*\))?", re.DOTALL
)


def comment_words(text: str, translate: Translate) -> str:
    """A comment as it is shown: as somebody wrote it, names and notes too."""
    found = _SAID.fullmatch(text)
    if found is None or (found["truth"] == StatedTruth.PRODUCT) != bool(found["product"]):
        return text
    words = translate(_WORDS[StatedTruth(found["truth"])])
    return words.replace("%(product)s", found["product"] or "") + (found["note"] or "")
