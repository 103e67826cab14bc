"""`kardus-wms serve`: runs the API as a service, with readiness and watchdog notifications for systemd."""

import asyncio
import contextlib
import ipaddress
import logging
import os
import re
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from kardus.mqtt.settings import BrokerSettings
from kardus.support.console import out
from kardus.support.errors import DataError, UsageError
from kardus.support.systemd import notify, watchdog_s
from kardus.support.time_zone import time_zone
from kardus.support.whole_numbers import MAX_PORT, whole_number
from warehouse.console.agents.asking import AgentQuestions
from warehouse.console.agents.bundles import Bundles
from warehouse.console.app import make_app
from warehouse.console.connections import TimedConnection
from warehouse.console.context import WRONG_TOKENS, WRONG_TOKENS_S, Console, KnownTokens
from warehouse.console.identity.auditing import AuditLog
from warehouse.console.limits import RateLimit
from warehouse.console.live.feed import Feed
from warehouse.console.pages.content.places import RACK_PATTERN, CodePatterns
from warehouse.console.pages.content.products import load_products
from warehouse.console.pages.routes.coverage_history import CoverageHistory
from warehouse.console.pages.settings import PageSettings
from warehouse.console.server_certificate import ServerCertificate
from warehouse.oidc.provider import IdentityProvider
from warehouse.oidc.settings import read_settings
from warehouse.report.aisles import AISLE_PATTERN
from warehouse.store.address import DatabaseAddress
from warehouse.store.database import Database
from warehouse.store.opening import open_database
from warehouse.store.reader import StoreReader

BURST_S = 5.0
"""So many seconds' requests may come at once."""
STOP_S = 5
"""Requests that have begun get so long to end."""
MAX_CONNECTIONS = 1000
BACKLOG = 512
POLL_S = 0.5


@dataclass(frozen=True)
class ServerSettings:
    """How the API is served."""

    listen: str = "127.0.0.1:8088"
    """Address and port; port 0: any free one."""
    certificate: Path | None = None
    """Of the server (PEM); None: no TLS."""
    key: Path | None = None
    forwarded_from: tuple[str, ...] = ()
    """Addresses or networks of proxies, which end TLS and say whose request it is."""
    rate: float = 50.0
    """Requests a second for each token."""
    pictures: str = ""
    """Where pictures are; empty: as the database has it noted."""
    timezone: str = ""
    """By which zone's clock the page shows moments (IANA's name); empty: the machine's."""
    products: Path | None = None
    """A bundle, a data set or a folder with a photo of each product; None: no photos are shown."""
    rack: str = RACK_PATTERN.pattern
    """A regular expression that finds the rack in a location's code."""
    aisle: str = AISLE_PATTERN.pattern
    """One that finds the aisle."""
    bundles: Path | None = None
    """A folder with signed bundles that may be offered to agents; None: none are offered."""
    requests: Path | None = None
    """A folder for requests for new products; None: none are made."""
    agents_url: str = ""
    """By which address agents reach this server, to fetch them: https://..."""
    oidc: Path | None = None
    """By which provider people may sign in too, a file; None: by none."""
    link: bool | None = None
    """Whether to print an address that lets its reader in once, as administrator; None: see `_wants_link`."""


def run_server(
    address: DatabaseAddress, settings: ServerSettings, broker: BrokerSettings | None, seconds: float | None
) -> None:
    """Serve until a signal, or for so many seconds.

    Raises:
        DataError: the database, or the address to listen at, can't be used.
        UsageError: options that don't go together.
    """
    host, port = _checked(settings)
    certificate = (
        ServerCertificate(settings.certificate, settings.key) if settings.certificate and settings.key else None
    )
    bundles = Bundles(settings.bundles, settings.agents_url, settings.requests)
    provider = IdentityProvider(read_settings(settings.oidc)) if settings.oidc else None
    with open_database(address, make=False) as database, contextlib.ExitStack() as ending:
        asking = None
        if broker is not None:
            asking = ending.enter_context(AgentQuestions(broker, StoreReader(database).site()))
        feed = Feed(database)
        feed.start()
        ending.callback(feed.stop)
        console = _console(database, settings, feed, asking)
        encrypted = settings.certificate is not None or bool(settings.forwarded_from)
        page = PageSettings(
            encrypted=encrypted,
            zone=time_zone(settings.timezone),
            products=load_products(settings.products),
            patterns=CodePatterns(_pattern("--aisle", settings.aisle), _pattern("--rack", settings.rack)),
            provider=provider,
            bundles=bundles,
            requests=settings.requests,
        )
        history = CoverageHistory(database, page)
        history.start()
        ending.callback(history.stop, STOP_S)
        config = _server_config(make_app(console, page), settings)
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        with _listening(host, port, settings) as bound:
            if _wants_link(settings, address, host):
                root = f"http{'s' if settings.certificate else ''}://{host}:{bound.getsockname()[1]}"
                out.print(f"open, once: {root}/enter/{page.links.make()}", soft_wrap=True, highlight=False)
            asyncio.run(_serve(config, bound, feed, seconds, certificate))


def _server_config(app: FastAPI, settings: ServerSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=TimedConnection,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.forwarded_from),
        forwarded_allow_ips=list(settings.forwarded_from),
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=STOP_S,
        lifespan="off",
    )


def _pattern(option: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(f"{option} '{text}': not a regular expression ({error})") from error


def _wants_link(settings: ServerSettings, address: DatabaseAddress, host: str) -> bool:
    """By default on one machine: for a file, on the loopback, and not where systemd's journal would keep it."""
    if settings.link is not None:
        return settings.link
    is_own = address.path is not None and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    return is_own and not settings.forwarded_from and not os.environ.get("INVOCATION_ID")


def _console(database: Database, settings: ServerSettings, feed: Feed, asking: AgentQuestions | None) -> Console:
    return Console(
        database=database,
        pictures=settings.pictures,
        feed=feed,
        audit=AuditLog(database),
        rate=RateLimit(settings.rate, settings.rate * BURST_S),
        wrong=RateLimit(WRONG_TOKENS_S, WRONG_TOKENS),
        known=KnownTokens(database),
        asking=asking,
    )


def _checked(settings: ServerSettings) -> tuple[str, int]:
    """Address and port to listen at.

    Raises:
        UsageError: they can't be read, or tokens would travel openly through a network.
    """
    host, colon, port = settings.listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        found = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        found = None
    number = whole_number(port, MAX_PORT)
    if found is None or not colon or number is None:
        raise UsageError(f"--listen {settings.listen}: write an IP address and a port, such as 127.0.0.1:8088")
    if (settings.certificate is None) != (settings.key is None):
        raise UsageError("--server-certificate-file and --server-key-file belong together: give both")
    for network in settings.forwarded_from:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError as error:
            raise UsageError(f"--forwarded-from {network}: no IP address or network ({error})") from error
    if not (found.is_loopback or settings.certificate or settings.forwarded_from):
        raise UsageError(
            f"--listen {settings.listen}: tokens would travel openly: give --server-certificate-file and "
            "--server-key-file, or put a proxy with TLS before it and name it with --forwarded-from"
        )
    return str(found), number


@contextlib.contextmanager
def _listening(host: str, port: int, settings: ServerSettings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:  # else asyncio sets no TCP_NODELAY
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
            bound.listen(BACKLOG)  # before it is said: whoever reads that may come
        except OSError as error:
            raise DataError(f"--listen {settings.listen}: can't be used ({error.strerror}): name another") from error
        shown = f"[{host}]" if ":" in host else host
        scheme = "https" if settings.certificate else "http"
        out.print(f"serving at {scheme}://{shown}:{bound.getsockname()[1]}/api/v1", soft_wrap=True, highlight=False)
        yield bound


class _Server(uvicorn.Server):
    """Its signals are ours: SIGTERM is a clean end with exit code 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(
    config: uvicorn.Config,
    bound: socket.socket,
    feed: Feed,
    seconds: float | None,
    certificate: ServerCertificate | None,
) -> None:
    config.load()
    server = _Server(config)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        feed.end_streams()
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if seconds is not None:
        loop.call_later(seconds, stop)
    beside = [asyncio.ensure_future(_signs_of_life(server))]
    if certificate is not None and config.ssl is not None:
        beside.append(asyncio.ensure_future(certificate.keep_new(config.ssl)))
    await server.serve(sockets=[bound])
    notify("STOPPING=1")
    for task in beside:
        task.cancel()


async def _signs_of_life(server: Any) -> None:
    """Tell systemd that it serves, and then that it goes on doing so."""
    while not server.started:  # noqa: ASYNC110 - uvicorn tells it by no event
        await asyncio.sleep(POLL_S / 5)
    notify("READY=1")
    while True:
        if watchdog_s() is not None:
            notify("WATCHDOG=1")
        await asyncio.sleep((watchdog_s() or 3 * POLL_S) / 3)
