"""Which part of the agent carries out which command."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edge_agent.archive.evidence import Evidence, snapshot_jpeg
from edge_agent.cameras import Cameras
from edge_agent.codes.code_watch import CodeWatch
from edge_agent.commissioning.commissioner import AgentParts, Commissioner
from edge_agent.control.command_dispatcher import CommandDispatcher
from edge_agent.control.command_handlers import CommandHandlers, FacingCorners
from edge_agent.control.commands import CommandHandler
from edge_agent.deciding.recorder import Recorder
from edge_agent.health.metrics import Metrics
from edge_agent.pipeline import Pipeline
from edge_agent.reporting.outbox.outbox import Outbox
from edge_agent.self_report import SelfReport
from kardus.contract.commands import Snapshot


@dataclass(frozen=True)
class CommandTargets:
    """The parts of an agent that commands reach."""

    data_dir: Path
    cameras: Cameras
    pipeline: Pipeline
    recorder: Recorder
    report: SelfReport
    evidence: Evidence
    outbox: Outbox
    codes: CodeWatch
    metrics: Metrics
    change_model: CommandHandler
    reload: Callable[..., int]
    """Goes over to the configuration as it is, or with other layouts (`AgentParts.go_over`)."""


def build_command_dispatcher(agent: CommandTargets) -> CommandDispatcher:
    """What takes an agent's commands in, with a handler for each."""
    handlers = CommandHandlers(
        capture=agent.cameras.capture,
        snapshot=lambda wanted: _snapshot(agent.cameras, wanted),
        acknowledge=agent.recorder.acknowledge,
        correct=agent.pipeline.correct,
        publish_all=agent.report.publish_everything,
        report_coverage=agent.report.report_coverage,
        fetch_evidence=agent.evidence.fetch,
        reload=agent.reload,
        change_model=agent.change_model,
        commission=_commissioner(agent).handlers,
        send_again=agent.outbox.send_again,
    )
    count = agent.metrics.commands.labels
    return CommandDispatcher(
        handlers.handlers, agent.report.reply, agent.codes.do, lambda name, outcome: count(name, outcome).inc()
    )


def _commissioner(agent: CommandTargets) -> Commissioner:
    return Commissioner(
        AgentParts(
            data_dir=agent.data_dir,
            section=lambda name: agent.cameras.known(name).section,
            slots=lambda name: agent.cameras.known(name).view.slots,
            newest=agent.cameras.newest_picture,
            shown=agent.cameras.newest_shown,
            why_unfit=lambda name, picture: agent.cameras.known(name).view.why_unfit(picture),
            curve=lambda: agent.pipeline.classifier.pixels,
            go_over=agent.reload,
        )
    )


def _snapshot(cameras: Cameras, wanted: Snapshot) -> tuple[datetime, bytes, FacingCorners]:
    if wanted.newest:
        captured, picture = cameras.newest_shown(wanted.camera)
        return captured, snapshot_jpeg(picture), {}
    captured, picture = cameras.last_picture(wanted.camera)
    return captured, snapshot_jpeg(picture), cameras.corners(wanted.camera)
