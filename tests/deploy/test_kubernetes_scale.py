"""The manifests for several receivers over one database: they fit the published schemas, and our own commands."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from tests.deploy.test_kubernetes import test_a_pod_fits_the_restricted_standard as require_restricted
from warehouse.cli.main import app

MANIFEST = Path(__file__).parents[2] / "deploy" / "kubernetes" / "scale.yaml"
OBJECTS: dict[str, Any] = {each["kind"]: each for each in yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8"))}
PODS = [OBJECTS["Job"], OBJECTS["StatefulSet"]]
OPERATORS = {"Cluster": "cloudnative-pg/postgresql.cnpg.io/v1", "ScaledObject": "keda/keda.sh/v1alpha1"}
"""What Kubernetes itself doesn't know: the npm package that has the operator's schema, and where in it."""
VALIDATOR, MODELS = "kubernetes-validate==1.37.0", "2.0.0"


@pytest.mark.parametrize("each", PODS, ids=lambda each: str(each["kind"]))
def test_a_pod_is_confined_and_mounts_what_it_has(each: dict[str, Any]) -> None:
    require_restricted(each)
    pod = each["spec"]["template"]["spec"]
    there = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == there


@pytest.mark.parametrize("each", PODS, ids=lambda each: str(each["kind"]))
def test_a_pods_command_has_options_that_exist(each: dict[str, Any]) -> None:
    container = each["spec"]["template"]["spec"]["containers"][0]
    words = [word.replace("$(POD_NAME)", "receivers-0") for word in (*container["command"], *container["args"])]
    command = get_command(app)
    assert words.pop(0) == "kardus-wms"
    while subcommands := getattr(command, "commands", None):
        command = subcommands[words.pop(0)]
    command.make_context("kardus-wms", words)


def test_the_parts_fit_together() -> None:
    name = OBJECTS["StatefulSet"]["metadata"]["name"]
    target = OBJECTS["ScaledObject"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("StatefulSet", name)
    labels = OBJECTS["StatefulSet"]["spec"]["template"]["metadata"]["labels"].items()
    assert OBJECTS["Service"]["spec"]["selector"].items() <= labels
    assert OBJECTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"].items() <= labels
    database, role = OBJECTS["Cluster"]["spec"], OBJECTS["Cluster"]["spec"]["managed"]["roles"][0]["name"]
    addresses = [word for pod in PODS for word in pod["spec"]["template"]["spec"]["containers"][0]["args"]]
    made = f"@{OBJECTS['Cluster']['metadata']['name']}-rw/{database['bootstrap']['initdb']['database']}?"
    for user in (database["bootstrap"]["initdb"]["owner"], role):
        assert any(word.startswith(f"postgresql://{user}{made}") for word in addresses)
    assert role in OBJECTS["Job"]["spec"]["template"]["spec"]["containers"][0]["command"]


@pytest.mark.slow
def test_every_object_fits_the_schema_of_kubernetes(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", str(tmp_path / "packages")]
    subprocess.run([*pip, VALIDATOR], check=True)
    files = []
    for kind in OBJECTS.keys() - OPERATORS.keys():
        files.append(tmp_path / f"{kind}.yaml")
        files[-1].write_text(yaml.safe_dump(OBJECTS[kind]), encoding="utf-8")
    command = [sys.executable, str(tmp_path / "packages/bin/kubernetes-validate"), "--strict", *map(str, files)]
    subprocess.run(command, check=True, env={"PYTHONPATH": str(tmp_path / "packages")})
    wrong = OBJECTS["StatefulSet"] | {"spec": OBJECTS["StatefulSet"]["spec"] | {"replica": 2}}
    files[0].write_text(yaml.safe_dump(wrong), encoding="utf-8")
    assert subprocess.run(command, check=False, env={"PYTHONPATH": str(tmp_path / "packages")}).returncode


@pytest.mark.slow
@pytest.mark.parametrize("kind", OPERATORS)
def test_what_operators_read_fits_their_schemas(kind: str, tmp_path: Path) -> None:
    assert shutil.which("npm"), "npm is not installed: apt-get install npm, then run the test again"
    place = OPERATORS[kind]
    package = f"@kubernetes-models/{place.split('/')[0]}"
    install = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(tmp_path), f"{package}@{MODELS}"]
    subprocess.run(install, check=True, capture_output=True)
    lines = [
        f'import {{ {kind} }} from "@kubernetes-models/{place}/{kind}";',
        'import { readFileSync } from "fs";',
        f"new {kind}(JSON.parse(readFileSync(0))).validate();",
    ]
    (tmp_path / "judge.mjs").write_text("\n".join(lines), encoding="utf-8")
    for told, fits in ((OBJECTS[kind], True), (OBJECTS[kind] | {"spec": {}}, False)):
        done = subprocess.run(
            ["node", "judge.mjs"], cwd=tmp_path, input=json.dumps(told), text=True, capture_output=True, check=False
        )
        assert (done.returncode == 0) == fits, done.stderr
