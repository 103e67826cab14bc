"""What pydantic's `use_attribute_docstrings` would cost every start: python -m tests.scripts.docstrings_at_start [N].

Imports what `kardus-agent run` needs, in N processes with and N without the setting, in turn; the setting is made on
pydantic's own base class before anything of Kardus is imported. Processor time of the whole process: medians, the
least of each, and the median of the pairs' ratios with its range of order statistics (95 %).
"""

import json
import resource
import statistics
import subprocess
import sys

from scipy.stats import binom

NEEDED = "import edge_agent.cli.main, edge_agent.agent"
SETTING = "import pydantic; pydantic.BaseModel.model_config['use_attribute_docstrings'] = True; "
RAN = "from kardus.contract.messages import Expected; print(Expected.model_fields['sku'].description)"


def processor_s(setting: str) -> float:
    """Seconds of processor time of one start."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", setting + NEEDED], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(pairs: int) -> None:
    """Print the figures."""
    said = subprocess.run([sys.executable, "-c", SETTING + RAN], check=True, capture_output=True, text=True).stdout
    if said.strip() == "None":
        raise SystemExit("the setting isn't taken over by the records: nothing would be measured")
    processor_s("")  # the disk is warm
    found = [(processor_s(""), processor_s(SETTING)) for _ in range(pairs)]
    ratios = sorted(with_it / without for without, with_it in found)
    rank = int(binom.ppf(0.025, pairs, 0.5))
    without, with_it = zip(*found, strict=True)
    figures = {
        "n": pairs,
        "without_s": round(statistics.median(without), 3),
        "with_s": round(statistics.median(with_it), 3),
        "least_s": [round(min(without), 3), round(min(with_it), 3)],
        "ratio": round(statistics.median(ratios), 3),
        "ratio_95": [round(ratios[max(rank - 1, 0)], 3), round(ratios[min(pairs - rank, pairs - 1)], 3)],
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
