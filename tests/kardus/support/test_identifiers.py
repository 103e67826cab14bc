"""Identifiers are unique and in the order of time."""

import time
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kardus.support import identifiers
from kardus.support.identifiers import (
    BOOT_ID_VARIABLE,
    boot_id,
    clock_synchronised,
    is_uuid7,
    machine_boot_id,
    moment_of,
    uuid7,
)


def _milliseconds(identifier: str) -> int:
    return uuid.UUID(identifier).int >> 80


def test_an_identifier_is_a_uuid_of_version_7() -> None:
    for identifier in (uuid.UUID(uuid7()) for _ in range(1000)):
        assert identifier.version == 7
        assert identifier.variant == uuid.RFC_4122


def test_it_carries_the_time_of_its_making() -> None:
    before = time.time_ns() // 1_000_000
    made = _milliseconds(uuid7())
    assert before <= made <= time.time_ns() // 1_000_000


def test_a_later_millisecond_sorts_later_as_text() -> None:
    first = uuid7()
    while (second := uuid7()) and _milliseconds(second) == _milliseconds(first):
        pass
    assert first < second


def test_no_two_are_equal() -> None:
    assert len({uuid7() for _ in range(20_000)}) == 20_000


def test_the_boot_has_one_identifier() -> None:
    assert boot_id() == boot_id()
    assert str(uuid.UUID(boot_id())) == boot_id()


def test_where_the_kernel_s_word_is_hidden_systemd_s_is_taken_and_else_the_process_has_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As with `ProcSubset=pid`."""
    own = boot_id()
    monkeypatch.setattr(identifiers, "_BOOT_ID", tmp_path / "hidden")
    monkeypatch.setenv(BOOT_ID_VARIABLE, own.replace("-", ""))
    assert machine_boot_id() == boot_id() == own
    for nonsense in ("", "%b", own[:-1]):
        monkeypatch.setenv(BOOT_ID_VARIABLE, nonsense)
        assert not machine_boot_id()
        assert boot_id() == boot_id() != own


def test_the_clock_s_state_is_known() -> None:
    assert clock_synchronised() in (True, False)


@given(st.integers(0, 2**47))
def test_one_that_comes_after_another_is_higher_whatever_the_clock_says(milliseconds: int) -> None:
    former = str(uuid.UUID(int=milliseconds << 80 | 0x7FFF << 64 | 0xBFFF << 48 | 2**48 - 1))
    later = uuid7(after=former)
    assert is_uuid7(later)
    assert later > former
    assert moment_of(later) >= moment_of(former)


def test_what_has_no_order_is_not_waited_for() -> None:
    for text in ("", "an epoch", str(uuid.uuid4()), uuid7().upper()):
        assert not is_uuid7(text)
        assert abs(_milliseconds(uuid7(after=text)) - time.time() * 1000) < 60_000
