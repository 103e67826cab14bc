"""The agent's wheels for aarch64 compute as x86-64's do: `verify` in a Debian root for arm64, under qemu."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from export.build import build
from export.lower_precision import PrecisionTarget
from simulator.demo.play import DEMO_BUNDLE

ROOT = Path(__file__).parents[2]
NEEDED = ("numpy", "onnxruntime", "pillow", "pydantic", "cryptography", "typer", "rich")
GLIBC = (17, 26, 27, 28, 34)
CPUINFO = """processor : 0
Features : fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer : 0x41
CPU architecture: 8
CPU variant : 0x3
CPU part : 0xd0c
CPU revision : 1

"""
"""A Neoverse N1's /proc/cpuinfo. qemu-user 7.2 shows the host's, in which onnxruntime finds no core, and dies of it."""
VERIFY = """
import sys
from pathlib import Path
import kardus, platform
from export.verify import verify
assert platform.machine() == "aarch64"
for check in verify(Path(sys.argv[1])):
    print(check.what, check.found)
"""


@pytest.fixture(scope="module")
def arm64(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debian's Python for arm64, and the agent's wheels in `site`. Nothing of it is configured, only unpacked."""
    root = tmp_path_factory.mktemp("arm64")
    made = ["debootstrap", "--foreign", "--arch=arm64", "--variant=minbase", "--include=python3", "bookworm", str(root)]
    subprocess.run(made, check=True, timeout=1500, stdout=subprocess.DEVNULL)
    for package in (root / "var/cache/apt/archives").glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True)
    (root / "proc" / "cpuinfo").write_text(CPUINFO)
    platforms = [word for glibc in GLIBC for word in ("--platform", f"manylinux_2_{glibc}_aarch64")]
    tags = ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--abi", "abi3", "--abi", "none"]
    into = ["--target", str(root / "site"), "--only-binary=:all:", "-c", str(ROOT / "constraints.txt")]
    command = [sys.executable, "-m", "pip", "install", "-q", *into, *platforms, *tags, *NEEDED]
    subprocess.run(command, check=True, timeout=1500)
    return root


def _verify(root: Path, bundle: Path) -> dict[str, str]:
    emulator = shutil.which("qemu-aarch64-static")  # wherever it lies: what runs in it gets no PATH
    assert emulator, "install qemu-user-static"
    command = [
        emulator,
        "-cpu",
        "neoverse-n1",
        "-L",
        str(root),
        str(root / "usr/bin/python3.11"),
        "-c",
        VERIFY,
        str(bundle),
    ]
    environment = {"PYTHONPATH": f"{ROOT}:{root / 'site'}", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=1500)
    assert done.returncode == 0, done.stderr
    return {line.rpartition("difference ")[0]: line.rpartition("difference ")[2] for line in done.stdout.splitlines()}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_emulated_aarch64_answers_within_the_tolerance(arm64: Path, run_folder: Path, tmp_path: Path) -> None:
    found = _verify(arm64, DEMO_BUNDLE)
    (difference,) = (float(value) for what, value in found.items() if what.startswith("golden samples"))
    assert difference < 1e-4
    eight = tmp_path / "eight.bundle"
    build(run_folder, eight, target=PrecisionTarget("int8", 100))
    (difference,) = (float(v) for what, v in _verify(arm64, eight).items() if what.startswith("golden samples"))
    assert difference < 0.1
