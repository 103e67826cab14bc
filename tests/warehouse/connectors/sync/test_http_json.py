"""What a WMS may do over HTTP: pages elsewhere, caches, tokens that end, JSON that says two things."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import UsageError
from simulator.demo.broker import free_port
from tests.warehouse.connectors.sync.source_keys import private
from tests.warehouse.connectors.sync.test_sources import STOCK, lines_of, settings_of
from tests.warehouse.connectors.sync.wms import HTTP, Web, pages_of, web
from warehouse.connectors.sync.service import Sync
from warehouse.connectors.sync.settings import make_source
from warehouse.connectors.sync.source import SourceError, StockSource


@pytest.fixture
def server() -> Iterator[Web]:
    """A WMS with something in it."""
    with web() as state:
        state.pages |= pages_of(STOCK)
        yield state


def _source(folder: Path, server: Web, more: str = "") -> StockSource:
    return make_source(settings_of(folder, f'[source]\nkind = "http"\n{HTTP.format(url=server.url)}{more}'))


def _refused(source: StockSource) -> str:
    with pytest.raises(SourceError) as refused:
        source.read()
    assert "\n" not in str(refused.value)
    source.close()
    return str(refused.value)


def _token(server: Web, folder: Path, **told: Any) -> str:
    """A server that gives tokens; the keys for it."""
    server.pages["/token"] = {"access_token": "t1", "token_type": "Bearer"} | told
    server.needs = {"Authorization": "Bearer t1"}
    held = private(folder / "secret", "s3cret")
    keys = f'token_url = "{server.url}/token"\nclient_id = "kardus"\nclient_secret_file = "{held}"\nscope = "a b"\n'
    return f"[source.oauth]\n{keys}"


def test_pages_on_another_server_get_no_headers_of_ours(tmp_path: Path, server: Web) -> None:
    with web() as other:
        server.headers = {"/quants": {"Link": f'<{other.url}/more>; rel="next"'}}
        headers = f'headers_file = "{private(tmp_path / "headers", "X-Api-Key: k1")}"\n'
        assert "leads to another server" in _refused(_source(tmp_path, server, headers))
        assert other.asked == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"items": [{"code": "A", "code": "B"}]}', "'code' is twice"),
        (b'{"items": [{"code": NaN}]}', "NaN in it is no number"),
        (b"[" * 100_000, "isn't JSON"),
        ('{"items": [{"code": "Z\u00fcrich"}]}'.encode("latin-1"), "isn't JSON"),
        (b'{"items": [{"code": 7.5}]}', "location 7.5 is a number with a fraction"),
        (b'{"items": [{"code": {"id": 7}}]}', "is of the type dict"),
        (b'{"items": [{"code": ["A"]}]}', "is of the type list"),
        (b"", "isn't JSON"),
    ],
)
def test_what_says_two_things_or_nothing_is_no_answer(tmp_path: Path, server: Web, body: bytes, said: str) -> None:
    server.pages["/places"] = body
    assert said in _refused(_source(tmp_path, server))


def test_a_byte_order_mark_and_compression_are_read_through(tmp_path: Path, server: Web) -> None:
    text = b"\xef\xbb\xbf" + b'{"items": [{"code": "A/1"}, {"code": "A-2"}, {"code": "Z\xc3\xbcrich 3"}]}'
    server.pages["/places"] = gzip.compress(text)
    server.headers["/places"] = {"Content-Encoding": "gzip", "ETag": 'W/"7"'}
    source = _source(tmp_path, server)
    assert [set(lines_of(source)) for _ in range(2)] == [set(STOCK), set(STOCK)]
    source.close()


def test_nothing_new_is_no_answer_where_nothing_was_known(tmp_path: Path, server: Web) -> None:
    server.status = 304
    assert "isn't JSON" in _refused(_source(tmp_path, server))


@pytest.mark.parametrize(
    "told", [{}, {"expires_in": "3600"}, {"expires_in": 10**9}, {"expires_in": 10**400}, {"expires_in": "soon"}]
)
def test_a_token_that_was_withdrawn_is_fetched_anew_at_once(
    tmp_path: Path, server: Web, told: dict[str, object]
) -> None:
    source = _source(tmp_path, server, _token(server, tmp_path, **told))
    assert set(lines_of(source)) == set(STOCK)
    server.pages["/token"] = {"access_token": "t2", "token_type": "Bearer"}
    server.needs = {"Authorization": "Bearer t2"}
    assert set(lines_of(source)) == set(STOCK)
    assert [path for path, _ in server.asked].count("/token") == 2
    server.needs = {"Authorization": "Bearer t3"}
    assert "says 401" in _refused(source)
    assert [path for path, _ in server.asked].count("/token") == 3, "a new one is asked for once"


@pytest.mark.parametrize("seconds", [1e-9, "1e-9"])
def test_a_token_that_is_over_is_not_sent_again(tmp_path: Path, server: Web, seconds: object) -> None:
    source = _source(tmp_path, server, _token(server, tmp_path, expires_in=seconds))
    lines_of(source)
    source.close()
    assert [path for path, _ in server.asked] == ["/token", "/places", "/token", "/quants"]


@pytest.mark.parametrize("page", [{}, [], "t1", {"access_token": None}, {"error": "invalid_client"}, b"<html>"])
def test_what_is_no_token_is_a_line(tmp_path: Path, server: Web, page: object) -> None:
    keys = _token(server, tmp_path)
    server.pages["/token"] = page
    assert "/token: " in _refused(_source(tmp_path, server, keys))


@pytest.mark.parametrize(
    ("key", "expression", "more"),
    [
        ("next", "next", lambda address: address),
        ("@odata.nextLink", '\\"@odata.nextLink\\"', lambda address: address.rpartition("/")[2]),
        ("d", "d.__next", lambda address: {"__next": address}),
        ("_links", "_links.next.href", lambda address: {"next": {"href": address}}),
    ],
)
def test_pages_that_are_named_in_the_answer_are_followed_and_never_passed_over(
    tmp_path: Path, server: Web, key: str, expression: str, more: Callable[[str], object]
) -> None:
    server.pages["/quants"] |= {key: more(f"{server.url}/more")}
    server.pages["/more"] = {"items": [{"at": "A-2", "item": "Juice", "n": 4}], "next": None}
    assert "says that there is more" in _refused(_source(tmp_path, server))
    source = _source(tmp_path, server, f'following = "{expression}"\n')
    assert lines_of(source)["A-2"].sku == "Juice"
    source.close()
    server.pages["/more"] |= {key: more(f"{server.url}/quants")}
    assert "lead in a circle" in _refused(_source(tmp_path, server, f'following = "{expression}"\n'))
    assert "finds no address, but '7'" in _refused(_source(tmp_path, server, 'following = "`7`"\n'))


@pytest.mark.parametrize(
    ("expression", "place"),
    [
        ("items[::`0`]", "no JMESPath expression"),
        ("[ceil(items[0].n)]", "/quants: source.stock: "),
        ("[join(', ', items)]", "/quants: source.stock: "),
        ("[avg(items[].n)]", "/quants: source.stock: "),
    ],
)
def test_an_expression_that_fails_on_an_answer_is_a_line(
    tmp_path: Path, server: Web, expression: str, place: str
) -> None:
    server.pages["/quants"] = b'{"items": [{"at": "A-2", "item": "Juice", "n": 1e400}, {"n": %d}]}' % 10**400
    keys = HTTP.format(url=server.url).replace("items[].{location: at, sku: item, quantity: n}", expression)
    with pytest.raises((SourceError, UsageError), match=place) as refused:
        make_source(settings_of(tmp_path, f'[source]\nkind = "http"\n{keys}')).read()
    assert "\n" not in str(refused.value)


def test_an_expression_for_pages_that_fails_is_a_line(tmp_path: Path, server: Web) -> None:
    said = _refused(_source(tmp_path, server, "following = \"join('', items)\"\n"))
    assert "/places: source.following: " in said
    assert said.endswith(": correct the expression")


def test_a_wms_that_asks_for_a_pause_is_asked_nothing_for_so_long(tmp_path: Path, server: Web) -> None:
    server.status, server.headers = 503, {"/places": {"Retry-After": "7"}}
    source = _source(tmp_path, server)
    nowhere = BrokerSettings("127.0.0.1", free_port())
    sync = Sync(nowhere, "hall", settings_of(tmp_path, (tmp_path / "sync.toml").read_text(encoding="utf-8")), source)
    assert sync.round() is None
    assert (sync.left_alone_s, "says 503" in sync.status.problem) == (7, True)
    server.status = 500
    server.headers = {}
    sync.round()
    assert sync.left_alone_s == 0
    source.close()
