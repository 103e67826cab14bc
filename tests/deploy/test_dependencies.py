"""What the base installation brings: pinned, with a licence that a company can accept, and wheels for Arm boxes."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.scripts import licences, wheels
from tests.scripts.audit import verdict

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_the_page_of_licences_is_current() -> None:
    assert licences.PAGE.read_text() == licences.page(), "run: python -m tests.scripts.licences"


@pytest.mark.parametrize("name", licences.base_packages())
def test_a_base_dependency_has_a_licence_that_is_accepted(name: str) -> None:
    assert licences.ACCEPTED.search(licences.licence(name)), licences.licence(name)


def test_every_base_dependency_is_pinned() -> None:
    pinned = wheels.pinned()
    assert len(pinned) == len(licences.base_packages())
    assert all("==" in requirement for requirement in pinned)


def test_the_audit_fails_for_a_vulnerability_and_for_nothing_else() -> None:
    vulnerable = {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}
    sound = {"name": "b", "version": "1", "vulns": []}
    skipped = {"name": "c", "skip_reason": "not found"}
    text, code = verdict(json.dumps({"dependencies": [vulnerable, sound, skipped]}))
    assert code == 1
    assert text.splitlines() == [
        "2 of 3 pinned packages audited, 1 known vulnerabilities",
        "a 1: PYSEC-1, fixed in 2",
        "NOT AUDITED, the service doesn't know them or can't be reached: c",
    ]
    assert verdict(json.dumps({"dependencies": [sound]})) == (
        "1 of 1 pinned packages audited, 0 known vulnerabilities",
        0,
    )


@pytest.mark.parametrize("said", ["", "no JSON", "{}"])
def test_an_audit_that_could_not_be_made_says_so(said: str) -> None:
    text, code = verdict(said)
    assert code == 0
    assert text.startswith("NOT AUDITED")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_base_dependency_has_a_wheel_for_x86_64_and_aarch64() -> None:
    assert wheels.lacking() == []
    for_intel_alone = "onnxruntime-ep-openvino==1.8.1"
    assert wheels.without_wheel(["numpy>=2", for_intel_alone], "3.11", "aarch64") == [for_intel_alone]


@pytest.mark.slow
@pytest.mark.parametrize("extra", EXTRAS)
def test_every_extra_can_be_installed_with_the_pinned_versions(extra: str) -> None:
    """A pin that one package needs may shut out another, of an extra that nothing here installs."""
    words = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed", "-c"]
    told = subprocess.run(
        [*words, "constraints.txt", f".[{extra}]"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
