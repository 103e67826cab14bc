"""What a broker retains is complete once the echo has come, and what comes shortly behind it."""

import pytest

from kardus.mqtt import retained
from kardus.mqtt.retained import RetainedAnswer


@pytest.mark.parametrize(
    ("coming", "is_complete"),
    [([], False), ([False] * 5, False), ([True], True), ([False, False, True], True), ([False, True, False], True)],
)
def test_it_is_complete_once_the_echo_has_come_however_long_that_takes(
    monkeypatch: pytest.MonkeyPatch, coming: list[bool], *, is_complete: bool
) -> None:
    """The broker gives the next one whenever it is waited for again; each may take as long as it is waited."""
    monkeypatch.setattr(retained, "ECHO_TIMEOUT_S", 0.05)
    monkeypatch.setattr(retained, "SETTLE_S", 0.01)
    answer, left = RetainedAnswer(), list(coming)

    def give_next() -> bool:
        if left:
            answer.note(is_echo=left.pop(0))
        return False

    assert answer.wait(give_next) is is_complete
    assert left == []


def test_who_has_all_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retained, "ECHO_TIMEOUT_S", 3600.0)
    assert RetainedAnswer().wait(lambda: True) is False


def test_what_others_publish_without_a_pause_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retained, "MAX_SETTLE_S", 0.05)
    answer = RetainedAnswer()
    answer.note(is_echo=True)

    def publish() -> bool:
        answer.note()
        return False

    assert answer.wait(publish)


def test_a_broker_that_keeps_the_echo_back_is_not_waited_for_as_long_as_others_publish(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retained, "MAX_RETRY_AFTER_S", 0.05)
    answer = RetainedAnswer()

    def publish() -> bool:
        answer.note()
        return False

    assert not answer.wait(publish)
