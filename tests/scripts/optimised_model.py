"""What onnxruntime's optimised model, kept on the disk, would spare of a start.

    python -m tests.scripts.optimised_model [PAIRS] [NETWORK ...]

For each network (names of `tests.benchmarks.networks`), PAIRS rounds, in turn and in processes of their own: a session
is opened from the bundle's model as the agent does, and from the optimised model in onnxruntime's own format, whose
SHA-256 is taken before; and `kardus-agent run` starts, until its first verdict. All in seconds of processor time, on
one thread. Medians with intervals of order statistics (95 %), and what is spared as a share of the start.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import onnxruntime as ort

from kardus.inference.bundle import read_bundle
from kardus.inference.onnx_session import UNWANTED_OPTIMIZERS
from tests.benchmarks.networks import LIGHT, bundle_of
from tests.benchmarks.pairs import Estimate, median
from tests.benchmarks.rack import Bench
from tests.benchmarks.start import processor_s, running_agent

PAIRS = 10
NETWORKS = (LIGHT, "kardus-int8", "resnet18-int8", "resnet50-rmcsam-int8")
AS_THE_AGENT = """
import json, sys, time
from pathlib import Path
from kardus.inference.onnx_session import open_session
from kardus.inference.providers import ON_CPU
model = Path(sys.argv[1]).read_bytes()
began = time.process_time()
open_session(model, 1, ON_CPU)
print(time.process_time() - began)
"""
FROM_THE_DISK = """
import hashlib, sys, time
from pathlib import Path
import onnxruntime as ort
began = time.process_time()
model = Path(sys.argv[1]).read_bytes()
hashlib.sha256(model).digest()
options = ort.SessionOptions()
options.intra_op_num_threads = 1
options.enable_mem_pattern = False
options.add_session_config_entry("session.use_ort_model_bytes_directly", "1")
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
print(time.process_time() - began)
"""


def optimise(model: Path, to: Path) -> None:
    """Write what onnxruntime makes of a model here, in its own format."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.optimized_model_filepath = str(to)
    options.log_severity_level = 4  # it warns that the file is for this processor alone
    options.add_session_config_entry("session.save_model_format", "ORT")
    ort.InferenceSession(model, options, providers=["CPUExecutionProvider"], disabled_optimizers=UNWANTED_OPTIMIZERS)


def opening_s(program: str, model: Path) -> float:
    """Seconds of processor time, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", program, str(model)], check=True, capture_output=True, text=True)
    return float(done.stdout)


def start_s(folder: Path, network: str) -> float:
    """Seconds of processor time that the agent has used when its first verdict comes."""
    with running_agent(folder, network, Bench(16), threads=1) as (process, _):
        return processor_s(process.pid)


def measure(network: str, pairs: int, work: Path) -> dict[str, Estimate]:
    """A network's figures."""
    plain, ready = work / "model.onnx", work / "model.ort"
    plain.write_bytes(read_bundle(bundle_of(network, print)).model)
    optimise(plain, ready)
    rounds = [
        (opening_s(AS_THE_AGENT, plain), opening_s(FROM_THE_DISK, ready), start_s(work / f"start{number}", network))
        for number in range(pairs)
    ]
    return {
        "opened_s": median([opened for opened, _, _ in rounds]),
        "from_the_disk_s": median([kept for _, kept, _ in rounds]),
        "start_s": median([start for _, _, start in rounds]),
        "spared_of_a_start": median([(opened - kept) / start for opened, kept, start in rounds]),
    }


def main(pairs: int, networks: list[str]) -> None:
    """Print a line of JSON for each network."""
    for network in networks:
        with tempfile.TemporaryDirectory(prefix="kardus-optimised-") as work:
            found = measure(network, pairs, Path(work))
        figures = {what: [round(value, 4) for value in (e.value, e.low, e.high)] for what, e in found.items()}
        print(json.dumps({"network": network, "n": pairs, **figures}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS, sys.argv[2:] or list(NETWORKS))
