"""The environment that the Makefile makes."""

from __future__ import annotations

from tests.conftest import BIN
from tests.deploy.byte_code import without_byte_code


def test_byte_code_of_what_the_commands_import_is_made_with_the_environment() -> None:
    assert not without_byte_code(BIN / "python")
