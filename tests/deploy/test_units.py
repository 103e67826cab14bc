"""The systemd units, judged by systemd's own tools."""

import configparser
import re
import subprocess
from pathlib import Path

import pytest
import typer.main

import edge_agent.cli.main
import warehouse.cli.main
from kardus.support.identifiers import BOOT_ID_VARIABLE

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
EXAMPLES = UNITS.with_name("examples")
MAX_EXPOSED = 2.0
BUILDS_MODEL_S = 1800
"""TensorRT builds a network in minutes before the agent is ready; killed meanwhile, it would begin anew for ever."""
UNITS_OF_SERVICES = [f"kardus-{name}.service" for name in ("agent", "receiver", "sync", "deliver", "serve")]


class _Unit(configparser.RawConfigParser):
    """Keys keep their case, and may be given again: the last one counts here."""

    def __init__(self, name: str) -> None:
        super().__init__(strict=False, interpolation=None)
        self.optionxform = str  # type: ignore[assignment,method-assign]
        self.read(UNITS / name)


@pytest.mark.parametrize("name", UNITS_OF_SERVICES)
def test_a_unit_exposes_little(name: str) -> None:
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNITS / name)]
    told = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", told)
    assert found, told
    assert float(found.group(1)) <= MAX_EXPOSED, told


@pytest.mark.parametrize("name", UNITS_OF_SERVICES)
def test_a_unit_has_no_error(name: str, tmp_path: Path) -> None:
    """Its program, which isn't installed here, aside."""
    unit = tmp_path / name
    unit.write_text((UNITS / name).read_text().replace("/opt/kardus/bin/", "/bin/true "))
    found = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert [line for line in found.stderr.splitlines() if name in line] == []


@pytest.mark.parametrize("name", [name for name in UNITS_OF_SERVICES if "agent" not in name])
def test_a_service_of_the_wms_side_is_given_as_long_to_start_as_it_takes(name: str) -> None:
    """After systemd's 90 s a large file's migration would be rolled back, and begun anew, for ever."""
    service = _Unit(name)["Service"]
    assert service["Type"] == "notify"
    assert service["TimeoutStartSec"] == "infinity"


def test_the_agents_unit_lets_it_do_what_it_has_to() -> None:
    service = _Unit("kardus-agent.service")["Service"]
    assert service["Type"] == "notify"
    assert float(service["WatchdogSec"]) >= 10
    assert float(service["TimeoutStartSec"]) >= BUILDS_MODEL_S
    assert service["StateDirectory"] == "kardus"
    assert "char-video4linux" in service["DeviceAllow"]
    assert "PrivateDevices" not in service
    assert {"AF_INET", "AF_INET6", "AF_UNIX"} == set(service["RestrictAddressFamilies"].split())
    assert "adjtimex" in service["SystemCallFilter"]  # or no event would say that the clock is kept right


@pytest.mark.parametrize(
    ("unit", "app"),
    [
        ("kardus-agent.service", edge_agent.cli.main.app),
        ("kardus-receiver.service", warehouse.cli.main.app),
        ("kardus-sync.service", warehouse.cli.main.app),
        ("kardus-deliver.service", warehouse.cli.main.app),
        ("kardus-serve.service", warehouse.cli.main.app),
    ],
)
def test_the_command_exists(unit: str, app: typer.Typer) -> None:
    words = _Unit(unit)["Service"]["ExecStart"].split()
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    options = {option for parameter in commands[words[1]].params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("name", UNITS_OF_SERVICES)
def test_a_unit_that_hides_the_machine_s_boot_says_what_it_is(name: str) -> None:
    """What the agent's epochs and a target's holder are told apart by."""
    text = (UNITS / name).read_text()
    needs_it = name in {"kardus-agent.service", "kardus-deliver.service"}
    assert (f"\nEnvironment={BOOT_ID_VARIABLE}=%b\n" in text) == (needs_it and "ProcSubset=pid" in text)


def test_every_credential_of_the_example_is_loaded() -> None:
    text = (UNITS / "kardus-agent.service").read_text()
    loaded = set(re.findall(r"^LoadCredential=([\w.]+):", text, flags=re.MULTILINE))
    used = re.findall(r"\$CREDENTIALS_DIRECTORY/([\w.]+)", (EXAMPLES / "agent-systemd.toml").read_text())
    assert loaded == set(used)
    for name in ("kardus-receiver.service", "kardus-serve.service"):
        unit = (UNITS / name).read_text()
        assert set(re.findall(r"^LoadCredential=([\w.]+):", unit, flags=re.MULTILINE)) == set(
            re.findall(r"\$CREDENTIALS_DIRECTORY/([\w.]+)", unit)
        )


@pytest.mark.parametrize("name", ["kardus-receiver.service", "kardus-serve.service"])
def test_every_variable_of_the_wms_side_has_a_value(name: str) -> None:
    text = (UNITS / name).read_text()
    given = set(re.findall(r"^Environment=(\w+)=", text, flags=re.MULTILINE))
    given |= set(re.findall(r"^(\w+)=", (EXAMPLES / "receiver.env").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"\$\{(\w+)\}", text)) <= given
