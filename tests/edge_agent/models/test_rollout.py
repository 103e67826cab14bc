"""From an order to a model that judges: every way it can go, with real bundles, real ONNX and a clock of the tests'."""

import json
import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_agent.config.sections import ModelSection
from edge_agent.models.rollout import MIN_CROPS, ModelRollout
from edge_agent.models.updates import IntakeResult, UpdateRequest
from edge_agent.records import ClassifiedCrops
from kardus.contract.messages import Expected
from kardus.inference.bundle import read_bundle
from kardus.inference.classifier import Classifier, golden_crops
from kardus.inference.geometry import rectangle
from kardus.support.errors import BundleError
from tests.edge_agent.models.racks import TRUST, Made, blind_in_the_light, demo_members, made, made_of_two
from tests.patience import PATIENCE_S, wait_until

SHADOW_S = 60.0
SLOTS = 30


class Box:
    """A box that looks at the demo's golden samples instead of a rack; time goes on when the test says so."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.configured = folder / "configured.bundle"
        if not self.configured.exists():
            made("1.0.0").write(self.configured)
        self.now_s = 0.0
        self.brought: queue.SimpleQueue[IntakeResult] = queue.SimpleQueue()
        self.models = self.start()
        bundle = read_bundle(self.configured)
        self.crops = golden_crops(bundle)
        skus = {info.name: info.sku for info in bundle.manifest.classes}
        self.skus = [skus[sample.top1] for sample in bundle.golden]

    def start(self) -> ModelRollout:
        """The agent starts."""
        settings = ModelSection(bundle=self.configured, trust=(TRUST,), shadow_s=SHADOW_S, threads=1)
        return ModelRollout(settings, self.folder / "models", self.brought.put, now_s=lambda: self.now_s)

    def order(self, bundle: Made, expected: set[str] | None = None, name: str = "new.bundle") -> str:
        """UpdateRequest a bundle by its file; the phase that it comes to."""
        path = bundle.write(self.folder / name)
        self.models.request(UpdateRequest(file=path), expected or set(), SLOTS)
        return self.until_verified()

    def until_verified(self) -> str:
        """Handle what is brought until it is a candidate, or refused."""
        while self.models.status.phase not in ("shadowing", "refused"):
            self.models.handle(self.brought.get(timeout=PATIENCE_S))
        return self.models.status.phase

    def look(self) -> None:
        """One look at every sample, which the second model has had its time for."""
        count = len(self.crops)
        side = self.crops.shape[1]
        corners = np.stack([rectangle(side * i, 0, side * (i + 1), side) for i in range(count)])
        answers = self.models.classifier.classify(self.crops)
        expected = [Expected(revision=1, sku=sku) for sku in self.skus]
        before = self._compared()
        picture = Image.fromarray(np.concatenate(list(self.crops), axis=1))
        self.models.show(ClassifiedCrops(picture, corners, answers, expected))
        wait_until(lambda: self._compared() > before or self._shadow_failed())

    def pass_time(self, seconds: float) -> bool:
        """Time goes on; whether another model is in use then."""
        self.now_s += seconds
        return self.models.tick()

    def _compared(self) -> int:
        return self.models.second.comparison.crops if self.models.second else 0

    def _shadow_failed(self) -> bool:
        return self.models.second is None or bool(self.models.second.failure)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_a_better_version_shadows_takes_over_and_settles(box: Box) -> None:
    assert box.order(made("1.0.1")) == "shadowing"
    box.look()
    assert not box.pass_time(SHADOW_S - 1), "not before its time"
    assert box.models.model.version == "1.0.0"
    assert box.pass_time(2)
    assert (box.models.model.version, box.models.status.phase) == ("1.0.1", "probation")
    box.look()
    assert not box.pass_time(SHADOW_S + 1)
    assert (box.models.model.version, box.models.status.phase) == ("1.0.1", "settled")
    assert box.start().model.version == "1.0.1", "after a restart too"


def test_the_status_counts_what_the_two_say(box: Box) -> None:
    box.order(made("1.0.1"))
    box.look()
    box.pass_time(1)
    found = box.models.status.comparison
    assert found
    assert (found.crops, found.same, found.expected) == (len(box.crops),) * 3
    assert found.by_present == found.by_other > 0.9 * found.crops


def test_of_a_bundle_with_a_second_network_by_an_earlier_version_the_one_model_judges(tmp_path: Path) -> None:
    made_of_two("1.0.0").write(tmp_path / "configured.bundle")
    box = Box(tmp_path)
    assert box.models.model.version == "1.0.0", "an agent that has it in use goes on with it"
    alone = Classifier(read_bundle(made("1.0.0").write(tmp_path / "alone.bundle")), threads=1)
    assert box.models.classifier.classify(box.crops) == alone.classify(box.crops)
    assert box.order(made_of_two("1.0.1")) == "shadowing"
    box.look()
    assert box.pass_time(SHADOW_S + 1)
    assert (box.models.model.version, box.models.status.phase) == ("1.0.1", "probation")


def test_it_does_not_take_over_before_it_was_compared(box: Box) -> None:
    box.order(made("1.0.1"))
    assert len(box.crops) >= MIN_CROPS
    assert not box.pass_time(100 * SHADOW_S)
    assert box.models.status.phase == "shadowing"
    box.look()
    assert box.pass_time(0)


def _swapped_labels() -> Made:
    classes = json.loads(demo_members()["manifest.json"])["classes"]
    return made("1.0.1", classes=[*classes[1:], classes[0]])


def _other_input() -> Made:
    return made("1.0.1", input={"size": 96})


def _flipped_byte() -> Made:
    data = bytearray(made("1.0.1").data)
    data[len(data) // 2] ^= 1
    return Made(bytes(data), "1.0.1")


def _unsigned_by_us() -> Made:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return made("1.0.1", Ed25519PrivateKey.generate())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_swapped_labels, "the model and its labels don't fit each other"),
        (_other_input, "not 96 x 96 x 3 crops"),
        (_flipped_byte, "get it again"),
        (_unsigned_by_us, "not trusted"),
        (lambda: made("1.0.0"), "only a higher version takes over"),
        (lambda: made("0.9.9"), "only a higher version takes over"),
        (lambda: Made(b"no bundle at all", ""), "not a"),
    ],
    ids=["swapped labels", "other input", "flipped byte", "another's signature", "same version", "older", "no bundle"],
)
def test_a_bundle_that_cannot_be_right_is_refused_and_the_model_in_use_stays(
    box: Box, make: Callable[[], Made], said: str
) -> None:
    assert box.order(make()) == "refused"
    assert said in box.models.status.reason
    assert "new.bundle" in box.models.status.reason
    assert box.models.model.version == "1.0.0"
    assert box.models.classifier.classify(box.crops)
    assert not list((box.folder / "models").glob("**/*.bundle"))
    assert box.start().model.version == "1.0.0"


def test_a_refused_bundle_is_not_tried_again(box: Box) -> None:
    bundle = _swapped_labels()
    box.order(bundle)
    assert box.order(bundle) == "refused"
    assert "was refused before (" in box.models.status.reason


def test_one_that_does_not_know_an_expected_product_is_refused(box: Box) -> None:
    manifest = json.loads(demo_members()["manifest.json"])
    gone = manifest["classes"][0]["sku"]
    classes = [info | ({"sku": "renamed"} if info["sku"] == gone else {}) for info in manifest["classes"]]
    assert box.order(made("1.0.1", classes=classes), {gone}) == "refused"
    assert f"it doesn't know {gone}" in box.models.status.reason


@pytest.mark.parametrize("threshold", ["rejection_threshold", "doubt_threshold"])
def test_one_that_sees_less_than_the_model_in_use_is_refused_while_nothing_rests_on_it(
    box: Box, threshold: str
) -> None:
    calibration = json.loads(demo_members()["manifest.json"])["calibration"] | {threshold: 1e6}
    assert box.order(made("1.0.1", calibration=calibration)) == "shadowing"
    box.look()
    assert not box.pass_time(SHADOW_S + 1)
    assert box.models.status.phase == "refused"
    assert "it finds the expected product in 0, the other model in" in box.models.status.reason
    assert box.models.model.version == "1.0.0"


def test_one_that_fails_at_work_is_refused_while_nothing_rests_on_it(box: Box) -> None:
    assert box.order(made("1.0.1", members=blind_in_the_light(demo_members()))) == "shadowing"
    box.crops = np.full_like(box.crops, 255)
    box.look()
    assert not box.pass_time(1)
    assert box.models.status.phase == "refused"
    assert "its logits are no numbers" in box.models.status.reason


def _on_probation(box: Box, bundle: Made) -> None:
    assert box.order(bundle) == "shadowing"
    box.look()
    assert box.pass_time(SHADOW_S + 1)


def test_one_that_fails_on_probation_is_rolled_back_at_once(box: Box) -> None:
    _on_probation(box, made("1.0.1", members=blind_in_the_light(demo_members())))
    with pytest.raises(BundleError, match="no numbers") as failure:
        box.models.classifier.classify(np.full_like(box.crops, 255))
    assert box.models.failed(failure.value)
    assert (box.models.model.version, box.models.status.phase) == ("1.0.0", "rolled-back")
    assert box.models.classifier.classify(np.full_like(box.crops, 255))
    assert box.start().model.version == "1.0.0"
    assert not box.models.failed(failure.value), "a model that is settled has nothing to go back to"


def test_one_that_finds_less_on_probation_than_the_former_is_rolled_back(box: Box) -> None:
    calibration = json.loads(demo_members()["manifest.json"])["calibration"]
    dimmed = made("1.0.1", calibration=calibration | {"rejection_threshold": 1e6})
    box.models.request(UpdateRequest(command=None, file=dimmed.write(box.folder / "a.bundle")), set(), SLOTS)
    box.until_verified()
    # what it is shown before it takes over is what it is good at: here nothing is expected anywhere
    skus, box.skus = box.skus, ["elsewhere"] * len(box.skus)
    box.look()
    assert box.pass_time(SHADOW_S + 1)
    box.skus = skus
    box.look()
    assert box.pass_time(1)
    assert (box.models.model.version, box.models.status.phase) == ("1.0.0", "rolled-back")
    assert box.models.status.candidate
    assert box.models.status.candidate.version == "1.0.1"


def test_an_order_on_probation_waits_for_its_end(box: Box) -> None:
    _on_probation(box, made("1.0.1"))
    box.models.request(UpdateRequest(file=made("1.0.2").write(box.folder / "b.bundle")), set(), SLOTS)
    assert box.models.status.phase == "probation"
    box.pass_time(SHADOW_S + 1)
    assert box.until_verified() == "shadowing"
    assert box.models.status.candidate
    assert box.models.status.candidate.version == "1.0.2"


def test_the_last_order_counts(box: Box) -> None:
    box.order(made("1.0.1"))
    box.models.request(UpdateRequest(file=made("1.0.2").write(box.folder / "b.bundle")), set(), SLOTS)
    while (
        (status := box.models.status).phase != "shadowing"
        or not status.candidate
        or status.candidate.version != "1.0.2"
    ):
        box.models.handle(box.brought.get(timeout=PATIENCE_S))
    box.look()
    assert box.pass_time(SHADOW_S + 1)
    assert box.models.model.version == "1.0.2"


def test_a_restart_on_probation_goes_on_with_it_and_can_still_go_back(box: Box) -> None:
    _on_probation(box, made("1.0.1"))
    again = box.start()
    assert (again.model.version, again.status.phase) == ("1.0.1", "probation")
    assert again.failed(BundleError("it fails"))
    assert again.model.version == "1.0.0"


def test_a_kept_bundle_that_was_damaged_on_disk_gives_way_to_the_configured_one(box: Box) -> None:
    _on_probation(box, made("1.0.1"))
    kept = next((box.folder / "models").glob("*.bundle"))
    kept.write_bytes(kept.read_bytes()[:1000])
    again = box.start()
    assert again.model.version == "1.0.0"


def test_another_configured_bundle_is_used_even_if_it_is_older(box: Box) -> None:
    _on_probation(box, made("1.0.1"))
    made("0.5.0").write(box.configured)
    assert box.start().model.version == "0.5.0"


def test_without_any_usable_model_there_is_no_agent(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"bundle": tmp_path / "nothere.bundle", "trust": (TRUST,)}
    with pytest.raises(BundleError, match=r"nothere\.bundle"):
        ModelRollout(ModelSection(**settings), tmp_path / "models", lambda _: None)
