"""A draft inventory count in Tryton 8 for each discrepancy: a person counts, and confirms it there.

Ours are the drafts that our user has made. There is at most one of them for a location: what is told twice changes the
one that is there. A draft that a person has changed is theirs from then on: it gets a note, and is left as it is.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from warehouse.connectors.deliver.counting import ProposedCount, count_of, is_alert_over, is_news
from warehouse.connectors.deliver.event_refusals import EventRefusedError, send_each
from warehouse.connectors.deliver.target import Outgoing, Refusals, TargetError
from warehouse.connectors.record_fields import RecordFields
from warehouse.connectors.tryton_rpc import REFUSED_STATUS, TrytonLogin, TrytonRpc


class TrytonCounts(TrytonLogin):
    """`[targets.NAME]` with `kind = "tryton"`; the user needs the group Stock, and no more."""

    kind: Literal["tryton"]
    """Tryton."""
    warehouse: str
    """Code of the warehouse in whose storage locations are counted."""
    identifier: Literal["code", "gtin"] = "code"
    """What a product is called: its code, or its GTIN (EAN) among its identifiers."""


class TrytonTarget:
    """Makes, changes and cancels drafts, one event at a time."""

    batch = 1

    def __init__(self, key: str, settings: TrytonCounts) -> None:
        """Prepare; `key` is the table's in the file.

        Raises:
            ConfigError: the password can't be read.
        """
        self._settings = settings
        self._rpc = TrytonRpc(settings, key, TargetError)
        self._context: dict[str, Any] = {}
        self._storage = 0
        self.name = self._rpc.name

    def wants(self, outgoing: Outgoing) -> bool:
        """Discrepancies, and their end."""
        return is_news(outgoing)

    def send(self, events: Sequence[Outgoing]) -> Refusals:
        """Propose counts, and take them back."""
        return send_each(events, self._draft)

    def stop(self) -> None:
        """Let a call under way end soon."""
        self._rpc.stop()

    def close(self) -> None:
        """Let go of the connection."""
        self._rpc.close()

    def _draft(self, one: Outgoing) -> None:
        try:
            if not self._context:
                self._context = self._preferences()
            location = self._location(one.location)
            ours = self._ours(location)
            fields = self._fields("stock.inventory")
            draft = next((found for found in reversed(ours) if fields.code(found, "state") == "draft"), None)
            if is_alert_over(one):
                self._take_back(draft, one)
            elif not self._is_noted(ours, count := count_of(one)):  # it is written last: all of it was told before
                self._propose(draft, location, count)
        except TargetError as error:
            if error.status == REFUSED_STATUS:
                raise EventRefusedError(str(error)) from error
            raise

    def _propose(self, draft: Mapping[str, Any] | None, location: int, count: ProposedCount) -> None:
        lines = [{"product": self._product(sku), "quantity": float(n)} for sku, n in count.quantities.items()]
        if draft is None:
            values = {"location": location, "company": self._company(), "lines": [["create", lines]] if lines else []}
            number = self._made("stock.inventory", values)
        else:
            number = draft["id"]
            if not self._is_theirs(draft):
                former = self._fields("stock.inventory").ids(draft, "lines")
                changed = [["delete", former], ["create", lines]]
                self._call("stock.inventory", "write", [number], {"lines": changed})
        self._note(number, count.note)

    def _take_back(self, draft: Mapping[str, Any] | None, one: Outgoing) -> None:
        if draft is None:
            return  # confirmed or cancelled by a person
        moment = one.event.captured.isoformat(timespec="seconds")
        if not self._is_theirs(draft):
            self._call("stock.inventory", "cancel", [draft["id"]])
        self._note(draft["id"], f"Kardus, camera {one.event.camera}, {moment}: corrected: {one.event.verdict}.")

    def _ours(self, location: int) -> list[dict[str, Any]]:
        """The counts that our user has made at a location, the oldest first."""
        domain = [["location", "=", location], ["create_uid", "=", self._rpc.user]]
        return self._rpc.all("stock.inventory", domain, ["state", "lines", "write_uid"], self._context)

    def _is_theirs(self, draft: Mapping[str, Any]) -> bool:
        lines = self._rpc.all(
            "stock.inventory.line", [["inventory", "=", draft["id"]]], ["create_uid", "write_uid"], self._context
        )
        of_draft, of_line = self._fields("stock.inventory"), self._fields("stock.inventory.line")
        hands = {of_draft.id_if_any(draft, "write_uid")}
        hands |= {of_line.id_if_any(line, name) for line in lines for name in ("create_uid", "write_uid")}
        return not hands <= {None, self._rpc.user}

    def _is_noted(self, ours: Sequence[Mapping[str, Any]], count: ProposedCount) -> bool:
        """Whether one of them has the note. Only administrators may look for notes without saying of what."""
        resources = [f"stock.inventory,{one['id']}" for one in ours]
        domain = [["resource", "in", resources], ["message", "=", count.note]]
        return bool(resources) and bool(self._rpc.all("ir.note", domain, [], self._context))

    def _note(self, number: int, text: str) -> None:
        self._call("ir.note", "create", [{"resource": f"stock.inventory,{number}", "message": text}])

    def _location(self, code: str) -> int:
        if not self._storage:
            domain = [["code", "=", self._settings.warehouse], ["type", "=", "warehouse"]]
            found = self._rpc.all("stock.location", domain, ["storage_location"], self._context)
            if len(found) != 1:
                number = f"{len(found)} warehouses have the code '{self._settings.warehouse}'"
                raise TargetError(f"{self.name}: {number}: correct warehouse")
            self._storage = self._fields("stock.location").id(found[0], "storage_location")
        inside = [["code", "=", code], ["type", "=", "storage"], ["parent", "child_of", [self._storage]]]
        return _only(self._rpc.all("stock.location", inside, [], self._context), f"locations have the code '{code}'")

    def _product(self, sku: str) -> int:
        if self._settings.identifier == "code":
            found = self._rpc.all("product.product", [["code", "=", sku]], [], self._context)
            return _only(found, f"products have the code '{sku}'")
        domain = [["code", "=", sku], ["type", "=", "ean"]]
        rows = self._rpc.all("product.identifier", domain, ["product"], self._context)
        fields = self._fields("product.identifier")
        return _only([{"id": fields.id(row, "product")} for row in rows], f"products have the GTIN '{sku}'")

    def _preferences(self) -> dict[str, Any]:
        found = self._rpc.call("res.user", "get_preferences", True)
        if not isinstance(found, dict):
            raise TargetError(f"{self.name}: res.user.get_preferences answers something else than preferences")
        return found

    def _company(self) -> int:
        if not self._context.get("company"):
            raise TargetError(f"{self.name}: the user '{self._settings.user}' has no company: give it one in Tryton")
        return self._fields("preferences of the user").id(self._context, "company")

    def _made(self, model: str, values: Mapping[str, Any]) -> int:
        made = self._call(model, "create", [values])
        if not isinstance(made, list) or len(made) != 1 or type(made[0]) is not int:
            raise TargetError(f"{self.name}: {model}.create answers something else than a record's number")
        return made[0]

    def _fields(self, model: str) -> RecordFields:
        return RecordFields(f"{self.name}: {model}", TargetError)

    def _call(self, model: str, method: str, *words: Any) -> Any:
        return self._rpc.call(model, method, *words, context=self._context)


def _only(found: Sequence[Mapping[str, Any]], what: str) -> int:
    if len(found) != 1:
        raise EventRefusedError(f"{len(found)} {what}: there must be one")
    return int(found[0]["id"])
