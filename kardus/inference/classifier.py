"""Runs a bundle's model with onnxruntime: crops in, calibrated answers out."""

import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from kardus.contract.manifest import ClassInfo, GoldenSample, GraphForm, PixelAccuracy
from kardus.inference.bundle import Bundle
from kardus.inference.bundle_archive import MODEL
from kardus.inference.classification import Classification, CropClassifier, interpret, rejection_scores
from kardus.inference.enrolled import live_classes
from kardus.inference.graph_forms import (
    INPUT,
    OUTPUTS,
    OUTPUTS_OF,
    PORTABLE_OUTPUTS,
    Float32Array,
    Session,
    as_nchw,
    input_of,
)
from kardus.inference.multi_crop import with_parts
from kardus.inference.onnx_session import ORT_ERRORS, first_line, open_session
from kardus.inference.preprocess import Pixels
from kardus.inference.providers import ON_CPU, Provider
from kardus.inference.raw_outputs import RawOutputs
from kardus.inference.tolerances import allowed
from kardus.support.errors import BundleError

BATCH = 8
"""So many at a time: what the network holds meanwhile doesn't grow with the camera's locations."""
CROPS_PER_HEARTBEAT = 64
"""So many crops are classified between two signs of life; a multiple of BATCH."""


class Classifier:
    """One onnxruntime session over one bundle. Not to be shared between processes: sessions don't survive fork."""

    def __init__(self, bundle: Bundle, threads: int = 0, providers: Sequence[Provider] = ON_CPU) -> None:
        """Load the model.

        Args:
            bundle: a bundle that has been read (and, on a camera's box, trusted).
            threads: processor threads for one run; 0 leaves the choice to onnxruntime.
            providers: onnxruntime's execution providers, the preferred one first, the others its fall-backs.

        Raises:
            BundleError: onnxruntime cannot load the model, or its shapes don't fit the manifest.
            ProviderError: none of the providers can run it here.
        """
        try:
            self._session, self.runs_on = open_session(bundle.model, threads, providers)
        except ORT_ERRORS as error:
            said = f"{MODEL} cannot be loaded ({first_line(error)}): build the bundle again"
            raise BundleError(f"{bundle.source}: {said}") from error
        self.manifest, self._source = bundle.manifest, bundle.source
        self._prototypes = np.array(bundle.manifest.prototypes, np.float32)
        self._live = live_classes(bundle.source, bundle.manifest)
        self._check_shapes()

    @property
    def size_px(self) -> int:
        """Width and height of the crops that the model takes."""
        return self.manifest.input.size

    @property
    def classes(self) -> Sequence[ClassInfo]:
        """The class table."""
        return self.manifest.classes

    @property
    def pixels(self) -> Sequence[PixelAccuracy]:
        """How often the class is right, by the pixels of a crop; empty where nothing was held out."""
        return self.manifest.pixels

    def run(self, crops: Pixels) -> RawOutputs:
        """Raw outputs for crops of shape (N, size_px, size_px, 3), uint8 RGB, N from 1; logits for today's classes.

        Raises:
            BundleError: onnxruntime fails on them, or gives what is no number.
        """
        if len(crops) <= BATCH:
            return self._run(crops)
        return RawOutputs.joined([self._run(crops[start : start + BATCH]) for start in range(0, len(crops), BATCH)])

    def outputs(self, crops: Pixels) -> RawOutputs:
        """As `run`; of crops that score low, the mean over several parts of each (`kardus.inference.multi_crop`)."""
        return self._judged(crops)[0]

    def classify(self, crops: Pixels) -> list[Classification]:
        """Calibrated answers for crops of shape (N, size_px, size_px, 3), uint8 RGB."""
        outputs, scores = self._judged(crops)
        return interpret(outputs.logits, self.manifest.classes, self.manifest.calibration, scores)

    def scores(self, outputs: RawOutputs) -> Float32Array:
        """The rejection score of each crop, (N,): below the calibration's threshold it is none of the classes."""
        told = self.manifest.calibration
        return rejection_scores(told.rejection_score, outputs.logits, outputs.embedding, self._prototypes, told.blend)

    def check_golden(self, bundle: Bundle) -> float:
        """Run the bundle's golden samples; the largest logit difference found.

        Raises:
            BundleError: a sample is answered otherwise than the bundle says.
        """
        if not bundle.golden or any(len(sample.logits) != len(self.manifest.classes) for sample in bundle.golden):
            raise BundleError(f"{bundle.source}: its golden samples don't fit its classes: build the bundle again")
        logits = self.run(golden_crops(bundle)).logits
        expected = np.array([sample.logits for sample in bundle.golden], dtype=np.float32)
        names = [info.name for info in self.manifest.classes]
        for sample, row in zip(bundle.golden, logits, strict=True):
            if names[int(row.argmax())] != sample.top1:
                raise BundleError(
                    f"{bundle.source}: {sample.file} is '{names[int(row.argmax())]}' here and should be "
                    f"'{sample.top1}': the model and its labels don't fit each other; build the bundle again"
                )
        difference = float(np.abs(logits - expected).max())
        tolerance = allowed(self.manifest.golden_tolerance, self.runs_on.arithmetic)
        if not difference <= tolerance:
            raise BundleError(
                f"{bundle.source}: golden samples differ by {difference:.2g} on {self.runs_on} (allowed: "
                f"{tolerance:.2g}): this machine computes otherwise; verify it, or build again"
            )
        return difference

    def _judged(self, crops: Pixels) -> tuple[RawOutputs, Float32Array]:
        """The outputs that crops are judged by, and their rejection scores (N,)."""
        outputs, below = self.run(crops), self.manifest.calibration.multi_crop_below
        scores = self.scores(outputs)
        if below is None or not (scores < below).any():
            return outputs, scores
        outputs = with_parts(outputs, crops, scores < below, self.run)
        return outputs, self.scores(outputs)

    def _run(self, crops: Pixels) -> RawOutputs:
        try:
            logits, embedding, evidence = run_graph(self._session, self.manifest.form, crops)
        except ORT_ERRORS as error:
            raise BundleError(f"{self._source}: {MODEL} fails at work: {first_line(error)}") from error
        if not np.isfinite(logits).all():
            raise BundleError(f"{self._source}: {MODEL} fails at work: its logits are no numbers")
        return RawOutputs(self._live.logits(logits, embedding) if self._live else logits, embedding, evidence)

    def _check_shapes(self) -> None:
        size, classes, changes = self.size_px, len(self.manifest.classes), self.manifest.changes
        given = len(changes.graph_classes) if changes else classes
        inputs = {node.name: (node.type, node.shape[1:]) for node in self._session.get_inputs()}
        form = self.manifest.form
        if inputs != {INPUT: input_of(form, size)}:
            raise BundleError(f"{self._source}: the model takes {inputs}, not {size} x {size} x 3 crops ({form})")
        outputs = {node.name: node.shape for node in self._session.get_outputs()}
        if set(outputs) != set(OUTPUTS_OF[form]) or outputs["logits"][1:] != [given]:
            raise BundleError(f"{self._source}: the model gives {outputs}, not the logits of {given} classes")
        told = self.manifest.calibration
        if told.rejection_score == "blend" and told.blend is None:
            raise BundleError(f"{self._source}: calibration.blend is missing, and its score needs it: build it again")
        needed = changes is not None or told.rejection_score in ("prototype", "distance", "blend")
        if needed and self._prototypes.shape != (classes, outputs["embedding"][1]):
            raise BundleError(
                f"{self._source}: its prototypes are {self._prototypes.shape}, not one embedding for each of {classes} "
                "classes: build the bundle again"
            )


def run_graph(session: Session, form: GraphForm, crops: Pixels) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Logits (N, classes), embedding (N, d) and evidence (N, h, w) for crops (N, S, S, 3) uint8 RGB.

    The portable form has no evidence: it is a single 0 for each crop.
    """
    if form == "complete":
        logits, embedding, evidence = session.run(OUTPUTS, {INPUT: crops})
        return logits, embedding, evidence
    answers = [session.run(PORTABLE_OUTPUTS, {INPUT: nchw}) for nchw in as_nchw(crops)]
    logits, embedding = (np.concatenate([answer[i] for answer in answers]) for i in range(len(PORTABLE_OUTPUTS)))
    return logits, embedding, np.zeros((len(crops), 1, 1), np.float32)


def classify_in_portions(
    classifier: CropClassifier, crops: Pixels, beat: Callable[[str], None] = lambda _: None
) -> list[Classification]:
    """Answers for crops (N, S, S, 3) uint8 RGB, `CROPS_PER_HEARTBEAT` at a time.

    `beat` is called after each of these but the last, with how far it is.
    """
    answers: list[Classification] = []
    for start in range(0, len(crops), CROPS_PER_HEARTBEAT):
        if start:
            beat(f"{start} of {len(crops)} places are classified")
        answers += classifier.classify(crops[start : start + CROPS_PER_HEARTBEAT])
    return answers


def golden_crops(bundle: Bundle) -> Pixels:
    """The crops of a bundle's golden samples: (n, S, S, 3) uint8 RGB.

    Raises:
        BundleError: one isn't a picture of the model's size.
    """
    return np.stack([_decode(bundle, sample) for sample in bundle.golden])


def _decode(bundle: Bundle, sample: GoldenSample) -> Pixels:
    size = bundle.manifest.input.size
    try:
        with Image.open(io.BytesIO(bundle.golden_png[sample.file]), formats=("PNG",)) as image:
            if image.size != (size, size):
                raise BundleError(f"{bundle.source}: {sample.file} is not {size} x {size}: build the bundle again")
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BundleError(f"{bundle.source}: {sample.file} is not a picture: build the bundle again") from error
