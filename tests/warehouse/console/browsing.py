"""A real browser for the tests: Debian's Chromium by playwright; one for all tests of a process."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.patience import PATIENCE_S
from warehouse.console.context import Console
from warehouse.console.identity.people import add_person, find_person
from warehouse.console.identity.roles import Role
from warehouse.console.identity.sessions import begin_session

AXE = Path(__file__).parent / "vendored" / "axe.min.js"
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WAIT_MS = 1000 * PATIENCE_S
expect.set_options(timeout=WAIT_MS)  # of its own accord it has 5 s, whatever the machine does beside it


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Chromium without a window."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visiting(
    browser: Browser, console: Console, port: int, role: Role, language: str = "en", **more: Any
) -> Iterator[Page]:
    """A page in a browser of somebody's own, signed in; ends with a failure where a script failed in it."""
    context = browser.new_context(base_url=f"http://127.0.0.1:{port}", locale=language, **more)
    context.set_default_timeout(WAIT_MS)
    name = f"a {role.word}"
    person = find_person(console.database, name) or add_person(console.database, name, role.word, "")
    cookie = begin_session(console.database, person)
    context.add_cookies([{"name": "kardus_session", "value": cookie, "url": f"http://127.0.0.1:{port}"}])
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if "Content Security Policy" in said.text else None)
    try:
        yield page
        assert problems == []
    finally:
        context.close()


def violations(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA, a line each: the rule and where."""
    page.evaluate(_axe())
    found = page.evaluate("(tags) => axe.run(document, {runOnly: {type: 'tag', values: tags}})", WCAG)
    return [f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]]


@cache
def _axe() -> str:
    return AXE.read_text(encoding="utf-8")


__all__ = ["PHONE", "Browser", "BrowserContext", "Page", "running_browser", "violations", "visiting"]
