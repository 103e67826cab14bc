"""Pictures of pages by a browser that is spoken to over pipes."""

import io
from pathlib import Path

import pytest
from PIL import Image

from kardus.support.errors import KardusError
from simulator.demo.browser import program, run_browser

GREEN = "<style>body{margin:0;background:#0f0}</style>"


def test_a_page_is_shown_with_the_pictures_that_come_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    Image.new("RGB", (50, 50), "red").save(tmp_path / "red.png")
    text = f"{GREEN}<script>setTimeout(() => document.body.innerHTML = '<img src=red.png loading=lazy>', 0)</script>"
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    path = program()
    assert path is not None
    with run_browser(path) as browser:
        with Image.open(io.BytesIO(browser.picture(f"file://{tmp_path}/page.html", {}, 120, 80))) as picture:
            assert picture.size == (120, 80)
            assert picture.convert("RGB").getpixel((100, 70)) == (0, 255, 0)
        with pytest.raises(KardusError, match="ERR_FILE_NOT_FOUND"):
            browser.picture(f"file://{tmp_path}/none.html", {}, 120, 80)
    assert not list(home.rglob("*"))


def test_a_browser_that_ends_is_said(tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexit 1\n")
    silent.chmod(0o755)
    with pytest.raises(KardusError, match="the browser has ended"), run_browser(str(silent)):
        pass
