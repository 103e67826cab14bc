"""A small warehouse in Tryton, by proteus: run by Tryton's own environment, as a program.

`python tryton_warehouse.py CONFIG DATABASE make N` makes a company, N storage locations and N products with codes, one
carton of each at its location. `... count LOCATION PRODUCT QUANTITY` confirms an inventory that says so.
"""

import sys
from decimal import Decimal

from proteus import Model, Wizard, config


def make(number: int) -> None:
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
    locations = Model.get("stock.location")
    (storage,) = locations.find([("code", "=", "STO")])
    (unit,) = Model.get("product.uom").find([("name", "=", "Unit")])
    for index in range(1, number + 1):
        locations(name=f"Rack A, place {index}", code=f"A-01-{index}", type="storage", parent=storage).save()
        template = Model.get("product.template")(name=f"Carton {index}", type="goods", default_uom=unit)
        template.save()
        (product,) = template.products
        product.suffix_code = f"CARTON-{index:02d}"
        product.save()
    for index in range(1, number + 1):
        count(f"A-01-{index}", f"CARTON-{index:02d}", 1)


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
    if sys.argv[3] == "make":
        make(int(sys.argv[4]))
    else:
        count(sys.argv[4], sys.argv[5], int(sys.argv[6]))
