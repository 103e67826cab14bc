"""The manifest of a bundle, from its checkpoint."""

from pathlib import Path

from export.build_time import build_time
from export.golden import TOLERANCE
from export.onnx_graph import OPSET
from kardus.contract.manifest import InputSpec, Manifest, Parity, Precision, Training
from train.config import TrainConfig
from train.networks.carton import CartonNet
from train.networks.checkpoint import Checkpoint

_NOT_COMPARED = Parity(n=1, max_logit_difference=0, mean_logit_difference=0, min_embedding_cosine=1, top1_agreement=1)


def describe(checkpoint: Checkpoint, network: CartonNet, name: str, version: str, precision: Precision) -> Manifest:
    """The manifest of a model before the parity check, with no members."""
    config = checkpoint.config
    return Manifest(
        name=name,
        version=version,
        created=build_time().isoformat(),
        precision=precision,
        opset=OPSET,
        input=InputSpec(size=config.size),
        classes=checkpoint.classes,
        calibration=checkpoint.calibration,
        prototypes=tuple(tuple(round(float(x), 5) for x in row) for row in checkpoint.prototypes),
        metrics=checkpoint.metrics,
        pixels=checkpoint.pixels,
        parity=_NOT_COMPARED,
        golden_tolerance=TOLERANCE[precision],
        training=Training(
            architecture=config.arch + ("+rmcsam" if config.rmcsam else ""),
            parameters=sum(parameter.numel() for parameter in network.parameters()),
            config=config.model_dump(mode="json") | _names_only(config),
            data_sha256=checkpoint.data_sha256,
            photos=checkpoint.photos,
            versions=checkpoint.versions,
        ),
        members={},
    )


def _names_only(config: TrainConfig) -> dict[str, str]:
    """File names without their folders: a bundle has no path of the machine that made it."""
    return {"init": Path(config.init).name, "teacher": Path(config.teacher).name}
