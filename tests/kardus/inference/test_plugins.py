"""Real plug-in providers, in a folder of their own: OpenVINO runs the model, and QNN, without its chip, a part.

OpenVINO's plug-in takes Intel's processors alone. On another one the test runs under qemu, which passes for one.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from simulator.demo.play import DEMO_BUNDLE
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[3]
PACKAGES = ("onnxruntime-ep-openvino==1.8.1", "onnxruntime-qnn==2.7.0")
TRY = """
import sys
from pathlib import Path
import kardus
from kardus.inference.bundle import read_bundle
from kardus.inference.classifier import Classifier
from kardus.inference.providers import parse_provider
from kardus.support.errors import ProviderError
bundle = read_bundle(Path(sys.argv[1]))
for text in sys.argv[2:]:
    try:
        classifier = Classifier(bundle, 1, [parse_provider(part, "--provider") for part in text.split("+")])
        print(classifier.runs_on, flush=True)
        print(classifier.check_golden(bundle), flush=True)
    except ProviderError as error:
        print(error, flush=True)
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plug-ins' packages."""
    folder = tmp_path_factory.mktemp("plugins")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), *PACKAGES]
    subprocess.run(command, check=True, timeout=5 * PATIENCE_S)
    return folder


def _try(packages: Path, *providers: str, emulated: bool = False) -> list[str]:
    as_intel = ["qemu-x86_64-static", "-cpu", "Skylake-Client"] if emulated else []
    command = [*as_intel, sys.executable, "-c", TRY, str(DEMO_BUNDLE), *providers]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{packages}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _is_intel() -> bool:
    return "GenuineIntel" in Path("/proc/cpuinfo").read_text(encoding="ascii")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_openvino_s_plug_in_runs_the_model_and_keeps_the_tolerance(packages: Path) -> None:
    name = "OpenVINOExecutionProvider"
    first, difference, second, _ = _try(
        packages, name, f"{name},device=NPU+CPUExecutionProvider", emulated=not _is_intel()
    )
    assert first.startswith(f"{name} ")
    assert first.endswith("(f32)")
    assert float(difference) < 1e-3
    assert second.startswith(f"CPUExecutionProvider (f32); not on {name}: it has no device 'NPU' here: it has CPU")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_plug_in_without_its_chip_runs_on_the_emulator_it_has(packages: Path) -> None:
    name = "QNNExecutionProvider"
    # at its end the library prints a line of its own
    refused, named, difference, there, *_ = _try(
        packages, name, f"{name},device=CPU", f"{name},device=GPU+CPUExecutionProvider"
    )
    assert f"{name}: it has no device 'NPU' here: it has CPU" in refused, "the chip that nobody has to name"
    assert named.startswith(f"{name} "), "Qualcomm's emulator of its NPU, where it is asked for"
    assert float(difference) < 1e-3
    assert there.startswith(f"CPUExecutionProvider (f32); not on {name}: it has no device 'GPU' here: it has CPU")
    if not _is_intel():
        (refused,) = _try(packages, "OpenVINOExecutionProvider")
        assert "its plug-in is installed, and finds nothing here to run on (it needs an Intel processor" in refused
