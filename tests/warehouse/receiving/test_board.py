"""The board: the present state of every location, from the messages."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

from rich.console import Console

from edge_agent.deciding.message_writer import MessageWriter
from kardus.contract.messages import ExpectedStock, LocationState, Model, Seen
from kardus.contract.topics import Topics
from kardus.contract.verdicts import Verdict
from warehouse.receiving.board import Board, what_is_seen

TOPICS = Topics("s", "box")
MODEL = Model(name="m", version="1.0.0")
WRITER = MessageWriter(TOPICS, MODEL, 60)
NOW = datetime.now(UTC)


def _state(verdict: Verdict, seen: Seen | None = None, valid_for_s: float = 3600) -> LocationState:
    return LocationState(
        location="A-1",
        verdict=verdict,
        since=NOW,
        last_verified=NOW,
        valid_until=NOW + timedelta(seconds=valid_for_s),
        expected=ExpectedStock(sku="Tea", revision=1, age_s=0),
        seen=seen,
        camera="cam",
        model=MODEL,
    )


def _text(board: Board) -> str:
    buffer = io.StringIO()
    Console(file=buffer, width=120, no_color=True).print(board.table())
    return buffer.getvalue()


def test_the_last_state_of_a_location_stands() -> None:
    board = Board()
    for verdict in (Verdict.MATCH, Verdict.MISMATCH):
        board.take(*WRITER.state_message(_state(verdict, Seen(sku="Milk", confidence=0.9))))
    assert board.alerts() == 1
    assert all(word in _text(board) for word in ("A-1", "Tea", "Milk", "0.90", "mismatch"))


def test_a_state_past_its_validity_is_shown_as_stale() -> None:
    board = Board()
    board.take(*WRITER.state_message(_state(Verdict.MATCH, valid_for_s=-1)))
    assert "stale" in _text(board)
    assert "match" not in _text(board)


def test_a_cleared_topic_forgets_its_location() -> None:
    board = Board()
    board.take(*WRITER.state_message(_state(Verdict.MATCH)))
    board.take(TOPICS.state("A-1"), b"")
    assert board.states == {}


def test_agents_come_and_go() -> None:
    board = Board()
    board.take(*WRITER.online(3, "0.1.0", NOW))
    assert board.agents["box"].status == "online"
    board.take(*WRITER.offline("stopped", NOW))
    assert (board.agents["box"].status, board.agents["box"].reason) == ("offline", "stopped")


def test_what_does_not_fit_the_contract_is_counted_and_changes_nothing() -> None:
    board = Board()
    for payload in (b"{}", b"not json", b"[1]", b'{"data": null}'):
        assert board.take(TOPICS.state("A-1"), payload) is None
    assert (board.malformed, board.states) == (4, {})


def test_what_is_seen_in_a_word() -> None:
    assert what_is_seen(_state(Verdict.UNKNOWN)) == "(unknown)"
    assert what_is_seen(_state(Verdict.EMPTY, Seen(sku=None, name="empty"))) == "(empty)"
    assert what_is_seen(_state(Verdict.MISMATCH, Seen(sku=None, category="Milk"))) == "Milk?"
    assert what_is_seen(_state(Verdict.STALE)) == ""
