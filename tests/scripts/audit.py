"""Looks for known vulnerabilities in the pinned versions: `python -m tests.scripts.audit` (part of `make check`).

Where the service of pip-audit can't be reached it says so, and nothing fails: that a site has no way to the
internet is no fault of the software.
"""

import json
import subprocess
import sys
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
TIMEOUT_S = 180
SHOWN = 5
"""So many names of packages that weren't audited are enough for a line."""


def audit(file: Path) -> str:
    """What pip-audit says as JSON; nothing where it can't say anything."""
    words = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    words += ["--timeout", "10", "--format", "json", "--requirement", str(file)]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=TIMEOUT_S).stdout
    except subprocess.TimeoutExpired:
        return ""


def verdict(said: str) -> tuple[str, int]:
    """What to tell, and the exit code: 1 for a known vulnerability, and for nothing else."""
    try:
        packages = json.loads(said)["dependencies"]
    except (ValueError, KeyError):
        return "NOT AUDITED: pip-audit's service could not be reached; run this where it can be", 0
    found = [
        f"{package['name']} {package['version']}: {each['id']}, fixed in {', '.join(each['fix_versions']) or 'none'}"
        for package in packages
        for each in package.get("vulns", [])
    ]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    audited = len(packages) - len(skipped)
    lines = [f"{audited} of {len(packages)} pinned packages audited, {len(found)} known vulnerabilities", *found]
    if skipped:
        more = f" and {len(skipped) - SHOWN} more" if len(skipped) > SHOWN else ""
        lines.append(
            f"NOT AUDITED, the service doesn't know them or can't be reached: {', '.join(skipped[:SHOWN])}{more}"
        )
    return "\n".join(lines), int(bool(found))


def main() -> None:
    """Print it."""
    text, code = verdict(audit(CONSTRAINTS))
    print(text)
    sys.exit(code)


if __name__ == "__main__":
    main()
