"""Secrets that no header can have: a line at the start that names the file and doesn't show it, not a traceback."""

from pathlib import Path

import pytest

from kardus.support.errors import UsageError
from tests.warehouse.connectors.deliver.making import settings_of as deliver_settings
from tests.warehouse.connectors.sync.test_sources import settings_of
from warehouse.connectors.deliver.settings import make_targets
from warehouse.connectors.sync.settings import make_source

URL = 'url = "http://127.0.0.1:9"\n'
HTTP = (
    'kind = "http"\nmanaged_url = "http://127.0.0.1:9"\nmanaged = "a"\nstock_url = "http://127.0.0.1:9"\nstock = "a"\n'
)
ODOO = 'kind = "odoo"\ndatabase = "wms"\n'
SOURCES = {
    "headers_file": f'[source]\n{HTTP}headers_file = "held"\n',
    "client_secret_file": f"""[source]\n{HTTP}[source.oauth]\ntoken_url = "http://127.0.0.1:9"\nclient_id = "k"
client_secret_file = "held"\n""",
    "token_file": f'[source]\nkind = "erpnext"\n{URL}token_file = "held"\nparent = "R"\n',
    "password_file": f'[source]\n{ODOO}{URL}api = "json-2"\npassword_file = "held"\nwarehouse = "WH"\n',
}


def _hold(folder: Path, text: str) -> None:
    (folder / "held").write_text(text, encoding="utf-8")
    (folder / "held").chmod(0o600)


@pytest.mark.parametrize("key", SOURCES)
@pytest.mark.parametrize("text", ["schlüssel", "€", "a\x01b", "a\u200bb"])
def test_a_secret_that_no_header_can_have_is_named_by_its_file(tmp_path: Path, key: str, text: str) -> None:
    _hold(tmp_path, f"X-Key: {text}" if key == "headers_file" else text)
    with pytest.raises(UsageError, match=rf"{key} .*held: holds a character that no header can have") as told:
        make_source(settings_of(tmp_path, SOURCES[key]))
    assert text not in str(told.value)


@pytest.mark.parametrize("line", ["X Key: v", "X-Kéy: v", ": v", "X-Key v"])
def test_a_line_that_is_no_header_is_refused(tmp_path: Path, line: str) -> None:
    _hold(tmp_path, line)
    with pytest.raises(UsageError, match="a line isn't written as 'Name: value'"):
        make_source(settings_of(tmp_path, SOURCES["headers_file"]))


def test_a_key_of_odoo_that_no_header_can_have_is_named_where_counts_are_told(tmp_path: Path) -> None:
    _hold(tmp_path, "schlüssel")
    text = f'{ODOO}{URL}version = 19\nuser = "kardus"\npassword_file = "held"\n'
    with pytest.raises(UsageError, match="holds a character that no header can have"):
        make_targets(deliver_settings(tmp_path, text))
    make_targets(deliver_settings(tmp_path, text.replace("19", "18")))  # its body holds the password
