"""A WMS's own export is read by its preset, or by what is said of its columns."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kardus.support.errors import UsageError
from kardus.support.tabular.table_headers import TableLayout
from tests.in_process import assert_one_line, call
from warehouse.__main__ import main
from warehouse.stock.list_layout import PRESET_NAMES, Preset, column_names, read_preset
from warehouse.stock.stock_list import StockLine, StockRules, read_stock

EXPORTS = {
    "odoo": "Location,Product,Lot/Serial Number,Quantity,UoM\n"
    "WH/Stock/A-01,[TEA-500] Jasmine Tea,,12.0,Units\nWH/Stock/A-02,Milk,,0.0,Units\n",
    "erpnext": "Item,Item Name,Warehouse,Stock UOM,Balance Qty\n"
    "TEA-500,Jasmine Tea,WH/Stock/A-01,Nos,12.0\nMilk,,WH/Stock/A-02,Nos,0.0\nTotal,,,,12.0\n",
    "sap": "Stock by storage bin\n\n---------------------------------\n|Storage Bin  |Material|Total Stock|\n"
    "---------------------------------\n|WH/Stock/A-01|TEA-500 |         12|\n|WH/Stock/A-02|Milk    |      0,000|\n"
    "---------------------------------\n|*            |        |         12|\n---------------------------------\n",
    "tryton": "Location,Product,Quantity\nWH/Stock/A-01,[TEA-500] Jasmine Tea,12.0\nWH/Stock/A-02,Milk,0\n",
}


def _read(path: Path, preset: Preset) -> list[StockLine]:
    layout = TableLayout(names=column_names((), preset), left_out=frozenset(text.lower() for text in preset.left_out))
    return read_stock(path, StockRules(layout, preset.sku_pattern))


def test_every_preset_has_an_export_here() -> None:
    assert sorted(EXPORTS) == list(PRESET_NAMES)


@pytest.mark.parametrize("name", PRESET_NAMES)
def test_an_export_is_read_by_its_preset(tmp_path: Path, name: str) -> None:
    (tmp_path / "export.txt").write_text(EXPORTS[name], encoding="utf-8")
    assert _read(tmp_path / "export.txt", read_preset(name)) == [
        StockLine("WH/Stock/A-01", "TEA-500", 12),
        StockLine("WH/Stock/A-02", None, 0),
    ]


def test_a_preset_of_one_s_own_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('[columns]\nlocation = ["Lokasi"]\nsku = ["Kode", "Kode Barang"]\n')
    (tmp_path / "s.csv").write_text("Lokasi;Kode Barang\nA/1;Teh\n")
    assert _read(tmp_path / "s.csv", read_preset(str(tmp_path / "own.toml"))) == [StockLine("A/1", "Teh")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[columns]\nplace = ['x']", "columns: 'place': name location, sku, quantity, empty"),
        ("[columns]\nsku = []", "columns: 'sku': name location"),
        ("sku_pattern = '['", "sku_pattern = '[': no regular expression"),
        ("sku_pattern = 'x'", "sku_pattern = 'x': has 0 groups: put the SKU's part"),
        ("colums = {}", "colums: no such key: see docs/wms.md"),
        ("x", "cannot be read"),
    ],
)
def test_a_wrong_preset_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(UsageError) as refusal:
        read_preset(str(tmp_path / "own.toml"))
    assert f"--preset {tmp_path / 'own.toml'}: {said}" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["oracle", "../presets/sap", "missing.toml"])
def test_a_preset_that_is_none_is_named(name: str) -> None:
    with pytest.raises(UsageError, match=r"--preset .*name erpnext, odoo, sap, tryton, or a \.toml file"):
        read_preset(name)


@pytest.mark.parametrize(
    "options",
    [
        ['location=Lokasi,sku="Kode, Barang"'],
        ["location = Lokasi", 'sku="Kode, Barang"'],
        ['location=Lokasi, "sku=Kode, Barang"'],
    ],
)
def test_columns_are_named_on_the_command_line(options: list[str]) -> None:
    names = column_names(options, Preset(columns={"sku": ("x",), "quantity": ("Jumlah",)}))
    assert names == {"location": ("Lokasi",), "sku": ("Kode, Barang",), "quantity": ("Jumlah",)}


@given(st.text(min_size=1, max_size=20).filter(lambda t: t.strip() == t and '"' not in t))
def test_any_name_can_be_said_in_quotes(name: str) -> None:
    assert column_names([f'sku="{name}"'], Preset()) == {"sku": (name,)}


@pytest.mark.parametrize("option", ["Lokasi", "place=x", "sku=", "sku", 'sku="x', "=x"])
def test_what_names_no_column_is_wrong_use(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.csv").write_text("location,sku\n")
    result = call(capsys, main, "expect", tmp_path / "s.csv", "--site", "s", "--columns", option)
    assert_one_line(result, 2, f"--columns {option}: ")


def test_the_first_name_that_is_there_counts(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("Location,Product,Product/Internal Reference\nA,Jasmine Tea,TEA\n")
    assert _read(tmp_path / "s.csv", read_preset("odoo")) == [StockLine("A", "TEA")]


def test_a_list_without_such_columns_says_how_to_name_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.csv").write_text("Lokasi,Kode\nA,Teh\n")
    result = call(capsys, main, "expect", tmp_path / "s.csv", "--site", "s")
    assert_one_line(result, 1, "no column 'location' (found: lokasi, kode)", "--columns location=NAME")


def test_a_cell_without_an_optional_group_is_the_sku_itself(tmp_path: Path) -> None:
    preset, path = tmp_path / "p.toml", tmp_path / "stock.csv"
    preset.write_text("sku_pattern = '(?:\\[([^\\]]+)\\] )?.*'\n", encoding="utf-8")
    path.write_text("location,sku\nA-1,[TEA-500] Jasmine\nA-2,COFFEE-1\n", encoding="utf-8")
    lines = read_stock(path, StockRules(sku_pattern=read_preset(str(preset)).sku_pattern))
    assert [line.sku for line in lines] == ["TEA-500", "COFFEE-1"]
