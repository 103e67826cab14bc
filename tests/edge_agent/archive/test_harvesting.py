"""Which crops are kept and when: doubts once an event, a sample in turn, and nothing while stock is on its way."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from edge_agent.archive.harvesting import DOUBTS, PER_FRAME, Harvesting
from edge_agent.config import Config, parse_config
from edge_agent.config.cameras import CameraSection
from edge_agent.config.data_folder import HARVEST_FOLDER
from edge_agent.control.expected import ExpectedStore
from edge_agent.records import Finding, LocationView
from edge_agent.seeing.slots import slots_of
from kardus.contract.messages import Expected, ExpectedStock, LocationState, Seen
from kardus.contract.verdicts import Verdict
from kardus.support.chores import Chores
from kardus.support.tabular.tables import read_table
from tests.edge_agent.racks import LOCATIONS, RACK, still

FIRST = LOCATIONS[0]
SEEN = Seen(sku="Tea-Peach", name="Tea-Peach", confidence=0.9)
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


@dataclass
class Bench:
    """An agent's part that harvests, with what it is told."""

    config: Config
    expected: ExpectedStore
    in_grace: set[str]
    camera: CameraSection
    harvesting: Harvesting
    chores: Chores
    at_s: float = 0.0
    busy: set[str] = field(default_factory=set)
    picture: Image.Image | None = None

    def expect(self, location: str, sku: str | None, revision: int) -> None:
        assert not self.expected.apply(location, Expected(revision=revision, sku=sku).model_dump_json().encode())

    def see(self, number: int = 0, *, after_s: float = 1.0, changed: tuple[str, ...] = ()) -> None:
        """Look at the rack at rest, and sample."""
        self.at_s += after_s
        self.picture = Image.fromarray(still(number))
        told = [section.id for section in self.camera.locations if section.id not in self.busy]
        self.harvesting.sample(told, changed, self.shown, self.at_s)

    def shown(self, location: str) -> LocationView | None:
        corners = [slot.corners for slot in slots_of(self.camera) if slot.location == location]
        return LocationView("rack", NOW, self.picture, corners) if self.picture else None

    def doubt(self, verdict: Verdict, seen: Seen | None = SEEN, facing: int | None = None) -> None:
        stock = ExpectedStock(sku="Tea-Lemon", revision=1, age_s=0)
        finding = Finding(FIRST, verdict, "rack", NOW, expected=stock, seen=seen, facing=facing)
        self.harvesting.doubt(finding, self.shown(FIRST), self.at_s)

    def rows(self) -> list[dict[str, str]]:
        self.chores.settle()
        table = self.config.agent.data_dir / HARVEST_FOLDER / "labels.csv"
        return [row.values for row in read_table(table, ("path",))] if table.is_file() else []


def _bench(tmp_path: Path, count: int = 3, *, facings: bool = False, **harvest: object) -> Bench:
    corners = [[[float(x), float(y)] for x, y in slot.corners] for slot in RACK.slots()[:count]]
    places = (
        [{"id": FIRST, "facings": corners}]
        if facings
        else [{"id": slot.location, "corners": c} for slot, c in zip(RACK.slots(), corners, strict=False)]
    )
    content = {
        "agent": {"site": "s", "name": "box", "data_dir": str(tmp_path)},
        "harvest": {"sample": True, "settle_s": 10, "interval_s": 100} | harvest,
        "model": {"bundle": "x.bundle"},
        "cameras": [{"name": "rack", "source": {"type": "file", "path": "x.jpg"}, "locations": places}],
    }
    config = parse_config(content, tmp_path / "agent.toml")
    expected = ExpectedStore(tmp_path / "e.sqlite", frozenset(LOCATIONS))
    states: dict[str, LocationState] = {}
    in_grace: set[str] = set()
    chores = Chores()
    harvesting = Harvesting(config, expected.managed, states, in_grace, chores)
    return Bench(config, expected, in_grace, config.cameras[0], harvesting, chores)


def test_a_location_is_sampled_when_it_has_settled_and_again_after_the_interval(tmp_path: Path) -> None:
    bench = _bench(tmp_path, count=1)
    bench.expect(FIRST, "Tea-Lemon", 1)
    kept = []
    for _ in range(25):
        bench.see(after_s=5)
        kept.append(len(bench.rows()))
    assert kept.index(1) == 2, "10 s after it was first seen"
    assert kept.index(2) == 22, "100 s after that"
    assert {row["proposed"] for row in bench.rows()} == {"Tea-Lemon"}
    assert {row["seen"] for row in bench.rows()} == {""}


def test_new_stock_and_a_new_expectation_are_sampled_once_they_have_settled(tmp_path: Path) -> None:
    bench = _bench(tmp_path, count=1)
    bench.expect(FIRST, "Tea-Lemon", 1)
    for _ in range(3):
        bench.see(after_s=5)
    assert len(bench.rows()) == 1
    bench.see(after_s=5, changed=(FIRST,))
    bench.see(after_s=5)
    assert len(bench.rows()) == 1, "the WMS may not know yet"
    bench.see(after_s=5)
    assert len(bench.rows()) == 2
    bench.expect(FIRST, None, 2)
    for _ in range(3):
        bench.see(after_s=5)
    assert [row["proposed"] for row in bench.rows()] == ["Tea-Lemon", "Tea-Lemon", "empty"]


def test_what_the_wms_has_said_nothing_of_is_not_sampled(tmp_path: Path) -> None:
    bench = _bench(tmp_path, count=2)
    bench.expect(FIRST, "Tea-Lemon", 1)
    for _ in range(5):
        bench.see(after_s=5)
    assert {row["location"] for row in bench.rows()} == {FIRST}


def test_one_picture_gives_few_crops_and_every_location_has_its_turn(tmp_path: Path) -> None:
    bench = _bench(tmp_path, count=15, settle_s=0)
    for location in LOCATIONS:
        bench.expect(location, "Tea-Lemon", 1)
    bench.see()
    assert len(bench.rows()) == PER_FRAME
    bench.see()
    assert sorted(row["location"] for row in bench.rows()) == sorted(LOCATIONS)
    bench.see()
    assert len(bench.rows()) == 15


def test_a_location_of_which_the_picture_says_nothing_is_not_sampled(tmp_path: Path) -> None:
    bench = _bench(tmp_path, count=1, settle_s=0)
    bench.expect(FIRST, "Tea-Lemon", 1)
    bench.busy.add(FIRST)
    bench.see()
    assert bench.rows() == []
    bench.busy.clear()
    bench.see()
    assert len(bench.rows()) == 1


@pytest.mark.parametrize("verdict", sorted(Verdict))
def test_a_doubt_is_kept_once_an_event_and_certainty_is_not(tmp_path: Path, verdict: Verdict) -> None:
    bench = _bench(tmp_path, count=1, sample=False)
    bench.expect(FIRST, "Tea-Lemon", 1)
    bench.see()
    bench.doubt(verdict)
    bench.see()
    expected = [("Tea-Lemon", "Tea-Peach", verdict.value)] if verdict in DOUBTS else []
    assert [(row["proposed"], row["seen"], row["verdict"]) for row in bench.rows()] == expected


def test_no_doubt_is_kept_where_nobody_looked_or_stock_is_on_its_way_or_nothing_may_be_kept(tmp_path: Path) -> None:
    bench = _bench(tmp_path, count=1, sample=False)
    bench.expect(FIRST, "Tea-Lemon", 1)
    bench.see()
    bench.doubt(Verdict.UNCERTAIN, seen=None)
    bench.in_grace.add(FIRST)
    bench.doubt(Verdict.UNCERTAIN)
    bench.in_grace.clear()
    bench.harvesting.apply_settings(bench.config.harvest.model_copy(update={"max_mb": 0.0}))
    bench.doubt(Verdict.UNCERTAIN)
    assert bench.rows() == []


def test_of_several_facings_the_one_in_doubt_is_kept_and_a_sample_is_of_all(tmp_path: Path) -> None:
    bench = _bench(tmp_path, count=2, facings=True, settle_s=0)
    bench.expect(FIRST, "Tea-Lemon", 1)
    bench.see()
    bench.doubt(Verdict.MISMATCH, facing=2)
    assert [row["facing"] for row in bench.rows()] == ["1", "2", "2"]


def test_a_disk_that_takes_nothing_is_not_asked_again_for_every_picture(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = _bench(tmp_path, count=1, settle_s=0)
    (tmp_path / HARVEST_FOLDER).write_text("in the way")
    bench.expect(FIRST, "Tea-Lemon", 1)
    for _ in range(4):
        bench.see()
        bench.chores.settle()
    assert caplog.text.count("photos for training aren't kept") == 1
