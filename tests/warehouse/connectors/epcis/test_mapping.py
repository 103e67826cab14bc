"""The file that gives locations and products their GS1 identifiers."""

from pathlib import Path

import pytest

from kardus.support.errors import DataError, UsageError
from warehouse.connectors.epcis.mapping import read_identifiers

GLN = 'gln = "4012345000009"\n'


def _write(folder: Path, toml: str = GLN, **lists: str) -> Path:
    for name, text in lists.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    path = folder / "epcis.toml"
    path.write_text(toml, encoding="utf-8")
    return path


def test_products_and_locations_of_its_lists(tmp_path: Path) -> None:
    toml = GLN + 'products = "p.csv"\nlocations = "l.csv"\nprivate_base = "https://id.example.com/"\ntimezone = "UTC"\n'
    lists = {
        "p": "sku,gtin\nTea,4006381333931\n",
        "l": "location;gln;extension\nA 1;4012345000009;A1\nB;4012345000009;\n",
    }
    found = read_identifiers(_write(tmp_path, toml, **lists))
    assert found.product("Tea") == "https://id.gs1.org/01/04006381333931"
    assert found.product("Milk 1/2") == "https://id.example.com/product/Milk%201%2F2"
    assert found.read_point("A 1") == "https://id.gs1.org/414/4012345000009/254/A1"
    assert found.read_point("B") == found.business_location == "https://id.gs1.org/414/4012345000009"
    assert found.read_point("C 1") == "https://id.example.com/location/C%201"


def test_without_a_list_a_sku_that_is_a_gtin_is_one(tmp_path: Path) -> None:
    found = read_identifiers(_write(tmp_path))
    assert found.product("4006381333931") == "https://id.gs1.org/01/04006381333931"
    assert found.product("4006381333930") is None
    assert found.read_point("no such thing") is None


def test_names_are_compared_in_one_spelling(tmp_path: Path) -> None:
    found = read_identifiers(_write(tmp_path, GLN + 'products = "p.csv"\n', p="sku,gtin\nCafe\u0301,4006381333931\n"))
    assert found.product("Caf\u00e9") is not None


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("", "gln: missing: add it (see docs/wms.md)"),
        ('gln = "4012345000008"\n', "gln = '4012345000008': its check digit is 9, not 8"),
        (GLN + "other = 1\n", "other: no such key: "),
        (
            GLN + 'private_base = "http://id.example.com"\n',
            "private_base = 'http://id.example.com': no base of addresses",
        ),
        (GLN + 'timezone = "Mars/Olympus"\n', "timezone: 'Mars/Olympus': no such time zone"),
        ("gln = ", "cannot be read"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, toml: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_identifiers(_write(tmp_path, toml))
    assert str(refused.value).startswith(f"{tmp_path / 'epcis.toml'}: {said}")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("sku,gtin\nTea,4006381333930\n", "line 2: its check digit is 1, not 0"),
        ("sku,gtin\nTea,4006381333931\nTea,036000291452\n", "line 3: sku 'Tea' is listed twice"),
        ("sku,gtin\n,4006381333931\n", "line 2: no sku"),
        ("sku,gtin\nTea,4.00638133E+12\n", "line 2: holds something that is no digit"),
        ("sku,code\nTea,4006381333931\n", "gtin"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, lines: str, said: str) -> None:
    with pytest.raises(DataError) as refused:
        read_identifiers(_write(tmp_path, GLN + 'products = "p.csv"\n', p=lines))
    assert said in str(refused.value)
    assert "p.csv" in str(refused.value)
