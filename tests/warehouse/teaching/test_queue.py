"""What is asked first, and that one carton doesn't fill the list."""

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kardus.contract.verdicts import ALERTS, Verdict
from tests.publishers import Publisher
from tests.warehouse.receiving.making import write
from tests.warehouse.teaching.judged import judge, say
from warehouse.store.database import Database
from warehouse.store.labels import StatedTruth
from warehouse.teaching.queue import UnlabelledPicture, most_informative, next_to_label, worth

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
SKU = st.sampled_from(["Tea", "Lemon", "Milk"])
CANDIDATES = st.lists(
    st.builds(
        UnlabelledPicture,
        event=st.uuids().map(str),
        agent=st.just("box"),
        location=st.sampled_from(["A-1", "A-2", "A-3"]),
        verdict=st.sampled_from(list(Verdict)),
        expected=st.one_of(st.none(), st.just(""), SKU),
        seen=st.one_of(st.none(), st.just(""), SKU),
        likelihoods=st.lists(st.tuples(SKU, st.floats(0, 1)), max_size=3).map(
            lambda pairs: tuple(sorted(pairs, key=lambda pair: -pair[1]))
        ),
        captured=st.integers(0, 9).map(lambda s: BEGAN + timedelta(seconds=s)),
    ),
    max_size=15,
    unique_by=lambda one: one.event,
)


@given(candidates=CANDIDATES, most=st.integers(0, 20), seed=st.integers(0, 9))
def test_every_carton_comes_once_before_one_comes_again(
    candidates: list[UnlabelledPicture], most: int, seed: int
) -> None:
    found = most_informative(candidates, most)
    assert len(found) == min(most, len(candidates))
    shuffled = random.Random(seed).sample(candidates, len(candidates))
    assert most_informative(shuffled, most) == found
    cartons = {one.carton for one in candidates}
    first = found[: len(cartons)]
    assert len({one.carton for one in first}) == len(first)
    assert [worth(one) for one in first] == sorted((worth(one) for one in first), reverse=True)
    for carton in cartons:
        own = [worth(one) for one in found if one.carton == carton]
        assert own == sorted(own, reverse=True)


@given(candidates=CANDIDATES)
def test_worth_is_within_its_range_and_choices_fit_the_digits(candidates: list[UnlabelledPicture]) -> None:
    for one in candidates:
        assert 0 <= worth(one) <= 1.5
        assert worth(one) >= 0.5 or one.verdict not in ALERTS
        assert len(set(one.choices)) == len(one.choices) <= 9
        assert not one.expected or one.choices[0] == one.expected


def test_what_is_labelled_is_asked_no_more_until_it_is_withdrawn(database: Database) -> None:
    box = Publisher()
    event = judge(database, box, "A-1", StatedTruth.UNUSABLE)
    write(database, box.event("A-2", Verdict.UNCERTAIN))
    write(database, box.picture("A-2", box.ids[-1]))
    with database.reading() as connection:
        assert [one.event for one in next_to_label(connection, 9)] == [box.ids[-1]]
    say(database, event, StatedTruth.WITHDRAWN)
    with database.reading() as connection:
        (first, second) = next_to_label(connection, 9)
    assert (first.event, first.verdict, first.choices) == (event, Verdict.MISMATCH, ("Tea",))
    assert second.location == "A-2"
