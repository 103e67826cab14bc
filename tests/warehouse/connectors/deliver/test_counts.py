"""Draft counts in Tryton and Odoo: one for a discrepancy, none left when it is over, and what people do stands."""

import base64
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kardus.contract.messages import Envelope, LocationEvent
from kardus.contract.verdicts import ALERTS, Verdict
from tests.publishers import Message, Publisher
from tests.warehouse.connectors.deliver.making import NAME, settings_of, settle, told_of, worker_of
from tests.warehouse.connectors.deliver.odoo_stand_in import OdooStandIn
from tests.warehouse.connectors.deliver.rigs import PLACES, PRODUCTS, OdooRig, TrytonRig
from tests.warehouse.connectors.deliver.served import Answer, Asked, served
from tests.warehouse.connectors.deliver.tryton_stand_in import USER, TrytonStandIn
from tests.warehouse.receiving.making import write
from warehouse.connectors.deliver.counting import is_news, proposal
from warehouse.connectors.deliver.target import Outgoing, TargetError
from warehouse.connectors.deliver.upkeep import refused_events, try_again
from warehouse.store.database import Database

A = "A-1"


@pytest.fixture
def box() -> Publisher:
    """An agent."""
    return Publisher()


def _over(box: Publisher) -> Message:
    return told_of(box, A, "Tea", status="resolved", verdict=Verdict.MATCH)


class _Both:
    """A Tryton and who tells it."""

    def __init__(self, database: Database, folder: Path, rig: TrytonRig | OdooRig) -> None:
        self._database = database
        self._worker = worker_of(database, settings_of(folder, rig.text))

    def tell(self, *messages: Message) -> None:
        """Store, and deliver."""
        write(self._database, *messages)
        settle(self._worker)


def test_a_discrepancy_has_one_draft_in_tryton_whatever_is_told_of_it(
    file_database: Database, tmp_path: Path, box: Publisher
) -> None:
    tryton = TrytonStandIn(PLACES, PRODUCTS)
    with served(tryton) as server:
        server.up()
        both = _Both(file_database, tmp_path, TrytonRig(tmp_path, server, tryton))
        both.tell(told_of(box, A, "Milk"))
        assert tryton.counts() == [(A, {"Tea": 0.0, "Milk": 1.0})]
        both.tell(told_of(box, A, "Milk", status="acknowledged"), told_of(box, A, None, verdict=Verdict.UNCERTAIN))
        both.tell(told_of(box, A, "Milk"))
        assert tryton.counts() == [(A, {"Tea": 0.0, "Milk": 1.0})], "a doubt, and the same again, change nothing"
        both.tell(told_of(box, A, None, verdict=Verdict.EMPTY))
        assert tryton.counts() == [(A, {"Tea": 0.0})], "the draft follows what is seen"
        both.tell(_over(box))
        assert tryton.counts() == []
        assert tryton.counts("cancelled") == [(A, {"Tea": 0.0})]
        assert "corrected: match" in tryton.tables["ir.note"][-1]["message"]


@pytest.mark.parametrize("state", ["done", "cancelled"])
def test_what_a_person_has_confirmed_or_cancelled_is_not_drafted_again(
    file_database: Database, tmp_path: Path, box: Publisher, state: str
) -> None:
    tryton = TrytonStandIn(PLACES, PRODUCTS)
    with served(tryton) as server:
        server.up()
        both = _Both(file_database, tmp_path, TrytonRig(tmp_path, server, tryton))
        both.tell(told_of(box, A, "Milk"))
        tryton.tables["stock.inventory"][0]["state"] = state
        both.tell(told_of(box, A, None, verdict=Verdict.UNCERTAIN), told_of(box, A, "Milk", status="acknowledged"))
        both.tell(_over(box))
        assert tryton.counts() == []
        assert len(tryton.counts(state)) == 1
        both.tell(told_of(box, A, "Milk", "another discrepancy"))
        assert tryton.counts() == [(A, {"Tea": 0.0, "Milk": 1.0})]


def test_a_draft_that_a_person_has_touched_gets_notes_and_stays_as_it_is(
    file_database: Database, tmp_path: Path, box: Publisher
) -> None:
    tryton = TrytonStandIn(PLACES, PRODUCTS)
    with served(tryton) as server:
        server.up()
        both = _Both(file_database, tmp_path, TrytonRig(tmp_path, server, tryton))
        both.tell(told_of(box, A, "Milk"))
        line = next(row for row in tryton.tables["stock.inventory.line"] if row["quantity"])
        line.update(quantity=7.0, write_uid=USER + 1)
        both.tell(told_of(box, A, None, verdict=Verdict.EMPTY))
        both.tell(_over(box))
        assert tryton.counts() == [(A, {"Tea": 0.0, "Milk": 7.0})]
        assert [note["message"].split(": ")[1] for note in tryton.tables["ir.note"]] == [
            "mismatch",
            "empty",
            "corrected",
        ]


def test_a_persons_own_draft_is_none_of_ours(file_database: Database, tmp_path: Path, box: Publisher) -> None:
    tryton = TrytonStandIn(PLACES, PRODUCTS)
    with served(tryton) as server:
        server.up()
        both = _Both(file_database, tmp_path, TrytonRig(tmp_path, server, tryton))
        tryton.writer = USER + 1
        place = next(row["id"] for row in tryton.tables["stock.location"] if row["code"] == A)
        tryton.do_create("stock.inventory", [{"location": place}])
        tryton.writer = USER
        both.tell(told_of(box, A, "Milk"))
        both.tell(_over(box))
        assert tryton.counts() == [(A, {})]


@pytest.mark.parametrize("version", [16, 17, 18, 19])
def test_odoos_counted_quantities_follow_and_are_cleared_when_nobody_has_applied_them(
    file_database: Database, tmp_path: Path, box: Publisher, version: int
) -> None:
    odoo = OdooStandIn(version, PLACES, PRODUCTS)
    with served(odoo) as server:
        server.up()
        both = _Both(file_database, tmp_path, OdooRig(tmp_path, server, odoo))
        both.tell(told_of(box, A, "Milk"))
        assert odoo.counts() == [(A, "Tea", 0), (A, "Milk", 1)]
        both.tell(told_of(box, A, None, verdict=Verdict.EMPTY))
        assert odoo.counts() == [(A, "Tea", 0)]
        both.tell(_over(box))
        assert odoo.counts() == []


def test_what_a_person_has_counted_in_odoo_is_not_cleared(
    file_database: Database, tmp_path: Path, box: Publisher
) -> None:
    odoo = OdooStandIn(17, PLACES, PRODUCTS)
    with served(odoo) as server:
        server.up()
        both = _Both(file_database, tmp_path, OdooRig(tmp_path, server, odoo))
        both.tell(told_of(box, A, "Milk"))
        odoo.tables["stock.quant"][1]["inventory_quantity"] = 4
        both.tell(_over(box))
        assert odoo.counts() == [(A, "Milk", 4)]


class _Nonsense:
    """Answers anything."""

    def __init__(self, body: object, status: int = 200) -> None:
        self._answer = Answer(status, body)

    def answer(self, _asked: Asked) -> Answer:
        """The same, always."""
        return self._answer


@pytest.mark.parametrize("kind", ["tryton", "odoo16", "odoo19"])
@pytest.mark.parametrize(
    "answer",
    [
        (None, 200),
        ([], 200),
        ({"id": 1}, 200),
        ("text", 200),
        ({"id": 1, "result": [7, "s"]}, 200),
        ({}, 401),
        ({}, 502),
    ],
    ids=str,
)
def test_an_erp_that_answers_nonsense_is_away_and_sets_nothing_aside(
    file_database: Database, tmp_path: Path, box: Publisher, kind: str, answer: tuple[object, int]
) -> None:
    if (kind, answer) == ("odoo19", ([], 200)):
        return  # that is what JSON-2 says of a search which finds nothing: a refusal
    with served(_Nonsense(*answer)) as server:
        server.up()
        rigs: dict[str, Callable[[], TrytonRig | OdooRig]] = {
            "tryton": lambda: TrytonRig(tmp_path, server, TrytonStandIn(PLACES, PRODUCTS)),
            "odoo16": lambda: OdooRig(tmp_path, server, OdooStandIn(16, PLACES, PRODUCTS)),
            "odoo19": lambda: OdooRig(tmp_path, server, OdooStandIn(19, PLACES, PRODUCTS)),
        }
        worker = worker_of(file_database, settings_of(tmp_path, rigs[kind]().text))
        write(file_database, told_of(box, A, "Milk"))
        with pytest.raises(TargetError) as away:
            worker.round()
        assert "\n" not in str(away.value)


_VERDICTS = st.lists(st.sampled_from([*ALERTS, Verdict.UNCERTAIN, Verdict.STALE]), min_size=1, max_size=8)


@given(_VERDICTS)
def test_an_alert_is_news_exactly_when_the_proposal_changes(verdicts: list[Verdict]) -> None:
    box, former = Publisher(), None
    proposed: list[object] = []
    for verdict in verdicts:
        payload = told_of(
            box, A, "Milk" if verdict in {Verdict.MISMATCH, Verdict.UNEXPECTED} else None, verdict=verdict
        )[1]
        envelope = Envelope[LocationEvent].model_validate_json(payload)
        one = Outgoing(box.sequence, "box", envelope.time, envelope, payload.decode(), former)
        if is_news(one):
            proposed.append(proposal(one.event))
        if verdict in ALERTS:
            former = envelope.data
    assert all(before != after for before, after in pairwise(proposed))
    wanted = [verdict for verdict in verdicts if verdict in ALERTS]
    assert bool(proposed) == bool(wanted)


def test_a_session_that_ended_meanwhile_costs_no_attempt(
    file_database: Database, tmp_path: Path, box: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    tryton = TrytonStandIn(PLACES, PRODUCTS)
    own, sessions, is_shut = tryton.answer, iter(range(9)), [False]

    def answer(asked: Asked) -> Answer:
        """Each login has a session of its own, and the former one has ended."""
        told = asked.json
        if told["method"] == "common.db.login" and not is_shut[0]:
            current[0] = f"session {next(sessions)}"
            return Answer(body={"id": told["id"], "result": [USER, current[0]]})
        named = base64.b64decode(asked.headers.get("authorization", "").removeprefix("Session ")).decode()
        return own(asked) if named.endswith(f":{current[0]}") and not is_shut[0] else Answer(401)

    current = [""]
    monkeypatch.setattr(tryton, "answer", answer)
    with served(tryton) as server:
        server.up()
        both = _Both(file_database, tmp_path, TrytonRig(tmp_path, server, tryton))
        both.tell(told_of(box, A, "Milk"))
        current[0] = "ended"
        both.tell(told_of(box, "A-2", "Milk"))
        assert [place for place, _ in tryton.counts()] == [A, "A-2"]
        is_shut[0] = True
        with pytest.raises(TargetError, match="401"):
            both.tell(told_of(box, "A-3", "Milk"))


@pytest.mark.parametrize("erp", ["tryton", "odoo"])
def test_an_alert_that_is_over_drafts_nothing_however_late_its_opening_is_stored(
    file_database: Database, tmp_path: Path, box: Publisher, erp: str
) -> None:
    """A broker drops an event beyond its queue, and the receiver asks for it again."""
    stand_in = TrytonStandIn(PLACES, PRODUCTS) if erp == "tryton" else OdooStandIn(16, PLACES, PRODUCTS)
    with served(stand_in) as server:
        server.up()
        rig = TrytonRig if isinstance(stand_in, TrytonStandIn) else OdooRig
        both = _Both(file_database, tmp_path, rig(tmp_path, server, stand_in))  # type: ignore[arg-type]
        opened, changed, over = told_of(box, A, "Milk"), told_of(box, A, None, verdict=Verdict.EMPTY), _over(box)
        both.tell(changed)
        standing = stand_in.counts()
        assert standing
        both.tell(opened)
        assert stand_in.counts() == standing, "what came later stands"
        both.tell(over)
        both.tell(told_of(box, "A-2", "Milk"))
        assert {place for place, *_ in stand_in.counts()} == {"A-2"}


def test_an_opening_that_is_sent_again_once_its_alert_is_over_drafts_nothing(
    file_database: Database, tmp_path: Path, box: Publisher
) -> None:
    tryton = TrytonStandIn(PLACES, ("Tea",))
    with served(tryton) as server:
        server.up()
        both = _Both(file_database, tmp_path, TrytonRig(tmp_path, server, tryton))
        both.tell(told_of(box, A, "Milk"))
        assert [one.location for one in refused_events(file_database)] == [A]
        both.tell(_over(box))
        tryton.tables["product.product"].append({"id": 99, "code": "Milk"})
        assert try_again(file_database, NAME) == 1
        both.tell()
        assert tryton.counts() == []
        assert refused_events(file_database) == []
