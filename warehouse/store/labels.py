"""Labels, which say what a picture shows: rows are only ever added, and the last one of an event counts."""

from enum import StrEnum

from sqlalchemy import exists, select

from warehouse.store.tables import labels, pictures


class StatedTruth(StrEnum):
    """What a person says of an event's picture."""

    PRODUCT = "product"
    """The product that is named stands there."""
    EMPTY = "empty"
    """Nothing stands there."""
    FOREIGN = "foreign"
    """Something stands there that is none of our products."""
    UNUSABLE = "unusable"
    """The picture doesn't tell: it teaches nothing."""
    WITHDRAWN = "withdrawn"
    """What was said of it before doesn't hold any more."""


SAID_OF_PICTURE = "label: "
"""What a comment begins with that is made of a label, so that whoever looks at the alert reads of it."""
TEACHING = (StatedTruth.PRODUCT, StatedTruth.EMPTY, StatedTruth.FOREIGN)
"""What says what stands there."""
_later = labels.alias("later")
STANDS = ~exists(select(_later.c.number).where(_later.c.event == labels.c.event, _later.c.number > labels.c.number))
"""Of a row of `labels`: nobody has said anything of this event since."""
IS_LABELLED = exists(
    select(labels.c.number)
    .where(labels.c.event == pictures.c.event, labels.c.truth.in_([truth.value for truth in TEACHING]), STANDS)
    .correlate(pictures)
)
"""Of a row of `pictures`: somebody has said what it shows, so that it is kept for training, whatever its age."""
