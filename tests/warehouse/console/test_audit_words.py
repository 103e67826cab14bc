"""The audit log is read in words: every action that is noted has some, and no detail is left in English."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from warehouse.console.pages.routes.work import ACTIONS
from warehouse.console.pages.words.audit_words import ACTION_WORDS, action_words, detail_words
from warehouse.console.pages.words.languages import translations_of

CONSOLE = Path(__file__).parents[3] / "warehouse" / "console"
PLACES = {"entry_of": (2,), "AuditRow": (2,), "_note": (2, 3)}
"""Where functions that note something have the action."""


def noted() -> Iterator[str]:
    """The actions that stand in the sources."""
    for path in CONSOLE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                for place in PLACES.get(node.func.id, ()):
                    one = node.args[place] if place < len(node.args) else None
                    if isinstance(one, ast.Constant) and isinstance(one.value, str):
                        yield one.value


def test_every_action_that_is_noted_has_words() -> None:
    found = {*noted(), *ACTIONS} - {""}
    assert len(found) > 15
    assert found <= ACTION_WORDS.keys()
    assert all(action_words(one, translations_of("id").gettext) != ACTION_WORDS[one] for one in ACTION_WORDS)


@pytest.mark.parametrize(
    ("action", "detail", "words"),
    [
        ("take", "from Ani to Budi", "dari Ani to Budi"),
        ("change-role", "viewer to operator", "pengamat menjadi operator"),
        ("add-user", "supervisor", "penyelia"),
        ("offer-model", "cartons 1 to cartons 2", "cartons 1 menjadi cartons 2"),
        ("offer-model", " to cartons 2", " menjadi cartons 2"),
        ("acknowledge", "done; no answer yet", "sudah dilakukan agen; belum ada jawaban"),
        ("acknowledge", "erp: Ani: offline: it wasn't asked", "erp: Ani: luring: tidak ditanya"),
        ("look", "box: done, other: no answer yet", "box: sudah dilakukan agen, other: belum ada jawaban"),
        ("lay-out", "15 locations, based on revision 0", "lokasi: 15, berdasarkan revisi 0"),
        ("lay-out", "back to revision 1, from 2", "kembali ke revisi 1, dari 2"),
        ("request-product", "5 photos", "foto: 5"),
        ("label", "empty", "Gambar menunjukkan bahwa tidak ada apa-apa di sana"),
        ("comment", "done", "done"),
        ("take", "100% (a)s", "100% (a)s"),
        ("dance", "done", "done"),
    ],
)
def test_details_are_in_the_reader_s_language(action: str, detail: str, words: str) -> None:
    assert detail_words(action, detail, translations_of("id").gettext) == words
