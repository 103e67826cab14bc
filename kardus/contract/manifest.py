"""The manifest of a bundle: what the model knows, how it was made, and what to expect of it."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveFloat, PositiveInt, StringConstraints

from kardus.contract.base import NfcText, Record
from kardus.support.spelling import composed

EMPTY_CLASS = "empty"
"""The class name reserved for a location with nothing in it."""


def class_name(text: str) -> str:
    """A class or product as it is compared: in NFC, and `empty` in whatever case it was written."""
    return EMPTY_CLASS if text.strip().lower() == EMPTY_CLASS else composed(text)


NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
VERSION_PATTERN = r"^[0-9]{1,18}\.[0-9]{1,18}\.[0-9]{1,18}$"
Precision = Literal["fp32", "fp16", "int8"]
GraphForm = Literal["complete", "portable"]
"""See `kardus.inference.graph_forms`."""
RejectionScore = Literal["max_logit", "energy", "prototype", "distance", "blend"]
"""See `kardus.inference.classification`."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
MAX_CLASS_NAME = 200
ClassName = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_CLASS_NAME), NfcText, AfterValidator(class_name)
]


class ClassInfo(Record):
    """One class: a visible face of a product. Several classes may be faces of one SKU."""

    name: ClassName
    category: str
    sku: ClassName
    gtin: str = ""
    variant: str = ""
    face: str = ""


class InputSpec(Record):
    """What the graph takes: uint8 RGB crops of shape (N, size, size, 3)."""

    size: Annotated[int, Field(ge=16, le=1024)]
    layout: Literal["NHWC"] = "NHWC"
    channels: Literal["RGB"] = "RGB"
    resize: Literal["reduce-warp-bilinear"] = "reduce-warp-bilinear"
    """`kardus.inference.preprocess.rectify`: integer box reduction, then one bilinear perspective warp."""
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    """What the graph subtracts from R, G and B (0..255): the input statistics that its weights were trained with."""
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (58.395, 57.12, 57.375)
    """What it then divides by."""


class Metric(Record):
    """A measured share with its 95 % Wilson interval."""

    name: str
    value: float
    n: NonNegativeInt
    low: float
    high: float


class BlendPart(Record):
    """How one measure is brought to the scale of the others: less `center`, divided by `spread`."""

    center: float
    spread: PositiveFloat


class Blend(Record):
    """The score `blend`: the sum of the largest logit and of minus the logarithm of the distance, on one scale."""

    max_logit: BlendPart
    log_distance: BlendPart
    """Of minus the natural logarithm of the squared distance to the nearest prototype."""
    farthest: float | None = None
    """A crop for which that is less is none of the classes, whatever its logits are. None, as in bundles of before this
    was: there is no such limit."""


class Calibration(Record):
    """How logits become probabilities, and which score rejects a carton that is none of the classes."""

    temperature: Annotated[float, Field(gt=0)] = 1.0
    rejection_score: RejectionScore = "max_logit"
    rejection_threshold: float = -1e9
    """A crop whose score is below this is none of the classes."""
    doubt_threshold: float = -1e9
    """A crop whose score is below this isn't named: it is `uncertain` if it may be what is expected, else `unknown`."""
    doubt_thresholds: dict[ClassName, float] = Field(default_factory=dict)
    """Those of single classes, in place of `doubt_threshold`, for crops that are most like them."""
    blend: Blend | None = None
    """The scale of the score `blend`; None with another score."""
    multi_crop_below: Annotated[float | None, Field(exclude_if=lambda value: value is None)] = None
    """A crop whose score is below this is judged by the mean over itself and its four corners, and so is its score.
    None, as in bundles of before this was: no crop is."""
    doubted: Metric | None = None
    """The share of known cartons, named rightly and surely, that `doubt_threshold` doubts; None: not measured."""
    false_alarm_rate: float = 0.0
    """The share of known cartons that the threshold rejected when it was set."""
    n: NonNegativeInt = 0
    """How many photos these were fitted on."""
    fitted_on: str = ""
    """Which photos: the hash of the data set and the split."""


class PixelAccuracy(Record):
    """How often the class is right where the shorter side of a crop has so many pixels in the picture."""

    side_px: PositiveInt
    accuracy: Metric


class Parity(Record):
    """How closely the exported model follows the trained one on real crops, through the agent's classifier."""

    n: PositiveInt
    max_logit_difference: float
    mean_logit_difference: float
    min_embedding_cosine: float
    top1_agreement: float


class LowerPrecision(Record):
    """What a lower precision cost, on photos that were neither trained nor calibrated on."""

    accuracy_before: Metric
    """By class, of the model in FP32."""
    accuracy: Metric
    """By class, of this model."""
    agreement: float
    """Share of these photos that both give the same class."""
    max_drop: float
    """Points of accuracy that it was allowed to lose."""
    calibration_crops: NonNegativeInt
    """On how many crops the ranges of 8-bit activations were measured."""
    in_float: tuple[str, ...] = ()
    """Nodes that were left in float so that the accuracy holds."""


class Training(Record):
    """Where the model comes from."""

    architecture: str
    parameters: NonNegativeInt
    config: dict[str, Any]
    data_sha256: str
    photos: NonNegativeInt
    versions: dict[str, str]


class Changes(Record):
    """Products that came (enrolled from photos, without training) and went (retired) since the graph was made."""

    graph_classes: Annotated[tuple[ClassName, ...], Field(min_length=2)]
    """The class of each logit that the graph gives. Those that `classes` doesn't list are retired."""
    distance_per_logit: Annotated[float, Field(gt=0)]
    """By how much squared distances between embeddings grow where the graph's logits differ by one."""
    logit_per_log_distance: Annotated[float, Field(ge=0)] = 0.0
    """By how much logits grow where the logarithm of squared distances falls by one. 0, as in bundles of before this
    was: enrolled classes are judged by differences of distances (`distance_per_logit`), not by their ratios."""
    margin: Annotated[float, Field(ge=0)] = 0.4
    """By how much that logarithm must be less for an enrolled class, where it was enrolled from many photos."""
    few_photos: Annotated[float, Field(ge=0, le=1)] = 0.6
    """The margin is less by this share over the number of photos."""
    enrolled: dict[ClassName, PositiveInt]
    """Classes that the graph has no logit for, the last of `classes`, and from how many photos each was enrolled."""


class Member(Record):
    """One file of the bundle."""

    sha256: Sha256
    size: NonNegativeInt


class Manifest(Record):
    """Everything that the agent needs to know about a model before it trusts it."""

    schema_version: Literal[1] = 1
    name: Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
    version: Annotated[str, StringConstraints(pattern=VERSION_PATTERN)]
    created: str
    precision: Precision
    form: GraphForm = "complete"
    """`portable`: float NCHW, one crop at a time, without evidence, as converters for NPUs take it."""
    opset: PositiveInt
    input: InputSpec
    classes: Annotated[tuple[ClassInfo, ...], Field(min_length=2)]
    calibration: Calibration
    prototypes: tuple[tuple[float, ...], ...] = ()
    """The mean embedding of each class, in the order of `classes`; needed by the scores `prototype` and `distance`."""
    changes: Changes | None = None
    """None where `classes` are those of the graph's logits."""
    metrics: tuple[Metric, ...] = ()
    pixels: tuple[PixelAccuracy, ...] = ()
    """How accuracy falls with the pixels of a crop; empty where nothing was held out."""
    parity: Parity
    lower_precision: LowerPrecision | None = None
    """None for FP32."""
    golden_tolerance: Annotated[float, Field(gt=0)]
    """The largest logit difference that a golden sample may show on another processor."""
    training: Training
    members: dict[str, Member]


class GoldenSample(Record):
    """One labelled crop and the outputs expected of it."""

    file: str
    label: Annotated[str, AfterValidator(class_name)]
    top1: Annotated[str, AfterValidator(class_name)]
    logits: tuple[float, ...]


class Signature(Record):
    """An Ed25519 signature over the bytes of manifest.json."""

    key: str
    """The public key, as `ed25519:` and 32 bytes in base64."""
    signature: str
    """64 bytes in base64."""
