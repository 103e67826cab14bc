"""What the WMS expects: the highest revision wins, nonsense changes nothing, and a restart still knows it."""

import contextlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_agent.control.expected import MAX_BYTES, ExpectedStore, check_expected
from kardus.contract.messages import MAX_REVISION, Expected
from kardus.support.clock import SYSTEM_CLOCK, Clock, SetClock
from kardus.support.errors import KardusError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOCATIONS = frozenset({"L", "M"})
MESSAGES = st.lists(
    st.builds(
        Expected, revision=st.integers(0, 8), sku=st.none() | st.sampled_from(["A", "B", "C"]), managed=st.booleans()
    ),
    max_size=8,
    unique_by=lambda expected: expected.revision,
)


@contextmanager
def _store(path: Path = Path(":memory:"), clock: Clock = SYSTEM_CLOCK) -> Iterator[ExpectedStore]:
    store = ExpectedStore(path, LOCATIONS, clock)
    yield store
    store.close()


def _payload(expected: Expected) -> bytes:
    return expected.model_dump_json().encode()


def _sku(store: ExpectedStore, location: str = "L") -> str | None:
    found = store.get(location)
    return found.expected.sku if found else "nothing said"


@given(MESSAGES.flatmap(lambda messages: st.tuples(st.just(messages), st.permutations(messages + messages[:3]))))
def test_the_highest_revision_wins_in_whatever_order_they_come(
    case: tuple[list[Expected], list[Expected]],
) -> None:
    messages, arriving = case
    with _store() as store:
        assert [store.apply("L", _payload(message)) for message in arriving] == [""] * len(arriving)
        last = max(messages, key=lambda m: m.revision, default=None)
        found = store.get("L")
        assert (found.expected if found else None) == (last if last and last.managed else None)
        assert (store.get("M"), store.refused) == (None, 0)


@pytest.mark.parametrize("word", ["EMPTY", "Empty", "empty"])
def test_a_product_that_is_called_empty_is_none(word: str) -> None:
    with _store() as store:
        store.apply("L", json.dumps({"revision": 1, "sku": word}).encode())
        assert _sku(store) is None


def test_a_product_comes_in_nfc() -> None:
    with _store() as store:
        store.apply("L", json.dumps({"revision": 1, "sku": "Mu\u0308sli"}).encode())
        assert _sku(store) == "M\u00fcsli"


def test_what_was_stored_for_a_location_in_nfd_is_known_in_nfc(tmp_path: Path) -> None:
    path, before, now = tmp_path / "e.sqlite", "Ku\u0308hl-1", "K\u00fchl-1"
    former = ExpectedStore(path, frozenset({before, now}))
    former.apply(now, _payload(Expected(revision=1, sku="A")))
    former.apply(before, _payload(Expected(revision=2, sku="B")))
    former.close()
    store = ExpectedStore(path, frozenset({now}))
    assert _sku(store, now) == "B"
    store.close()


def test_a_product_that_takes_another_s_place_is_known_for_a_while() -> None:
    clock = SetClock(NOON, 100.0)
    with _store(clock=clock) as store:
        store.apply("L", b'{"revision": 1, "sku": "A"}')
        first = store.get("L")
        assert first
        assert first.replaced_s is None, "nothing was expected before"
        store.apply("L", b'{"revision": 2, "sku": "A", "quantity": 4}')
        same = store.get("L")
        assert same
        assert same.replaced_s is None
        store.apply("L", b'{"revision": 3, "sku": null}')
        store.apply("L", b'{"revision": 4, "sku": null, "quantity": 0}')
        other = store.get("L")
        assert other
        assert other.replaced_s == 100.0


def test_the_same_revision_again_changes_nothing() -> None:
    with _store() as store:
        store.apply("L", b'{"revision": 5, "sku": "A"}')
        first = store.get("L")
        store.apply("L", b'{"revision": 5, "sku": "B"}')
        assert store.get("L") is first


def test_the_largest_revision_that_the_contract_allows_is_kept() -> None:
    with _store() as store:
        store.apply("L", json.dumps({"revision": MAX_REVISION, "sku": "A"}).encode())
        assert _sku(store) == "A"


BAD = {
    "no json": b"{",
    "no utf-8": b'{"revision": 9, "sku": "\xff"}',
    "no object": b"[9]",
    "nan": b'{"revision": NaN}',
    "infinity": b'{"revision": Infinity}',
    "text": b'{"revision": "9"}',
    "fraction": b'{"revision": 9.0}',
    "boolean": b'{"revision": true}',
    "negative": b'{"revision": -1}',
    "huge revision": b'{"revision": 9223372036854775808}',
    "thousands of digits": b'{"revision": ' + b"9" * 20_000 + b"}",
    "no revision": b'{"sku": "B"}',
    "empty sku": b'{"revision": 9, "sku": ""}',
    "long sku": b'{"revision": 9, "sku": "' + b"x" * 201 + b'"}',
    "blank sku": b'{"revision": 9, "sku": "  "}',
    "no sku": b'{"revision": 9}',
    "misspelt sku": b'{"revision": 9, "SKU": "B", "managed": true, "quantity": 3}',
    "lone surrogate": b'{"revision": 9, "sku": "\\ud800"}',
    "too long": b'{"revision": 9, "sku": "B"' + b" " * MAX_BYTES + b"}",
    "nested": b'{"revision": 9, "sku": "B", "x": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "nested value": b"[" * 60_000,
    "late": b'{"revision": 9, "sku": "B", "valid_from": "9999-12-31T23:59:59-12:00"}',
    "early": b'{"revision": 9, "sku": "B", "valid_from": "0001-01-01T00:00:00+12:00"}',
}


BAD |= {
    f"{key} {value}": f'{{"revision": 9, "sku": "B", "{key}": {value}}}'.encode()
    for key, values in {
        "quantity": ["false", "true", '"0"', '""', "0.0", "-0.0", "1e-400", "24.0", "9223372036854775808", "[]"],
        "managed": ["0", "1", "0.0", '"no"', '"false"', '"off"', '"f"', "null", "[]"],
    }.items()
    for value in values
}


@pytest.mark.parametrize("case", BAD)
def test_nonsense_is_refused_and_counted_while_the_last_good_value_stays(case: str) -> None:
    with _store() as store:
        store.apply("L", b'{"revision": 1, "sku": "A"}')
        reason = store.apply("L", BAD[case])
        assert reason
        assert len(reason.splitlines()) == 1
        assert (store.refused, _sku(store)) == (1, "A")
        store.apply("L", b'{"revision": 2, "sku": "C"}')
        assert _sku(store) == "C"


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
@example(b"null")
def test_no_message_does_harm(payload: bytes) -> None:
    with _store() as store:
        store.apply("L", b'{"revision": 1, "sku": "A"}')
        store.apply("L", payload)
        assert _sku(store) == "A"


def test_what_must_be_empty_or_is_given_up_needs_no_sku_and_spaces_around_one_are_none_of_it() -> None:
    with _store() as store:
        assert store.apply("L", b'{"revision": 1, "sku": "  A "}') == ""
        assert _sku(store) == "A"
        assert store.apply("L", b'{"revision": 2, "quantity": 0}') == ""
        assert _sku(store) is None
        assert store.apply("L", b'{"revision": 3, "managed": false}') == ""
        assert store.get("L") is None


def test_an_older_word_that_says_otherwise_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with _store() as store:
        store.apply("L", b'{"revision": 9, "sku": "A"}')
        store.apply("L", b'{"revision": 8, "sku": "A"}')
        assert not caplog.text
        for sku in (b"B", b"C"):
            store.apply("L", b'{"revision": 5, "sku": "' + sku + b'"}')
        assert caplog.text.count("expected stock of L: revision 5 says otherwise than 9") == 1
        assert "publish it with a higher revision" in caplog.text


def test_a_cleared_topic_says_nothing() -> None:
    with _store() as store:
        store.apply("L", b'{"revision": 1, "sku": "A"}')
        assert store.apply("L", b"") == ""
        assert (_sku(store), store.refused) == ("A", 0)


def test_a_location_that_is_given_up_is_expected_to_hold_nothing() -> None:
    with _store() as store:
        store.apply("L", b'{"revision": 1, "sku": "A"}')
        store.apply("L", b'{"revision": 2, "managed": false}')
        assert store.get("L") is None
        store.apply("L", b'{"revision": 1, "sku": "A"}')
        assert store.get("L") is None
        store.apply("L", b'{"revision": 3, "sku": "B"}')
        assert _sku(store) == "B"


def test_a_location_that_must_be_empty_is_not_one_of_which_nothing_is_said() -> None:
    with _store() as store:
        store.apply("L", b'{"revision": 1, "sku": null}')
        assert (_sku(store), _sku(store, "M")) == (None, "nothing said")


def test_none_of_a_product_is_an_empty_location_whoever_published_it(tmp_path: Path) -> None:
    with _store(tmp_path / "e.sqlite") as store:
        store.apply("L", _payload(Expected(revision=1, sku="A", quantity=0)))
        store.apply("M", _payload(Expected(revision=1, sku="A", quantity=3)))
        assert (_sku(store, "L"), _sku(store, "M")) == (None, "A")
    with contextlib.closing(sqlite3.connect(tmp_path / "e.sqlite")) as database, database:  # as an earlier version did
        database.execute(
            "UPDATE expected SET payload = ?", (_payload(Expected(revision=1, sku="A", quantity=0)).decode(),)
        )
    with _store(tmp_path / "e.sqlite") as store:
        assert (_sku(store, "L"), _sku(store, "M")) == (None, None)


def test_other_locations_are_ignored(tmp_path: Path) -> None:
    with _store(tmp_path / "e.sqlite") as store:
        assert store.apply("elsewhere", b'{"revision": 1, "sku": "A"}') == ""
        assert store.apply("elsewhere", b"nonsense") == ""
        assert (store.get("elsewhere"), store.refused) == (None, 0)


@given(MESSAGES)
def test_another_location_s_messages_leave_this_one_alone(messages: list[Expected]) -> None:
    with _store() as store:
        store.apply("L", b'{"revision": 1, "sku": "A"}')
        for message in messages:
            store.apply("M", _payload(message))
        assert _sku(store) == "A"


def test_a_restart_still_knows_it_all(tmp_path: Path) -> None:
    full = b'{"revision": 7, "sku": "A", "quantity": 3, "valid_from": "2025-03-01T12:00:00.500+07:00"}'
    with _store(tmp_path / "e.sqlite") as store:
        store.apply("L", full)
        store.apply("M", b'{"revision": 9, "managed": false}')
        before = store.get("L")
    with _store(tmp_path / "e.sqlite") as again:
        found = again.get("L")
        assert found
        assert before
        assert found.expected == before.expected
        assert again.get("M") is None
        again.apply("M", b'{"revision": 8, "sku": "B"}')
        assert again.get("M") is None


def test_a_location_that_left_the_configuration_is_not_read(tmp_path: Path) -> None:
    with _store(tmp_path / "e.sqlite") as store:
        store.apply("L", b'{"revision": 1, "sku": "A"}')
    other = ExpectedStore(tmp_path / "e.sqlite", frozenset({"M"}))
    assert other.get("L") is None
    other.close()


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "e.sqlite").mkdir()
    with pytest.raises(KardusError, match=r"e\.sqlite: cannot be opened.*: check"):
        ExpectedStore(tmp_path / "e.sqlite", LOCATIONS)


def _no_expectation(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE expected SET payload = '{'")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"no database" * 99),
        lambda path: path.write_bytes(b"\x5a" * 9000),
        _no_expectation,
    ],
)
def test_a_damaged_file_is_set_aside_since_the_broker_gives_its_content_again(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    path = tmp_path / "e.sqlite"
    with _store(path) as store:
        store.apply("L", b'{"revision": 1, "sku": "A"}')
    assert check_expected(path) == ""
    spoil(path)
    spoilt = path.read_bytes()
    assert re.match(rf"{path}: damaged .*: the agent sets it aside at its next start; ", check_expected(path))
    assert path.read_bytes() == spoilt, "a check changes nothing"
    with _store(path) as again:
        assert again.get("L") is None
        assert again.apply("L", b'{"revision": 1, "sku": "A"}') == ""
        assert again.get("L")
    assert len(list(tmp_path.glob("e.sqlite.damaged-*"))) >= 1


@pytest.mark.parametrize(("away", "age_s"), [(timedelta(hours=1), 3600), (timedelta(days=-1), 0)])
def test_its_age_goes_on_over_a_restart_by_the_calendar_and_then_by_seconds(
    tmp_path: Path, away: timedelta, age_s: float
) -> None:
    with _store(tmp_path / "e.sqlite", SetClock(NOON, 5000.0)) as store:
        store.apply("L", b'{"revision": 1, "sku": "A"}')
    clock = SetClock(NOON + away, 7.0)
    with _store(tmp_path / "e.sqlite", clock) as again:
        found = again.get("L")
        assert found
        assert 7.0 - found.received_s == age_s
        clock.set(NOON + timedelta(days=365), 17.0)
        assert again.get("L") == found


def test_a_full_disk_costs_only_the_copy_on_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with _store(tmp_path / "e.sqlite") as store:
        pages = store._database.execute("PRAGMA page_count").fetchone()[0]
        store._database.execute(f"PRAGMA max_page_count = {pages}")
        for revision in range(1, 40):
            wanted = json.dumps({"revision": revision, "sku": "A" * 200, "valid_from": None})
            assert store.apply("L", wanted.encode()) == ""
            assert store.apply("M", json.dumps({"revision": revision, "sku": "B" * 200}).encode()) == ""
        found = store.get("L")
        assert found is not None
        assert found.expected.revision == 39
