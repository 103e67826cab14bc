"""A small warehouse in Tryton, by proteus: run by Tryton's own environment, as a program.

`python tryton_warehouse.py CONFIG DATABASE make FILE` makes a company, storage locations and products with codes, the
stock, and a user of Kardus's own: FILE is JSON, `{"stock": {LOCATION: PRODUCT}, "products": [...], "password": "..."}`.
`... count LOCATION PRODUCT QUANTITY` confirms an inventory that says so. `... list` prints every inventory with its
lines and notes, as JSON.
"""

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from proteus import Model, Wizard, config

USER = "kardus"


def make(told: dict[str, Any]) -> None:
    """The warehouse."""
    party = Model.get("party.party")(name="Company")
    party.save()
    currency = Model.get("currency.currency")(name="Euro", code="EUR", numeric_code="978", symbol="e")
    currency.rounding = Decimal("0.01")
    currency.save()
    wizard = Wizard("company.company.config")
    wizard.execute("company")
    wizard.form.party, wizard.form.currency = party, currency
    wizard.execute("add")
    _use_company()
    _make_user(told["password"])
    locations = Model.get("stock.location")
    (storage,) = locations.find([("code", "=", "STO")])
    (unit,) = Model.get("product.uom").find([("name", "=", "Unit")])
    for code in told["stock"]:
        locations(name=f"Place {code}", code=code, type="storage", parent=storage).save()
    for code in told["products"]:
        template = Model.get("product.template")(name=f"Carton {code}", type="goods", default_uom=unit)
        template.save()
        (product,) = template.products
        product.suffix_code = code
        product.save()
    for code, product in told["stock"].items():
        if product is not None:
            count(code, product, 1)


def _make_user(password: str) -> None:
    user = Model.get("res.user")(name="Kardus", login=USER, password=password, email="kardus@example.com")
    (company,) = Model.get("company.company").find([])
    user.companies.append(company)
    user.company = company
    user.groups.extend(Model.get("res.group").find([("name", "=", "Stock")]))
    user.save()


def count(location: str, product: str, quantity: int) -> None:
    """Confirm an inventory of one product at one location."""
    _use_company()
    inventory = Model.get("stock.inventory")()
    (inventory.location,) = Model.get("stock.location").find([("code", "=", location)])
    line = inventory.lines.new()
    (line.product,) = Model.get("product.product").find([("code", "=", product)])
    line.quantity = quantity
    inventory.save()
    inventory.click("confirm")


def listed() -> list[Any]:
    """Every inventory, the oldest first."""
    _use_company()
    notes: dict[str, list[str]] = {}
    for note in Model.get("ir.note").find([], order=[("id", "ASC")]):
        notes.setdefault(f"{note.resource.id}", []).append(note.message)
    return [
        {
            "number": inventory.number,
            "location": inventory.location.code,
            "state": inventory.state,
            "by": inventory.create_uid.login,
            "lines": {line.product.code: line.quantity for line in inventory.lines},
            "notes": notes.get(f"{inventory.id}", []),
        }
        for inventory in Model.get("stock.inventory").find([], order=[("id", "ASC")])
    ]


def _use_company() -> None:
    users = Model.get("res.user")
    companies = Model.get("company.company").find([])
    (admin,) = users.find([("login", "=", "admin")])
    if not admin.companies:
        admin.companies.extend(companies)
        admin.company = companies[0]
        admin.save()
    config.get_config()._context = users.get_preferences(True, {})


if __name__ == "__main__":
    config.set_trytond(f"sqlite:///{sys.argv[2]}", config_file=sys.argv[1])
    match sys.argv[3:]:
        case ["make", file]:
            make(json.loads(Path(file).read_text(encoding="utf-8")))
        case ["count", location, product, quantity]:
            count(location, product, int(quantity))
        case ["list"]:
            print(json.dumps(listed()))  # noqa: T201 - its result
