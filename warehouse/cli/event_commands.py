"""The commands for what agents publish: `receive` stores it, `forget` clears away what an agent left behind."""

from pathlib import Path
from typing import Annotated

import typer

from kardus.mqtt.settings import BrokerSettings
from kardus.support.console import out
from kardus.support.logs import set_up
from warehouse.cli.broker_options import with_broker
from warehouse.cli.health_option import HealthOption, listen_address
from warehouse.cli.topic_options import SiteOption, topic_level
from warehouse.store.cli import DatabaseOption, DatabasePasswordOption, PicturesOption, address_from

NameOption = Annotated[
    str,
    typer.Option(callback=topic_level("--name"), help="Its own for each receiver of a site, the same at every start."),
]
AgentsOption = Annotated[
    list[str] | None, typer.Option(callback=topic_level("--agent"), help="Only this agent; may be given several times.")
]
GroupOption = Annotated[
    str,
    typer.Option(
        callback=topic_level("--group", may_be_empty=True),
        help="Receivers of one group divide the events, and share the database. Needs MQTT 5.",
    ),
]


PicturesMbOption = Annotated[int, typer.Option(min=0, help="Megabytes for pictures; the oldest go first. 0: none.")]
KeepDaysOption = Annotated[
    float | None, typer.Option(min=0.01, max=36_500, help="Delete events after so many days; those of alerts stay.")
]
KeepEventsOption = Annotated[
    int | None, typer.Option(min=1, help="Keep so many events, the newest, beside those of alerts.")
]
KeepPicturesOption = Annotated[
    float | None, typer.Option(min=0.01, max=36_500, help="Delete pictures after so many days, those of alerts too.")
]
KeepAuditOption = Annotated[
    float | None, typer.Option(min=1, max=36_500, help="Delete entries of the API's audit log after so many days.")
]


@with_broker
def receive_command(
    database: DatabaseOption,
    site: SiteOption,
    broker: BrokerSettings,
    database_password_file: DatabasePasswordOption = None,
    name: NameOption = "receiver",
    agent: AgentsOption = None,
    group: GroupOption = "",
    pictures: PicturesOption = "",
    pictures_mb: PicturesMbOption = 500,
    keep_days: KeepDaysOption = None,
    keep_events: KeepEventsOption = None,
    keep_pictures_days: KeepPicturesOption = None,
    keep_audit_days: KeepAuditOption = None,
    session_days: Annotated[float, typer.Option(min=0.01, max=3650, help="How long the broker keeps its events.")] = 7,
    webhook: Annotated[
        str, typer.Option(help="Deprecated, use deliver: an http(s) address that new alerts are posted to.")
    ] = "",
    webhook_secret_file: Annotated[
        Path | None, typer.Option(help="File with the secret to sign with; else KARDUS_WEBHOOK_SECRET.")
    ] = None,
    health: HealthOption = "",
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after this long; by default at SIGTERM.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON with the counts every ten seconds and at the end; JSON logs.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more than connections and trouble.")] = False,
) -> None:
    """Receive and store what agents publish: every event exactly once, whatever is killed or breaks."""
    from warehouse.receiving.receiver import ReceiverSettings  # noqa: PLC0415 - see the package
    from warehouse.receiving.service import run_receiver, webhook_from_options  # noqa: PLC0415 - see the package
    from warehouse.store.retention import RetentionLimits  # noqa: PLC0415 - see the package

    listen = listen_address(health)
    settings = ReceiverSettings(
        site=site,
        database=address_from(database, database_password_file),
        name=name,
        agents=tuple(agent or ()),
        group=group,
        pictures=pictures,
        pictures_mb=pictures_mb,
        session_days=session_days,
        keep=RetentionLimits(keep_days, keep_events, keep_pictures_days, keep_audit_days),
    )
    set_up("json" if as_json else "text", verbose=verbose)
    endpoint = webhook_from_options(webhook, webhook_secret_file)
    run_receiver(broker, settings, endpoint, seconds, health=listen, as_json=as_json)


@with_broker
def forget_command(
    agent: Annotated[str, typer.Argument(help="An agent that won't come back.", callback=topic_level("AGENT"))],
    broker: BrokerSettings,
    site: Annotated[
        str,
        typer.Option(callback=topic_level("--site", may_be_empty=True), help="Its site; by default the database's."),
    ] = "",
    database: Annotated[
        str, typer.Option("--database", "--sqlite", help="The receiver's database: close its alerts there too.")
    ] = "",
    database_password_file: DatabasePasswordOption = None,
    confirmed: Annotated[bool, typer.Option("--yes", help="Also when it is online.")] = False,
) -> None:
    """Forget an agent: clear its retained topics, and close its alerts, so that no report shows them any more."""
    from warehouse.receiving.forgetting import forget_agent  # noqa: PLC0415 - see the package

    where = address_from(database, database_password_file) if database else None
    done = forget_agent(broker, agent, site=site, database=where, confirmed=confirmed)
    closed = f", {done.alerts} alerts closed" if database else ""
    out.print(f"agent {agent}: {done.topics} topics cleared{closed}")
