"""A cascade of two networks: a small one is asked first, and a large one whatever that isn't sure of.

    crops, and what is expected of each ─> small: is it that, surely? ─┬─ yes ─> a match
                                                                      └─ no ──> large: whatever is said of it

Most locations hold what is expected of them, and most of those are easy to see: so most crops cost a small network. It
is asked one question, and answers it with yes or not at all: every alert, every doubt and every stranger comes from the
large one. (Early rejection as in Viola and Jones, CVPR 2001, with what is expected as the question.)
"""

from collections.abc import Sequence
from dataclasses import replace

from kardus.contract.manifest import EMPTY_CLASS, CascadeFit, Manifest, SmallModel
from kardus.contract.messages import Expected
from kardus.inference.bundle import Bundle
from kardus.inference.bundle_archive import SMALL_MODEL
from kardus.inference.classification import Classification, MatchQuestion, interpret
from kardus.inference.classifier import Classifier
from kardus.inference.preprocess import Pixels
from kardus.inference.providers import ON_CPU, Provider
from kardus.support.errors import BundleError

_OF_EACH = (
    "precision",
    "classes",
    "calibration",
    "prototypes",
    "metrics",
    "parity",
    "lower_precision",
    "golden_tolerance",
    "training",
)
"""What a manifest says of each network; all else holds for both."""


class SmallNetwork:
    """The small network of a cascade: a `FirstStage`."""

    def __init__(self, bundle: Bundle, threads: int = 0, providers: Sequence[Provider] = ON_CPU) -> None:
        """Load it; `bundle` is that of the cascade, the others are as for `Classifier`.

        Raises:
            BundleError: onnxruntime cannot load it, it doesn't fit the manifest, or the large network's classes.
            ProviderError: none of the providers can run it here.
        """
        self.bundle, self.fit = small_bundle(bundle)
        """It alone, as a bundle of its own."""
        self.classifier = Classifier(self.bundle, threads, providers)
        self._products = answerable(bundle.manifest)
        self._known = {info.sku for info in bundle.manifest.classes}

    def answer(self, crops: Pixels, questions: Sequence[MatchQuestion | None]) -> list[Classification | None]:
        """See `FirstStage`.

        Raises:
            BundleError: onnxruntime fails on them.
        """
        answers: list[Classification | None] = [None] * len(crops)
        asked = {index: asked for index, asked in enumerate(questions) if asked and asked.sku in self._products}
        if not asked:
            return answers
        outputs, manifest = self.classifier.run(crops[list(asked)]), self.bundle.manifest
        scores = self.classifier.scores(outputs)
        found = interpret(outputs.logits, manifest.classes, manifest.calibration, scores)
        for (index, question), seen, score in zip(asked.items(), found, scores, strict=True):
            is_likely = seen.likelihood(question.sku) >= max(self.fit.likelihood, question.enough)
            if is_likely and score >= self.fit.score and seen.known and not seen.doubted:
                answers[index] = replace(seen, skus=tuple(score for score in seen.skus if score.sku in self._known))
        return answers

    def check_golden(self) -> float:
        """As `Classifier.check_golden`."""
        return self.classifier.check_golden(self.bundle)


def open_classifier(bundle: Bundle, threads: int = 0, providers: Sequence[Provider] = ON_CPU) -> Classifier:
    """The classifier of a bundle, with its small network where it is a cascade; errors are those of `Classifier`."""
    small = SmallNetwork(bundle, threads, providers) if bundle.small else None
    return Classifier(bundle, threads, providers, small)


def questions_of(expected: Sequence[Expected | None], enough: float) -> list[MatchQuestion | None]:
    """What a model may be asked of some crops, by what the WMS says of each; `enough` as in `MatchQuestion`."""
    return [MatchQuestion(said.sku or EMPTY_CLASS, enough) if said and said.managed else None for said in expected]


def small_bundle(bundle: Bundle) -> tuple[Bundle, CascadeFit]:
    """The small network as a bundle of its own, with the large one's golden pictures; and when it answers.

    Raises:
        BundleError: the bundle has none, or one of other classes.
    """
    small, members = bundle.manifest.small, bundle.small
    if small is None or members is None:
        raise BundleError(f"{bundle.source}: holds one network, and no cascade: build it with --small")
    _require_same_classes(bundle.source, bundle.manifest, small)
    own = {name: getattr(small, name) for name in _OF_EACH} | {"changes": None, "pixels": (), "small": None}
    manifest, source = bundle.manifest.model_copy(update=own), f"{bundle.source} (small network)"
    return Bundle(
        source, manifest, members.model, members.golden, bundle.golden_png, bundle.signed_by, member=SMALL_MODEL
    ), small.fit


def answerable(manifest: Manifest) -> frozenset[str]:
    """The products (SKU) that the small network of a cascade may answer: those that both networks were trained on.

    Without those that were retired since, and those that an enrolled product may be taken for.
    """
    if manifest.small is None:
        return frozenset()
    enrolled = manifest.changes.enrolled if manifest.changes else {}
    trained = {info.sku for info in manifest.classes if info.name not in enrolled}
    return frozenset(trained & {info.sku for info in manifest.small.classes} - set(manifest.small.withheld))


def _require_same_classes(source: str, manifest: Manifest, small: SmallModel) -> None:
    """The class table changes after the build, what the graphs were trained on doesn't."""
    products = {info.name: info.sku for info in small.classes}
    graph = manifest.changes.graph_classes if manifest.changes else tuple(info.name for info in manifest.classes)
    enrolled = manifest.changes.enrolled if manifest.changes else {}
    other = set(graph) ^ set(products)
    other |= {
        info.name for info in manifest.classes if info.name not in enrolled and products.get(info.name) != info.sku
    }
    if other:
        raise BundleError(
            f"{source}: small.onnx is of other classes than model.onnx ('{min(other)}'): build the bundle again"
        )
