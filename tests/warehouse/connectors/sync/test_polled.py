"""What every source that is asked over HTTP has in common."""

import threading
from pathlib import Path

import pytest

from tests.patience import within
from tests.warehouse.connectors.sync.test_sources import settings_of
from tests.warehouse.connectors.sync.wms import HTTP
from warehouse.connectors.http_client import HttpClient
from warehouse.connectors.sync.polled import PolledSource
from warehouse.connectors.sync.settings import make_source


class Told:
    """A client that keeps what it is told."""

    def __init__(self, name: str, said: list[str]) -> None:
        """Name it."""
        self._name, self._said = name, said

    def stop(self) -> None:
        """Keep it."""
        self._said.append(f"{self._name} stopped")

    def close(self) -> None:
        """Keep it."""
        self._said.append(f"{self._name} closed")


def test_all_that_it_asks_by_is_stopped_and_closed() -> None:
    said: list[str] = []
    source = PolledSource(Told("client", said), Told("token", said))
    source.stop()
    source.close()
    assert said == ["client stopped", "token stopped", "client closed", "token closed"]


def test_nothing_is_waited_for_once_it_is_to_end() -> None:
    stopping = threading.Event()
    stopping.set()
    with within(1):
        PolledSource().wait(stopping, 60)


@pytest.mark.parametrize("oauth", [False, True])
def test_the_token_s_requests_end_with_the_source_s_own(tmp_path: Path, oauth: bool) -> None:  # noqa: FBT001
    (tmp_path / "secret").write_text("s")
    (tmp_path / "secret").chmod(0o600)
    more = f'[source.oauth]\ntoken_url = "https://id"\nclient_id = "k"\nclient_secret_file = "{tmp_path / "secret"}"\n'
    text = f'[source]\nkind = "http"\n{HTTP.format(url="https://wms")}\n{more if oauth else ""}'
    source = make_source(settings_of(tmp_path, text))
    source.stop()
    clients = [source._client, *([source._token._client] if oauth else [])]  # type: ignore[attr-defined]
    assert all(isinstance(client, HttpClient) and client._stopping.is_set() for client in clients)
    source.close()
