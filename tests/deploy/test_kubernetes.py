"""The manifest for fleets: whole, confined, and its parts fit together."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.test_units import BUILDS_MODEL_S

MANIFEST = Path(__file__).parents[2] / "deploy" / "kubernetes" / "kardus.yaml"
OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all(MANIFEST.read_text()))
SETS = [each for each in OBJECTS if each["kind"] == "StatefulSet"]
VERSIONS = {
    "Namespace": "v1",
    "Service": "v1",
    "StatefulSet": "apps/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
}


def test_every_object_is_named_and_lies_in_the_namespace() -> None:
    for each in OBJECTS:
        assert each["apiVersion"] == VERSIONS[each["kind"]]
        assert each["kind"] == "Namespace" or each["metadata"]["namespace"] == "kardus"
    assert len({(each["kind"], each["metadata"]["name"]) for each in OBJECTS}) == len(OBJECTS)


@pytest.mark.parametrize("each", SETS, ids=lambda each: each["metadata"]["name"])
def test_a_pod_fits_the_restricted_standard(each: dict[str, Any]) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, and a read-only root."""
    pod = each["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        rights = container["securityContext"]
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["readOnlyRootFilesystem"] is True
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert ":" in container["image"]
        assert {"requests", "limits"} == set(container["resources"])


@pytest.mark.parametrize("each", SETS, ids=lambda each: each["metadata"]["name"])
def test_a_sets_parts_fit_together(each: dict[str, Any]) -> None:
    spec = each["spec"]
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    pod = spec["template"]["spec"]
    there = {volume["name"] for volume in pod["volumes"]}
    there |= {claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]}
    for container in pod["containers"]:
        assert {mount["name"] for mount in container["volumeMounts"]} == there
        ports = {port["name"] for port in container.get("ports", [])}
        probes = [container[key] for key in ("startupProbe", "livenessProbe", "readinessProbe") if key in container]
        assert {probe["httpGet"]["port"] for probe in probes} <= ports
    secret = next(volume["secret"] for volume in pod["volumes"] if "secret" in volume)
    assert secret["defaultMode"] == 0o440  # root's, readable by the pod's group: what the agent accepts as private


def test_the_agent_is_given_as_long_to_start_as_by_systemd() -> None:
    probe = SETS[0]["spec"]["template"]["spec"]["containers"][0]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= BUILDS_MODEL_S


def test_what_the_service_and_the_policy_select_is_there() -> None:
    labels = SETS[0]["spec"]["template"]["metadata"]["labels"]
    service = next(each for each in OBJECTS if each["kind"] == "Service")
    assert service["spec"]["selector"].items() <= labels.items()
    policy = next(each for each in OBJECTS if each["kind"] == "NetworkPolicy")
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
