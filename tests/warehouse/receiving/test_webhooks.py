"""Every new alert is posted, signed, in order for its location, until it is taken: to a real HTTP server that fails."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from kardus.support.errors import UsageError
from tests.dripping import NEVER_DONE, Behaviour, DrippingServer, drips_body, drips_chunks, drips_headers, redirects
from tests.patience import PATIENCE_S, within
from tests.publishers import SITE, Message, Publisher
from tests.warehouse.receiving.making import writer_of
from tests.warehouse.receiving.test_receiver import wait_for
from warehouse.receiving import webhooks
from warehouse.receiving.parsing import parse_message
from warehouse.receiving.webhooks import WebhookDelivery, WebhookEndpoint
from warehouse.signing import read_signing_secret, signed_headers
from warehouse.store import tables
from warehouse.store.database import Database
from warehouse.store.opening import open_database
from warehouse.store.reader import StoreReader

KEY = b"k" * 32
TAKES_IT = (drips_body, drips_chunks)
"""What has answered 200 before it goes on and on."""


def _is_genuine(key: bytes, headers: dict[str, str], body: bytes) -> bool:
    try:
        Verifier(key).verify(body, headers, json_parse=False)
    except WebhookVerificationError:
        return False
    return True


@dataclass
class Endpoint:
    """An HTTP server that answers as it is told to, and remembers what it took."""

    answer: Callable[[str], int]
    """Given the location, the status code."""
    url: str = ""
    taken: list[tuple[str, str]] = field(default_factory=list)
    """Location and alert of what was answered with 200."""
    tries: int = 0
    forged: int = 0


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A server on a port of its own."""
    found = Endpoint(lambda _: 200)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.forged += not _is_genuine(KEY, dict(self.headers), body)
            found.tries += 1
            location = json.loads(body)["data"]["location"]
            code = found.answer(location)
            if code == 200:
                found.taken.append((location, self.headers["webhook-id"]))
            self.send_response(code)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/alerts"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """An empty one; waits are short."""
    monkeypatch.setattr(webhooks, "ALERT_POLL_S", 0.02)
    monkeypatch.setattr(webhooks, "MAX_PAUSE_S", 0.05)
    found = open_database(tmp_path / "k.sqlite", make=True)
    yield found
    found.close()


def _alert(agent: Publisher, location: str, name: str, status: str = "open") -> Message:
    alert = Alert.model_validate({"id": name, "status": status, "opened": datetime.now(UTC)})
    return agent.event(location, Verdict.MISMATCH, alert)


def _store(database: Database, messages: list[Message]) -> None:
    writer_of(database).write([parse_message(SITE, *message) for message in messages])


def test_what_fails_is_sent_again_in_order_for_each_location(database: Database, endpoint: Endpoint) -> None:
    agent, failures = Publisher(), iter([500, 503, 429, 302, 500])
    endpoint.answer = lambda _: next(failures, 200)
    work = WebhookDelivery(database, WebhookEndpoint(endpoint.url, KEY))
    work.start()
    names = [(f"A-{n % 2}", f"alert-{n}") for n in range(8)]
    _store(database, [_alert(agent, *name) for name in names])
    wait_for(lambda: len(endpoint.taken) == 8)
    work.stop()
    for location in ("A-0", "A-1"):
        assert [t for t in endpoint.taken if t[0] == location] == [n for n in names if n[0] == location]
    assert (endpoint.tries, endpoint.forged) == (13, 0)


def test_an_alert_that_is_refused_holds_up_its_own_location_only(database: Database, endpoint: Endpoint) -> None:
    agent = Publisher()
    endpoint.answer = lambda location: 422 if location == "bad" else 200
    work = WebhookDelivery(database, WebhookEndpoint(endpoint.url, KEY))
    work.start()
    _store(database, [_alert(agent, "bad", "one"), _alert(agent, "bad", "two"), _alert(agent, "good", "three")])
    wait_for(lambda: ("good", "three") in endpoint.taken and endpoint.tries > 3)
    work.stop()
    assert endpoint.taken == [("good", "three")]


def test_only_new_alerts_are_told_and_each_once(database: Database, endpoint: Endpoint) -> None:
    agent = Publisher()
    _store(database, [_alert(agent, "A", "before")])
    works = [
        WebhookDelivery(database, WebhookEndpoint(endpoint.url, KEY)) for _ in range(2)
    ]  # two receivers of one database
    for work in works:
        work.start()
    _store(
        database,
        [
            _alert(agent, "A", "before"),
            _alert(agent, "A", "new"),
            _alert(agent, "A", "new"),
            _alert(agent, "B", "over", "resolved"),
            agent.event("C"),
            _alert(agent, "D", "last"),
        ],
    )
    wait_for(lambda: len(endpoint.taken) == 2)
    for work in works:
        work.stop()
    assert sorted(endpoint.taken) == [("A", "new"), ("D", "last")]


def test_what_waits_is_posted_without_a_pause_in_between(
    database: Database, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_: str) -> int:
        monkeypatch.setattr(webhooks, "ALERT_POLL_S", 10 * PATIENCE_S)
        return 200

    endpoint.answer = answer
    work = WebhookDelivery(database, WebhookEndpoint(endpoint.url, KEY))
    agent = Publisher()
    _store(database, [_alert(agent, "A", f"alert-{n}") for n in range(5)])
    work.start()
    wait_for(lambda: len(endpoint.taken) == 5)
    work.stop()


def test_what_was_not_delivered_is_kept_for_the_next_start(database: Database, endpoint: Endpoint) -> None:
    nobody = WebhookDelivery(database, WebhookEndpoint("http://127.0.0.1:9/", KEY))
    nobody.start()
    _store(database, [_alert(Publisher(), "A", "kept")])
    wait_for(lambda: nobody._failures > 0)
    nobody.stop()
    with database.writing() as connection:  # by a clock that was ahead, and is set right
        connection.execute(update(tables.webhooks).values(due=time.time() + 1e7))
    again = WebhookDelivery(database, WebhookEndpoint(endpoint.url, KEY))
    again.start()
    wait_for(lambda: endpoint.taken == [("A", "kept")])
    again.stop()


@pytest.mark.parametrize("case", NEVER_DONE)
def test_an_endpoint_that_is_never_done_is_asked_again(
    database: Database, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setattr(webhooks, "REQUEST_TIMEOUT_S", 0.3)
    scheme, behaviour = NEVER_DONE[case]
    _is_asked_twice_and_ends(database, scheme, behaviour)


def test_an_endpoint_that_sends_us_elsewhere_for_ever_is_asked_again(database: Database) -> None:
    _is_asked_twice_and_ends(database, "http", redirects)


def _is_asked_twice_and_ends(database: Database, scheme: str, behaviour: Behaviour) -> None:
    with DrippingServer(behaviour) as server:
        work = WebhookDelivery(database, WebhookEndpoint(server.url(scheme), KEY))
        work.start()
        _store(database, [_alert(Publisher(), "A", "one")])
        assert server.asked.acquire(timeout=PATIENCE_S)
        if scheme == "http" and behaviour in TAKES_IT:
            wait_for(lambda: StoreReader(database).pending_webhooks() == 0)  # its body is not waited for
        else:
            assert server.asked.acquire(timeout=PATIENCE_S)
            assert StoreReader(database).pending_webhooks() == 1
        with within(5):
            work.stop()
        assert not work.is_alive


def test_stopping_does_not_wait_for_an_endpoint_and_the_alert_goes_first_at_the_next_start(
    database: Database, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "REQUEST_TIMEOUT_S", 600)
    monkeypatch.setattr(webhooks, "STOP_GRACE_S", 0.1)
    _store(database, [])
    with DrippingServer(drips_headers) as server:
        work = WebhookDelivery(database, WebhookEndpoint(server.url(), KEY))
        work.start()
        _store(database, [_alert(Publisher(), "A", "kept")])
        assert server.asked.acquire(timeout=PATIENCE_S)
        work.stop()
    again = WebhookDelivery(database, WebhookEndpoint(endpoint.url, KEY))
    again.start()
    wait_for(lambda: endpoint.taken == [("A", "kept")])  # within far less than the lease
    again.stop()


def test_an_answer_under_way_when_the_receiver_stops_is_still_heard(
    database: Database, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "STOP_GRACE_S", PATIENCE_S)
    asked, answer = threading.Event(), threading.Event()
    endpoint.answer = lambda _: 200 if asked.set() or answer.wait() else 0  # type: ignore[func-returns-value]
    work = WebhookDelivery(database, WebhookEndpoint(endpoint.url, KEY))
    work.start()
    _store(database, [_alert(Publisher(), "A", "one")])
    asked.wait()
    threading.Timer(0.2, answer.set).start()
    work.stop()
    assert StoreReader(database).pending_webhooks() == 0


def test_the_signature_is_that_of_standard_webhooks() -> None:
    key = read_signing_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "test")  # the example of the specification
    headers = signed_headers(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(body=st.text(), other=st.text())
def test_only_what_was_signed_is_genuine_to_the_library(body: str, other: str) -> None:
    headers = signed_headers(KEY, "id", int(time.time()), body.encode())
    assert _is_genuine(KEY, headers, other.encode()) == (body == other)
    assert not _is_genuine(b"x" * 32, headers, body.encode())
    assert not _is_genuine(KEY, headers | {"webhook-id": "other"}, body.encode())


@pytest.mark.parametrize("seconds", [-400, 400])
def test_what_was_signed_long_ago_or_in_the_future_is_not_genuine(seconds: int) -> None:
    headers = signed_headers(KEY, "id", int(time.time()) + seconds, b"{}")
    assert not _is_genuine(KEY, headers, b"{}")


def test_a_secret_without_the_prefix_is_the_key_itself_which_the_library_takes_as_bytes() -> None:
    secret = "the same word, over and over"  # noqa: S105 - a test's
    headers = signed_headers(read_signing_secret(secret, "test"), "id", int(time.time()), b"{}")
    assert _is_genuine(secret.encode(), headers, b"{}")
    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify("{}", headers)  # as text it is taken for base64, whatever it is


@pytest.mark.parametrize("url", ["", "ftp://x", "http://", "not an address", "http://user:word@host/", "http://a..b/"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="--webhook"):
        WebhookEndpoint(url, KEY)


@pytest.mark.parametrize("text", ["short", "whsec_" + base64.b64encode(b"short").decode(), "whsec_???"])
def test_a_secret_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="file s"):
        read_signing_secret(text, "file s")
