"""What a person sees in Tryton while `make demo-erp` plays: python -m tests.scripts.erp_pictures FOLDER.

Tryton's web client is taken from npm, in a folder of its own. npm has that of the series 8.0 and no later one, and a
client asks for a server of its own series: so the same play runs with a server of 8.0 here. Written to FOLDER are the
draft that waits for a person, and the list of inventories at the end, the newest first. Takes some minutes.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.scripts.demo_erp import play
from tests.tryton import PASSWORD, USER, Tryton, install

CLIENT = "tryton-sao@8.0.11"
SERVER = ("trytond==8.0.12", "trytond-stock==8.0.5", "proteus==8.0.0")
PATIENCE_MS = 120_000
LIST = """Sao.Tab.create({
    model: 'stock.inventory', mode: ['tree', 'form'], name: 'Inventories', order: [['id', 'DESC']], limit: 5})"""
WIDTH, HEIGHT = 1400, 620


def main(folder: Path) -> None:
    """Play it, and take the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kardus-erp-") as name:
        work = Path(name)
        client = _client(work)
        install(work / "tryton", SERVER)
        (work / "play").mkdir()
        play(
            work / "play",
            work / "tryton",
            client,
            on_draft=lambda tryton: _take(tryton, folder / "tryton-draft.png", form=True),
            on_end=lambda tryton: _take(tryton, folder / "tryton-list.png", form=False),
        )


def _client(work: Path) -> Path:
    """The client's files, with the scripts that it needs."""
    packed = subprocess.run(["npm", "pack", "--silent", CLIENT], cwd=work, check=True, capture_output=True, text=True)
    subprocess.run(["tar", "xzf", packed.stdout.strip()], cwd=work, check=True)
    # its packages ask for each other in versions that exclude one another
    words = ["npm", "install", "--silent", "--omit=dev", "--ignore-scripts", "--legacy-peer-deps"]
    subprocess.run(words, cwd=work / "package", check=True)
    return work / "package"


def _take(tryton: Tryton, path: Path, *, form: bool) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{tryton.url}/#wms")
        page.get_by_label("User name").fill(USER)
        page.get_by_role("button", name="Login").click()
        page.locator("input[type=password]").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_text("Inventory & Stock").first.wait_for()
        page.evaluate(LIST)
        page.get_by_text("Draft", exact=True).or_(page.get_by_text("Cancelled", exact=True)).first.wait_for()
        if form:
            page.get_by_text("Draft", exact=True).first.dblclick()
            page.get_by_text("Expected Quantity").first.wait_for()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=path)
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
