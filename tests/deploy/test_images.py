"""Images: linted by hadolint's rules, and their steps proved in an empty environment, since no engine may be here."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import BIN
from tests.deploy.byte_code import without_byte_code
from tests.object_store import ENVIRONMENT, object_store
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
IMAGES = sorted((ROOT / "deploy" / "images").glob("*.Dockerfile"))
HEAVY = {"torch", "torchvision", "onnx", "lightning_fabric", "timm", "matplotlib", "openvino"}


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.name)
def test_hadolint_has_nothing_to_say(image: Path) -> None:
    found = subprocess.run([BIN / "hadolint", "--no-color", image], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.name)
def test_an_image_doesnt_run_as_root_and_its_base_is_pinned(image: Path) -> None:
    text = image.read_text()
    assert re.findall(r"^USER (.*)$", text, flags=re.MULTILINE) == ["10001:10001"]
    bases = re.findall(r"^FROM (\S+)", text, flags=re.MULTILINE)
    assert all(re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+(@sha256:[0-9a-f]{64})?", base) for base in bases)
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", text, flags=re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for name in " ".join(copied).split():
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored


def test_the_agents_image_has_a_health_check_that_is_python_and_asks_healthz() -> None:
    text = (ROOT / "deploy" / "images" / "agent.Dockerfile").read_text()
    command = re.search(r"^ +CMD (\[.*\])$", text, flags=re.MULTILINE)
    assert command
    words = ast.literal_eval(command.group(1))
    assert words[:2] == ["python", "-c"]
    compile(words[2], "healthcheck", "exec")
    assert "/healthz" in words[2]


def test_every_image_that_a_manifest_names_can_be_built() -> None:
    """Of our own: they are named after what they hold."""
    manifests = [path.read_text() for path in (ROOT / "deploy").rglob("*.yaml")]
    named = {name for text in manifests for name in re.findall(r"^\s*image: \S*\bkardus-([\w-]+):", text, re.MULTILINE)}
    assert named
    assert named <= {image.name.removesuffix(".Dockerfile") for image in IMAGES}


@pytest.mark.slow
def test_the_agents_image_can_be_installed_from_nothing_and_watches_without_torch(tmp_path: Path) -> None:
    """The steps of the image's first stage, with the pip that is there, and then a shelf."""
    installed = _follow_steps("agent", tmp_path, ("edge_agent.cli.main", "warehouse.cli.main"))
    assert not installed & (HEAVY | {"pip"})
    demo: list[str | Path] = [tmp_path / "kardus" / "bin" / "kardus-agent", "demo", "--out", tmp_path / "demo"]
    assert subprocess.run(demo, cwd=tmp_path, capture_output=True, check=False, timeout=5 * PATIENCE_S).returncode == 0


@pytest.mark.slow
def test_the_warehouses_image_can_be_installed_from_nothing_and_keeps_pictures_in_an_object_store(
    tmp_path: Path,
) -> None:
    """The steps of the image's first stage, and then what only its optional packages can do."""
    installed = _follow_steps("warehouse", tmp_path, ("warehouse.cli.main",))
    assert not installed & (HEAVY | {"pip", "onnxruntime", "av", "amqtt"})
    assert installed >= {"psycopg", "s3fs", "confluent_kafka", "asyncssh"}
    words: list[str | Path] = [tmp_path / "kardus" / "bin" / "python", "-P", "-c", _STORES_A_PICTURE]
    with object_store("kardus-pictures") as address:
        environment = os.environ | ENVIRONMENT | {"AWS_ENDPOINT_URL": address}
        subprocess.run(words, cwd=tmp_path, env=environment, check=True, timeout=PATIENCE_S)


_STORES_A_PICTURE = """
from warehouse.store.pictures import PictureStore
store = PictureStore("s3://kardus-pictures/all")
assert store.read(store.add("box", "A", "event", b"jpeg")) == b"jpeg"
"""


def _follow_steps(image: str, folder: Path, commands: tuple[str, ...]) -> set[str]:
    """Install into `folder`/kardus as an image does, and let it leave byte code; the distributions that are there."""
    text = (ROOT / "deploy" / "images" / f"{image}.Dockerfile").read_text()
    steps = re.search(r"^RUN (python -m venv .*?)\n\n", text, flags=re.MULTILINE | re.DOTALL)
    making = re.search(r'^RUN (PYTHONDONTWRITEBYTECODE="" /opt/kardus/.*)$', text, flags=re.MULTILINE)
    assert steps
    assert making
    own = str(folder / "kardus")
    install = steps.group(1).replace("\\\n", "").replace("python -m venv", f"{sys.executable} -m venv", 1)
    (folder / "kardus").mkdir()
    shutil.copy(ROOT / "deploy" / "byte_code.py", folder / "kardus")
    for step in (install, making.group(1)):
        script = f"set -e; {step.replace('/opt/kardus', own)}"
        subprocess.run(["sh", "-c", script], cwd=ROOT, check=True, timeout=5 * PATIENCE_S)
    assert not without_byte_code(folder / "kardus" / "bin" / "python", folder, os.environ, commands)
    site = next((folder / "kardus" / "lib").glob("python*/site-packages"))
    installed = {re.split(r"[-.]", path.name)[0].lower() for path in site.glob("*.dist-info")}
    assert "kardus" in installed
    return installed
