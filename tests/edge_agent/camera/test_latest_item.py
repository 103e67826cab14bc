"""The newest item of a stream: each is given once, none that is old, and the end is told."""

import pytest

from edge_agent.camera.decoding.latest_item import FRESH_S, LatestItem
from edge_agent.camera.errors import StreamEndedError


def test_the_newest_is_given_once_and_then_why_there_is_none() -> None:
    latest = LatestItem[str]()
    latest.put("one")
    latest.put("two")
    assert latest.take() == "two"
    latest.put("last")
    latest.end("it has ended")
    assert latest.take() == "last"
    with pytest.raises(StreamEndedError, match="it has ended"):
        latest.take()


def test_what_lay_there_for_too_long_is_not_given_as_if_it_were_of_now() -> None:
    now_s = 100.0
    latest = LatestItem[str](lambda: now_s)
    latest.put("old")
    now_s += FRESH_S
    assert latest.take() == "old"
    latest.put("older")
    latest.end("it stalled")
    now_s += FRESH_S + 0.1
    with pytest.raises(StreamEndedError, match="it stalled"):
        latest.take()
