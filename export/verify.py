"""Checks everything about a bundle that can be checked without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kardus.inference.bundle import Bundle, Trust, read_bundle
from kardus.inference.classifier import Classifier
from kardus.inference.providers import ON_CPU, Provider
from kardus.inference.tolerances import allowed
from kardus.support.errors import BundleError

BATCH_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Check:
    """One check, and its result."""

    what: str
    found: str


def verify(path: Path, trusted: tuple[str, ...] = (), providers: Sequence[Provider] = ON_CPU) -> list[Check]:
    """Check structure, hashes, signatures, golden samples, that batch 1 equals batch N, and that two runs are equal.

    With `trusted` keys, one of them must have signed the bundle. `providers` run it, as they would for an agent.

    Raises:
        ProviderError: none of the providers can run it here.
        BundleError: something is wrong; the message says what.
    """
    bundle = read_bundle(path, Trust(trusted) if trusted else None)
    checks = [
        Check(
            "structure and hashes", f"{len(bundle.manifest.members)} members, schema {bundle.manifest.schema_version}"
        ),
        Check("signatures", ", ".join(bundle.signed_by) or "none: the agent refuses it unless allow_unsigned = true"),
    ]
    if trusted:
        checks.append(Check("trust", "signed by a key that you trust"))
    classifier = Classifier(bundle, providers=providers)
    checks.append(Check("runs on", str(classifier.runs_on)))
    difference = classifier.check_golden(bundle)
    covered = {sample.label for sample in bundle.golden}
    uncovered = [info.name for info in bundle.manifest.classes if info.name not in covered]
    if uncovered:
        raise BundleError(f"{bundle.source}: no golden sample of class '{uncovered[0]}': build the bundle again")
    checks.append(Check("golden samples", f"{len(bundle.golden)}, covering every class, difference {difference:.1e}"))
    checks.append(Check("batches", _check_batches(classifier, bundle)))
    return checks


def _check_batches(classifier: Classifier, bundle: Bundle) -> str:
    rng = np.random.default_rng(0)
    size = bundle.manifest.input.size
    crops = rng.integers(0, 256, (5, size, size, 3), dtype=np.uint8)
    together = classifier.run(crops).logits
    single = np.concatenate([classifier.run(crops[i : i + 1]).logits for i in range(len(crops))])
    again = classifier.run(crops).logits
    difference, arithmetic = float(np.abs(together - single).max()), classifier.runs_on.arithmetic
    if difference > allowed(BATCH_TOLERANCE, arithmetic):
        raise BundleError(
            f"{bundle.source}: a batch of 1 and of {len(crops)} differ by {difference:.1e}: build the bundle again"
        )
    if not np.array_equal(together, again):
        raise BundleError(f"{bundle.source}: two runs on the same crops differ: build the bundle again")
    return f"1 and {len(crops)} agree to {difference:.1e}; two runs are equal"
