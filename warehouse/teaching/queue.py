"""Chooses which pictures to ask people about: those that teach most come first, one carton doesn't fill the list."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from kardus.contract.manifest import EMPTY_CLASS
from kardus.contract.messages import Envelope, LocationEvent
from kardus.contract.verdicts import ALERTS, Verdict
from warehouse.store.labels import StatedTruth
from warehouse.store.tables import events, labels, pictures
from warehouse.teaching.label_statements import seen_sku

LOOKED_AT = 1000
"""So many pictures, the newest, are compared."""
MAX_CHOICES = 9
"""So many products can be chosen by a digit."""
CONTRADICTION = 0.5
"""So much more is learnt where the model says otherwise than the WMS: one of the two is wrong."""


@dataclass(frozen=True)
class UnlabelledPicture:
    """A picture that nobody has labelled."""

    event: str
    agent: str
    camera: str
    location: str
    verdict: Verdict
    expected: str | None
    """The expected product; empty: nothing; None: the WMS had said nothing."""
    seen: str | None
    """The product that the model named; empty: nothing stands there; None: it named none."""
    likelihoods: tuple[tuple[str, float], ...]
    """The likeliest products, each with its likelihood, 0 to 1, the likeliest first."""
    captured: datetime

    @property
    def carton(self) -> tuple[str, str, str | None]:
        """What is probably the same carton."""
        return self.agent, self.location, self.seen

    @property
    def choices(self) -> tuple[str, ...]:
        """Products to choose from: the expected one, then the likeliest."""
        named = (self.expected, self.seen, *(sku for sku, _ in self.likelihoods))
        return tuple(dict.fromkeys(sku for sku in named if sku and sku != EMPTY_CLASS))[:MAX_CHOICES]


def worth(candidate: UnlabelledPicture) -> float:
    """How much a label of it teaches, 0 to 1.5: the doubt between the two likeliest, and a contradiction of the WMS."""
    likely = [p for _, p in candidate.likelihoods]
    if candidate.verdict == Verdict.UNKNOWN or len(likely) < 2:  # noqa: PLR2004 - two are compared
        doubt = 1.0 if candidate.seen is None else 1 - (likely[0] if likely else 0.0)
    else:
        doubt = 1 - (likely[0] - likely[1])
    return doubt + CONTRADICTION * (candidate.verdict in ALERTS)


def most_informative(candidates: Iterable[UnlabelledPicture], most: int) -> list[UnlabelledPicture]:
    """The candidates in the order in which to ask: of every carton the best, then of every carton the next best.

    It doesn't depend on the order in which they are given.
    """
    best_first = sorted(candidates, key=lambda one: (-worth(one), -one.captured.timestamp(), one.event))
    seen: dict[tuple[str, str, str | None], int] = defaultdict(int)
    rounds = []
    for place, one in enumerate(best_first):
        rounds.append((seen[one.carton], place, one))
        seen[one.carton] += 1
    return [one for _, _, one in sorted(rounds, key=lambda item: item[:2])[:most]]


def next_to_label(connection: Connection, most: int) -> list[UnlabelledPicture]:
    """What to ask now: pictures that nobody has said anything of, or whose label was withdrawn."""
    later = labels.alias("later")
    said = select(labels.c.event).where(
        labels.c.event == pictures.c.event,
        labels.c.truth != StatedTruth.WITHDRAWN.value,
        ~select(later.c.number).where(later.c.event == labels.c.event, later.c.number > labels.c.number).exists(),
    )
    chosen = select(pictures.c.event).where(~said.exists()).order_by(pictures.c.number.desc()).limit(LOOKED_AT)
    fresh = chosen.subquery()
    rows = connection.execute(select(events.c.agent, events.c.payload).join(fresh, fresh.c.event == events.c.id))
    found = (candidate_of(agent, Envelope[LocationEvent].model_validate_json(payload)) for agent, payload in rows)
    return most_informative(found, most)


def candidate_of(agent: str, envelope: Envelope[LocationEvent]) -> UnlabelledPicture:
    """An event, as something to ask about."""
    event = envelope.data
    top = event.seen.top if event.seen else ()
    return UnlabelledPicture(
        envelope.id,
        agent,
        event.camera,
        event.location,
        event.verdict,
        None if event.expected is None else event.expected.sku or "",
        seen_sku(event),
        tuple(sorted(((one.sku, one.likelihood) for one in top), key=lambda pair: -pair[1])),
        event.captured,
    )
