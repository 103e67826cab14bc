"""What packets' sizes tell: properties of drawn sizes."""

import numpy as np
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from edge_agent.camera.rest.packet_sizes import (
    AT_LEAST,
    MIN_COURSES,
    OTHER_LEVEL_S,
    OUTER,
    RESTS_AFTER_S,
    SPREADS,
    PacketSizes,
    band_of,
    learn,
    logarithm,
)
from edge_agent.camera.rest.rules import FIRST_DISTRUST_S, OFTEN_S, SELDOM_S, RestRules

RATE = 25


class Camera:
    """A stream of key frames every `apart` packets, and of noise between them."""

    def __init__(self, typical: int, noise: float, apart: int, seed: int) -> None:
        """Nothing is sent yet."""
        self._rng, self._typical, self._noise, self._apart = np.random.default_rng(seed), typical, noise, apart
        self.rest, self._number = RestRules(), 0
        self.rest.attend("rest", is_resting=False)

    @property
    def now_s(self) -> float:
        """When the last packet came."""
        return self._number / RATE

    def send(self, seconds: float, times: float = 1.0, key_times: float = 1.0) -> None:
        """Send, with sizes so many times as large as at rest; key frames are `key_times` as large."""
        for _ in range(round(seconds * RATE)):
            self._number += 1
            is_key = self._number % self._apart == 0
            noise = 1 + np.clip(self._rng.normal(), -2.5, 2.5) * self._noise
            size = (
                round(10 * self._typical * key_times * (1 + 0.001 * self._rng.normal()))
                if is_key
                else max(20, round(self._typical * times * noise))
            )
            self.rest.take(size, self.now_s, is_key=is_key)

    def is_enough(self) -> bool:
        """Whether key frames alone are."""
        return self.rest.is_enough(self.now_s)


FEW = settings(max_examples=15)
SEEDS = st.integers(0, 2**32 - 1)
NOISE = st.floats(0, 0.08)


@FEW
@given(st.integers(200, 50_000), NOISE, st.sampled_from([25, 50, 100]), SEEDS)
def test_noise_is_rest_and_what_moves_is_told_within_a_fifth_of_a_second(
    typical: int, noise: float, apart: int, seed: int
) -> None:
    camera = Camera(typical, noise, apart, seed)
    camera.send(30)
    assert camera.is_enough()
    camera.send(20)
    assert camera.is_enough()
    camera.send(0.2, times=2)
    assert not camera.is_enough()
    camera.send(RESTS_AFTER_S + 1)
    assert camera.is_enough()


@FEW
@given(st.integers(200, 50_000), st.floats(0, 0.03), SEEDS)
def test_what_changes_from_one_frame_to_the_next_is_told_by_one_packet(typical: int, noise: float, seed: int) -> None:
    """Where the next key frame is far; one that comes soon shows it by itself."""
    camera = Camera(typical, noise, 100, seed)
    camera.send(30)
    assume(camera.is_enough())
    camera.send(1 / RATE, times=4)
    assert not camera.is_enough()


@FEW
@given(st.integers(2000, 50_000), NOISE, SEEDS)
def test_sizes_that_shrink_are_told_too(typical: int, noise: float, seed: int) -> None:
    """A held rate leaves less for the noise; a lamp that goes out leaves less of it."""
    camera = Camera(typical, noise, 50, seed)
    camera.send(30)
    camera.send(0.5, times=0.4)
    assert not camera.is_enough()


@FEW
@given(st.integers(200, 50_000), NOISE, SEEDS)
@example(200, 0.078125, 114683686)
def test_another_noise_is_learnt_where_the_agent_sees_nothing_move(typical: int, noise: float, seed: int) -> None:
    camera = Camera(typical, noise, 25, seed)
    camera.send(30)
    camera.send(OTHER_LEVEL_S / 2, times=3)
    assert not camera.is_enough()
    camera.send(OTHER_LEVEL_S + 10, times=3)
    while not camera.is_enough():  # the first few courses may have strayed less than most, by chance
        assert camera.now_s < 30 + 1.5 * OTHER_LEVEL_S + 70
        camera.send(1, times=3)
    camera.send(1, times=6)
    assert not camera.is_enough()


@FEW
@given(st.integers(200, 50_000), NOISE, SEEDS)
def test_a_course_that_strays_at_the_same_place_each_time_is_learnt_too(typical: int, noise: float, seed: int) -> None:
    """What was learnt while the encoder found its rate held all later courses for movement, for ever."""
    camera = Camera(typical, noise, 100, seed)
    camera.send(20)
    for _ in range(12):
        camera.send(3)
        camera.send(0.6, times=2)
        camera.send(0.4)
    assert camera.is_enough()
    camera.send(0.2, times=3)
    assert not camera.is_enough()


@FEW
@given(st.integers(200, 50_000), NOISE, SEEDS)
def test_what_moves_while_the_agent_sees_it_is_never_learnt(typical: int, noise: float, seed: int) -> None:
    camera = Camera(typical, noise, 25, seed)
    camera.send(30)
    camera.rest.attend("moving", is_resting=False)
    camera.send(3 * OTHER_LEVEL_S, times=3)
    camera.rest.attend("rest", is_resting=False)
    camera.send(1, times=3)
    assert not camera.is_enough()


@FEW
@given(st.integers(2000, 50_000), st.floats(0, 0.05), st.sampled_from([0.9, 1.1]), SEEDS)
def test_a_change_that_comes_with_a_key_frame_is_told_by_that_one_s_size(
    typical: int, noise: float, times: float, seed: int
) -> None:
    """It is in no packet between two; the agent saw it a look later, and believed the sizes no more."""
    camera = Camera(typical, noise, 50, seed)
    camera.send(40)
    assert camera.is_enough()
    camera.send(2, key_times=times)
    assert not camera.is_enough()
    camera.rest.attend("moving", is_resting=False)
    camera.send(1, key_times=times)
    camera.rest.attend("rest", is_resting=False)
    camera.send(RESTS_AFTER_S + 4, key_times=times)
    assert camera.is_enough()


def test_an_encoder_whose_every_fifth_key_frame_is_larger_comes_to_rest() -> None:
    camera, rested = Camera(5000, 0.02, 25, 1), 0
    for number in range(100):
        camera.send(1, key_times=1.03 if number % 5 == 0 else 1.0)
        rested += number >= 50 and camera.is_enough()
    assert rested >= 40


@FEW
@given(NOISE, SEEDS)
def test_key_frames_that_are_seldom_are_not_enough(noise: float, seed: int) -> None:
    camera = Camera(5000, noise, round(RATE * (SELDOM_S + 1)), seed)
    camera.send(60)
    assert not camera.is_enough()


def test_a_key_frame_that_stays_away_is_missed() -> None:
    camera = Camera(5000, 0.02, 25, 1)
    camera.send(30)
    assert camera.is_enough()
    camera._apart = 100_000  # a smart codec sends none while nothing moves
    camera.send(SELDOM_S + 1)
    assert not camera.is_enough()


def test_what_changes_behind_all_that_was_learnt_of_sizes_ends_the_rest() -> None:
    """A key frame that comes later than all before: what sizes would say of packets so far behind one isn't known."""
    camera = Camera(5000, 0.02, 25, 1)
    camera.send(30)
    camera._apart = 125
    camera.send(1.5)
    assert camera.is_enough(), "key frames have come often enough until now"
    camera.send(1.0, times=5)
    assert not camera.is_enough()


def test_a_course_that_is_some_packets_longer_than_those_that_were_learnt_is_rest() -> None:
    camera = Camera(5000, 0.02, 100, 1)
    camera.send(60)
    assert camera._number % 100 == 0
    camera._apart = 100_000
    for _ in range(105):
        camera.send(1 / RATE)
        assert camera.is_enough()
    camera.send(4 / RATE)
    assert not camera.is_enough()


def test_sizes_that_say_little_need_key_frames_often() -> None:
    often, seldom = (Camera(5000, 0.8, apart, 1) for apart in (round(RATE * OFTEN_S) - 1, round(RATE * OFTEN_S) + 10))
    for camera in (often, seldom):
        camera.send(60)
        assert not camera.rest.sizes.is_reliable
    assert often.is_enough() or often.rest.sizes.is_moving(often.now_s)
    assert not seldom.is_enough()


def _send_until_enough(camera: Camera, most_s: float) -> float:
    """For how long key frames alone aren't enough; at most so long."""
    began_s = camera.now_s
    while not camera.is_enough() and camera.now_s - began_s < most_s:
        camera.send(1)
    return camera.now_s - began_s


def test_a_change_that_sizes_did_not_tell_ends_the_trust_in_them_for_twice_as_long_each_time() -> None:
    camera = Camera(5000, 0.02, 100, 1)
    camera.send(40)
    assert camera.is_enough()
    for distrust_s in (FIRST_DISTRUST_S, 2 * FIRST_DISTRUST_S):
        camera.rest.attend("moving", is_resting=True)
        camera.rest.attend("rest", is_resting=False)
        assert distrust_s - 5 <= _send_until_enough(camera, 4 * distrust_s) <= distrust_s + 60
    camera.send(2 * FIRST_DISTRUST_S)
    camera.rest.attend("moving", is_resting=True)
    camera.rest.attend("rest", is_resting=False)
    assert _send_until_enough(camera, 4 * FIRST_DISTRUST_S) <= FIRST_DISTRUST_S + 60, "they were right for as long"


def test_key_frames_that_are_no_whole_pictures_are_not_enough_as_long_as_they_are_none() -> None:
    camera = Camera(5000, 0.02, 25, 1)
    camera.rest.distrust_keys()
    while camera.now_s < 4 * FIRST_DISTRUST_S:
        camera.send(1)
        assert not camera.is_enough() or camera.now_s >= FIRST_DISTRUST_S
        camera.rest.distrust_keys()  # as each frame that is decoded tells again
    assert not camera.is_enough()
    assert _send_until_enough(camera, 8 * FIRST_DISTRUST_S) > FIRST_DISTRUST_S


def test_one_damaged_key_frame_is_forgiven() -> None:
    camera = Camera(5000, 0.02, 25, 1)
    camera.send(40)
    camera.rest.distrust_keys()
    assert FIRST_DISTRUST_S - 5 <= _send_until_enough(camera, 2 * FIRST_DISTRUST_S) <= FIRST_DISTRUST_S + 60


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=200))
def test_a_band_holds_what_it_was_made_of_but_for_the_outermost(strays: list[float]) -> None:
    band = band_of(np.array(strays))
    assert sum(not band.holds(stray) for stray in strays) <= max(2, 0.02 * len(strays))


@given(st.lists(st.lists(st.integers(0, 100_000), max_size=60), max_size=6))
def test_whatever_courses_were_seen_they_are_learnt_or_too_few(courses: list[list[int]]) -> None:
    quiet = learn([[logarithm(size) for size in course] for course in courses])
    assert (quiet is None) == (sum(bool(course) for course in courses) < MIN_COURSES)
    if quiet is not None:
        places = len(quiet.typical)
        table = np.array([([logarithm(size) for size in course] + [np.nan] * places)[:places] for course in courses])
        assert np.allclose(quiet.typical, np.nanmedian(table, axis=0))
        assert quiet.single == band_of((table - quiet.typical)[~np.isnan(table)])


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=200))
def test_a_band_lies_as_far_outside_as_the_strays_are_spread(strays: list[float]) -> None:
    least, middle, most = np.quantile(strays, (OUTER, 0.5, 1 - OUTER))
    spread = 1.4826 * np.median(np.abs(np.array(strays) - middle))
    margin = max(SPREADS * spread, AT_LEAST)
    band = band_of(np.array(strays))
    assert np.allclose([band.least, band.most], [least - margin, most + margin])


@given(st.lists(st.tuples(st.integers(0, 100_000), st.booleans(), st.booleans()), max_size=100))
def test_whatever_comes_is_taken(packets: list[tuple[int, bool, bool]]) -> None:
    sizes = PacketSizes()
    for at_s, (size, is_key, is_calm) in enumerate(packets):
        if is_key:
            sizes.take_key(size, at_s)
        else:
            sizes.take(size, at_s, is_calm=is_calm)
        assert isinstance(sizes.is_reliable, bool)


def test_frames_of_another_kind_are_held_against_their_own() -> None:
    """B-frames are a tenth of the others' size."""
    rest = RestRules()
    rest.attend("rest", is_resting=False)

    def send(seconds: int, late_size: int, begin: int) -> None:
        for number in range(begin, begin + seconds * RATE, 2):
            at_s = number / RATE
            is_key = number % 50 == 0
            rest.take(50_000 if is_key else 5000, at_s, is_key=is_key)
            rest.take(late_size, at_s + 1 / RATE, is_key=False)

    send(30, 500, 0)
    assert rest.is_enough(30)
    send(1, 1500, 30 * RATE)
    assert not rest.is_enough(31)
