"""Odoo and ERPNext, against stand-ins: pages, what is called how, what isn't managed, and what goes wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kardus.support.errors import UsageError
from tests.warehouse.connectors.sync.erpnext_stand_in import Erpnext, erpnext
from tests.warehouse.connectors.sync.odoo_stand_in import Odoo, odoo
from tests.warehouse.connectors.sync.source_keys import erpnext_keys, odoo_keys
from tests.warehouse.connectors.sync.test_sources import STOCK, lines_of, settings_of
from warehouse.connectors.sync.settings import make_source
from warehouse.connectors.sync.source import SourceError, StockSource
from warehouse.stock.stock_list import StockRules, stock_lines

MANY = {f"R-{n:04}": ("Tea", 1) if n % 3 else None for n in range(2500)}


@pytest.fixture(params=[16, 19])
def erp(request: pytest.FixtureRequest) -> Iterator[Odoo]:
    """Both ways of asking an Odoo."""
    with odoo(request.param) as server:
        server.put(STOCK)
        yield server


@pytest.fixture
def shop() -> Iterator[Erpnext]:
    with erpnext() as server:
        server.put(STOCK)
        yield server


def _source(folder: Path, keys: str) -> StockSource:
    return make_source(settings_of(folder, f"[source]\n{keys}"))


def test_several_pages_are_one_answer(erp: Odoo, shop: Erpnext, tmp_path: Path) -> None:
    for server, keys in ((erp, odoo_keys(tmp_path, erp)), (shop, erpnext_keys(tmp_path, shop))):
        server.put(MANY)
        found = lines_of(_source(tmp_path, keys))
        assert {code: line.sku for code, line in found.items()} == {
            code: held and held[0] for code, held in MANY.items()
        }


def test_an_odoo_is_asked_by_its_own_api_and_the_version_before_has_no_other(erp: Odoo, tmp_path: Path) -> None:
    _source(tmp_path, odoo_keys(tmp_path, erp)).read()
    assert all(path.startswith("/json/2/" if erp.version == 19 else "/jsonrpc") for path, _ in erp.asked)
    assert {name for _, name in erp.asked} == {
        f"{model}.search_read" for model in ("stock.warehouse", "stock.location", "stock.quant", "product.product")
    }


def test_what_locations_and_products_are_called_is_chosen(erp: Odoo, shop: Erpnext, tmp_path: Path) -> None:
    source = _source(tmp_path, odoo_keys(tmp_path, erp, location="complete_name", identifier="gtin"))
    found = lines_of(source)
    assert found["WH/Stock/A/1"].sku == "B-Tea"
    assert found["WH/Stock/Unlabelled"].sku == "B-Milk"
    by_name = lines_of(_source(tmp_path, erpnext_keys(tmp_path, shop, location="warehouse_name")))
    assert by_name["name of A/1"].sku == "Tea"


def test_a_product_without_a_reference_leaves_its_location_alone(erp: Odoo, tmp_path: Path) -> None:
    for product in erp.tables["product.product"]:
        product["default_code"] = False
    snapshot = _source(tmp_path, odoo_keys(tmp_path, erp)).read()
    assert {row.values["sku"] for row in snapshot.stock} == {""}


def test_two_locations_of_one_name_are_told_apart_or_refused(erp: Odoo, tmp_path: Path) -> None:
    for place in erp.tables["stock.location"]:
        place["barcode"] = place["barcode"] and "SAME"
    with pytest.raises(SourceError, match=r"two locations are called 'SAME': set source\.location"):
        _source(tmp_path, odoo_keys(tmp_path, erp)).read()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"key": "wrong"}, "refuses the user 'kardus': correct user and password_file|says 401"),
        ({"warehouse": "NO"}, "0 warehouses have the code 'NO': correct source.warehouse"),
        ({"url": "http://127.0.0.1:9"}, "refused"),
    ],
)
def test_what_goes_wrong_with_an_odoo_is_a_line(keys: dict[str, str], said: str, erp: Odoo, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=said) as refused:
        _source(tmp_path, odoo_keys(tmp_path, erp, **keys)).read()
    assert "\n" not in str(refused.value)
    assert "wrong" not in str(refused.value)


def test_nonsense_of_an_odoo_is_no_stock(erp: Odoo, tmp_path: Path) -> None:
    erp.tables["stock.quant"][0]["location_id"] = False
    erp.tables["stock.warehouse"][0]["lot_stock_id"] = False
    with pytest.raises(SourceError, match=r"stock\.warehouse 1: 'lot_stock_id' is False, and no link: may"):
        _source(tmp_path, odoo_keys(tmp_path, erp)).read()


def test_a_server_that_gives_fewer_than_it_is_asked_for_is_asked_on(
    erp: Odoo, shop: Erpnext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for server, keys in ((erp, odoo_keys(tmp_path, erp)), (shop, erpnext_keys(tmp_path, shop))):
        server.put(MANY)
        monkeypatch.setattr(server, "most", 100)
        found = lines_of(_source(tmp_path, keys))
        assert {code for code, line in found.items() if line.sku} == {code for code, held in MANY.items() if held}


def test_a_proxy_that_gives_the_same_page_again_is_no_answer_and_no_end(shop: Erpnext, tmp_path: Path) -> None:
    page = {"data": [{"name": "A/1", "warehouse_name": "A/1"}]}
    shop.spoil = lambda _: page
    with pytest.raises(SourceError, match="gives 'A/1' on two pages"):
        _source(tmp_path, erpnext_keys(tmp_path, shop)).read()


def test_what_is_neither_a_result_nor_an_error_is_a_line(tmp_path: Path) -> None:
    with odoo(16) as server:
        server.put(STOCK)
        server.spoil = lambda _: {"jsonrpc": "2.0", "id": 1, "error": None}
        with pytest.raises(SourceError, match=r"\(wms\): None"):
            _source(tmp_path, odoo_keys(tmp_path, server)).read()


def test_two_warehouses_of_one_name_are_told_apart_or_refused(shop: Erpnext, tmp_path: Path) -> None:
    for place in shop.documents["Warehouse"]:
        place["warehouse_name"] = "SAME"
    with pytest.raises(SourceError, match=r"two locations are called 'SAME': set source\.location"):
        _source(tmp_path, erpnext_keys(tmp_path, shop, location="warehouse_name")).read()


def test_an_item_whose_code_is_spaces_is_not_nothing_where_blank_is_empty(shop: Erpnext, tmp_path: Path) -> None:
    for one in shop.documents["Bin"]:
        one["item_code"] = " "
    snapshot = _source(tmp_path, erpnext_keys(tmp_path, shop)).read()
    lines, problems, unclear = stock_lines(snapshot.stock, StockRules(blank_is_empty=True))
    assert (lines, unclear) == ([], {"A/1", "Zürich 3"})
    assert "has no code: give it one in the WMS" in problems[0]


@pytest.mark.parametrize("quantity", [None, "2", True, [1], 10**400])
def test_a_quantity_that_is_no_number_is_named_with_its_field(
    erp: Odoo, shop: Erpnext, tmp_path: Path, quantity: object
) -> None:
    erp.tables["stock.quant"][0]["quantity"] = quantity
    shop.documents["Bin"][0]["actual_qty"] = quantity
    asked = ((odoo_keys(tmp_path, erp), "stock.quant 1000: 'quantity'"), (erpnext_keys(tmp_path, shop), "'actual_qty'"))
    for keys, field in asked:
        with pytest.raises(SourceError, match=f"{field} is .*, and no number: may the user read it"):
            _source(tmp_path, keys).read()


def test_json_rpc_needs_a_login(tmp_path: Path) -> None:
    with odoo(16) as server, pytest.raises(UsageError, match="user: name the login"):
        settings_of(tmp_path, f"[source]\n{odoo_keys(tmp_path, server, user='')}")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"token": "wrong:wrong"}, "the server says 401"),
        ({"parent": "Nowhere - C"}, "no warehouse is below 'Nowhere - C': correct source.parent"),
    ],
)
def test_what_goes_wrong_with_an_erpnext_is_a_line(
    keys: dict[str, str], said: str, shop: Erpnext, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=said) as refused:
        _source(tmp_path, erpnext_keys(tmp_path, shop, **keys)).read()
    assert "\n" not in str(refused.value)


def test_a_disabled_warehouse_is_not_managed_and_other_stock_is_none_of_ours(shop: Erpnext, tmp_path: Path) -> None:
    snapshot = _source(tmp_path, erpnext_keys(tmp_path, shop)).read()
    assert set(snapshot.managed) == set(STOCK)
    assert {row.values["location"] for row in snapshot.stock} == {"A/1", "Zürich 3"}


def test_a_product_without_a_name_is_not_nothing_where_blank_is_empty(erp: Odoo, tmp_path: Path) -> None:
    for product in erp.tables["product.product"]:
        product["default_code"] = False
    snapshot = _source(tmp_path, odoo_keys(tmp_path, erp)).read()
    lines, problems, unclear = stock_lines(snapshot.stock, StockRules(blank_is_empty=True))
    assert (lines, unclear) == ([], {"A/1", "Zürich 3"})
    assert "has no internal reference: give it one in the WMS" in problems[0]


def test_lots_are_added_before_they_are_judged_and_less_than_nothing_is_no_empty_location(
    erp: Odoo, shop: Erpnext, tmp_path: Path
) -> None:
    at = {place["barcode"]: place["id"] for place in erp.tables["stock.location"]}
    tea = next(one["id"] for one in erp.tables["product.product"] if one["default_code"] == "Tea")
    for place, amounts in {"A/1": (-1.0, 0.5), "A-2": (-3.0, 3.0000000001), "Zürich 3": (0.1, 0.2, -0.3)}.items():
        for amount in amounts:
            erp.quant(at[place], tea, amount)
    snapshot = _source(tmp_path, odoo_keys(tmp_path, erp)).read()
    lines, problems, _ = stock_lines(snapshot.stock, StockRules())
    assert {line.location: (line.sku, line.quantity) for line in lines} == {
        "A/1": ("Tea", None),  # 1.5 of it: there, and not counted
        "Zürich 3": ("Milk", 1),
    }
    assert problems == []
    erp.quant(at["A-2"], tea, -2.0)
    shop.documents["Bin"] += [{"name": "A-2|Tea", "warehouse": "A-2", "item_code": "Tea", "actual_qty": -2.0}]
    for keys in (odoo_keys(tmp_path, erp), erpnext_keys(tmp_path, shop)):
        _, problems, unclear = stock_lines(_source(tmp_path, keys).read().stock, StockRules())
        assert unclear == {"A-2"}
        assert "quantity '-2" in problems[0]
