"""The manifest of a real bundle reads back, and refuses what the agent could not work with."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from kardus.contract.manifest import EMPTY_CLASS, ClassInfo, GoldenSample, Manifest, class_name


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    """The manifest of the demo's bundle, as `kardus-export build` writes it today."""
    parsed: dict[str, Any] = json.loads(Path(__file__).with_name("manifest.json").read_text(encoding="utf-8"))
    return parsed


def test_a_manifest_comes_back_as_it_was_written(content: dict[str, Any]) -> None:
    manifest = Manifest.model_validate(content)
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest
    assert manifest.model_dump(mode="json") == content


def test_a_field_of_a_later_version_is_ignored(content: dict[str, Any]) -> None:
    assert Manifest.model_validate(content | {"of_a_later_version": [1, 2]}) == Manifest.model_validate(content)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema_version", 2),
        ("name", "../up"),
        ("name", ""),
        ("version", "1.0"),
        ("version", "\u0661.0.0"),
        ("version", "1.0.0\n"),
        ("version", "1.0." + "9" * 5000),
        ("precision", "fp8"),
        ("opset", 0),
        ("golden_tolerance", 0),
        ("golden_tolerance", float("nan")),
        ("classes", []),
        ("classes", [{"name": "one", "category": "c", "sku": "s"}]),
        ("input", {"size": 8}),
        ("input", {"size": 48, "layout": "NCHW"}),
        ("input", {"size": 48, "resize": "bilinear"}),
        ("calibration", {"temperature": 0}),
        ("calibration", {"temperature": float("inf")}),
        ("calibration", {"rejection_score": "entropy"}),
        ("members", {"model.onnx": {"sha256": "AB", "size": 1}}),
        ("members", {"model.onnx": {"sha256": "0" * 64, "size": -1}}),
    ],
)
def test_a_wrong_value_is_refused_at_its_key(content: dict[str, Any], key: str, value: object) -> None:
    with pytest.raises(ValidationError) as refusal:
        Manifest.model_validate(content | {key: value})
    assert {error["loc"][0] for error in refusal.value.errors()} == {key}


@pytest.mark.parametrize("key", ["name", "version", "input", "classes", "parity", "golden_tolerance", "members"])
def test_a_missing_key_is_refused(content: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError, match=key):
        Manifest.model_validate({k: v for k, v in content.items() if k != key})


@pytest.mark.parametrize("word", ["Empty", "EMPTY", " empty "])
def test_empty_is_reserved_however_it_is_written(word: str) -> None:
    info = ClassInfo(name=word, category="", sku=word)
    assert (info.name, info.sku) == (EMPTY_CLASS, EMPTY_CLASS)
    assert class_name("Empty-Box") == "Empty-Box"


def test_a_bundle_with_names_of_a_mac_is_read_as_one_with_others(content: dict[str, Any]) -> None:
    """Its signature is over the bytes, which stay; names are compared in NFC."""
    spelt = json.dumps(content, ensure_ascii=False).replace(content["classes"][0]["name"], "Mu\u0308sli")
    manifest = Manifest.model_validate_json(spelt)
    assert manifest.classes[0].name == "M\u00fcsli"
    sample = GoldenSample(file="golden/0.png", label="Mu\u0308sli", top1="Mu\u0308sli", logits=())
    assert sample.label == sample.top1 == manifest.classes[0].name


def test_a_golden_sample_holds_finite_numbers() -> None:
    with pytest.raises(ValidationError):
        GoldenSample(file="golden/0.png", label="a", top1="a", logits=(float("nan"),))
