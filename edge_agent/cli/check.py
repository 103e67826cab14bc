"""How `kardus-agent check` opens what `run` opens: through the same functions, and without changing anything."""

from edge_agent.cameras import open_camera
from edge_agent.commissioning.checks import CheckedOpeners, CheckResult, check_all
from edge_agent.config import Config
from edge_agent.config.data_folder import (
    EXPECTED_FILE,
    MODELS_FOLDER,
    OUTBOX_FILE,
    Occupant,
    occupant,
    occupant_of,
    require_usable,
    space_problem,
    taken,
)
from edge_agent.config.sections import HealthSection, ModelSection
from edge_agent.control.expected import check_expected
from edge_agent.health.server import require_port
from edge_agent.models.bundle_sources import require_sources
from edge_agent.models.load import load_model
from edge_agent.models.store import in_use, sha256_of
from edge_agent.reporting.outbox.check import check_outbox
from kardus.inference.bundle import Bundle
from kardus.inference.classifier import Classifier
from kardus.support.errors import DataError


def check(config: Config) -> list[CheckResult]:
    """What `kardus-agent check` finds."""
    running = occupant(config.agent.data_dir)
    openers = CheckedOpeners(
        model=lambda model: _load_model(config, model),
        data_folder=lambda: _check_folder(config, running),
        camera=lambda section: open_camera(section, config),
        health_page=(lambda: _check_health_page(config.health, running)) if config.health.port else None,
    )
    return check_all(config, openers)


def _load_model(config: Config, model: ModelSection) -> tuple[Bundle, Classifier]:
    """The one that would be run: that which took over last, or the configured one."""
    require_sources(model)
    return load_model(model, in_use(config.agent.data_dir / MODELS_FOLDER, sha256_of(model.bundle)))


def _check_folder(config: Config, running: Occupant | None) -> str:
    data = config.agent.data_dir
    require_usable(config)
    if running and running.agent != occupant_of(config).agent:
        raise taken(data, running)
    problem = check_outbox(data / OUTBOX_FILE) or check_expected(data / EXPECTED_FILE) or space_problem(data)
    if problem:
        raise DataError(problem)
    return f"{data}, where this agent is running (process {running.process})" if running else str(data)


def _check_health_page(health: HealthSection, running: Occupant | None) -> str:
    where = f"{health.host}:{health.port}"
    if running and running.health == where:
        return f"{where}, where this agent is running"
    if health.port:
        require_port(health.host, health.port)
    return where
