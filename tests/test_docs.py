"""The documentation is tested: what is not described fails, what has changed fails, what it shows works."""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from edge_agent.config import load_config
from kardus import __version__
from tests.scripts.reference import undescribed, written

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
MAX_COLUMNS = 120
MADE_OF_THE_CODE = {"commands.md", "configuration.md", "messages.md", "routes.md", "licences.md"}
"""Their long lines are the code's own descriptions."""


def test_every_command_option_key_and_field_is_described() -> None:
    assert undescribed() == []


@pytest.mark.parametrize("name", ["commands.md", "configuration.md", "messages.md"])
def test_the_reference_is_current(name: str) -> None:
    assert (DOCS / name).read_text() == written()[name], "run: python -m tests.scripts.reference"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text()):
        if "://" in target:
            continue
        found = page.parent / target if target else page
        assert found.exists(), target
        if anchor and found.suffix == ".md":
            assert anchor in _anchors(found), f"{target}#{anchor}"


@cache
def _anchors(page: Path) -> set[str]:
    """Of a page's headings, as GitHub makes them; a second one of the same words ends in -1."""
    found: Counter[str] = Counter()
    anchors = set()
    for heading in re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", words.lower()).strip().replace(" ", "-")
        anchors.add(f"{anchor}-{found[anchor]}" if found[anchor] else anchor)
        found[anchor] += 1
    return anchors


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in MADE_OF_THE_CODE], ids=lambda p: p.name)
def test_lines_fit_a_page(page: Path) -> None:
    """Tables, code and pictures can't be broken."""
    lines = enumerate(page.read_text().splitlines(), 1)
    prose = [(number, line) for number, line in lines if not line.startswith(("|", "    ", "![", "[!["))]
    assert [number for number, line in prose if len(line) > MAX_COLUMNS] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_shown_exist(page: Path) -> None:
    described = written()["commands.md"]
    for words in re.findall(r"^\s*(?:\$ )?(kardus-\w+(?: [a-z-]+){1,2})", page.read_text(), flags=re.MULTILINE):
        parts = words.split()
        assert any(f"`{' '.join(parts[:count])}`" in described for count in (3, 2)), words


def test_the_two_commands_of_the_readme_are_in_the_makefile_and_ci_runs_the_second() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    named = re.findall(r"^\s*make ([a-z-]+)", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    assert {"demo", "test"} <= set(named) <= set(targets)
    assert "make test" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize(
    "example",
    sorted(set((ROOT / "deploy" / "examples").glob("*.toml")) - {ROOT / "deploy" / "examples" / "sync.toml"}),
    ids=lambda path: path.name,
)
def test_examples_are_valid(example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/kardus-agent.service")
    config = load_config(example)
    assert config.cameras
    assert config.mqtt.broker.tls


def test_the_changelog_tells_of_this_version() -> None:
    assert f"## {__version__}" in (DOCS / "changelog.md").read_text()


def test_every_fault_names_tests_that_exist() -> None:
    rows = [line for line in (DOCS / "faults.md").read_text().splitlines() if re.match(r"\| \d+ \|", line)]
    assert rows
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`( \(\*slow\*\))?", row)
        assert named, row
        for file, test, slow in named:
            found = re.search(rf"((?:^@.*\n|^    .*\n|^\)\n)*)^def {test}\(", (ROOT / file).read_text(), re.MULTILINE)
            assert found, f"{file}::{test}"
            assert ("@pytest.mark.slow" in found.group(1)) == bool(slow), f"{file}::{test}"


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:4]) for path in (DOCS / "adr").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
