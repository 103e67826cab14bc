"""Expected stock: tables in, the right revisions out."""

import csv
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kardus.contract.messages import MAX_REVISION, Expected
from kardus.contract.topics import expected_topic
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import BrokerError
from simulator.demo.broker import free_port
from tests.brokers import Mosquitto
from tests.in_process import assert_one_line, call
from tests.proxies import slow_link
from warehouse.__main__ import main
from warehouse.stock.publishing import StockChange, _require_retained, expected_changes, publish_stock
from warehouse.stock.read_back import RetainedStock, read_expected
from warehouse.stock.stock_list import MIXED, StockLine

SKUS = st.one_of(st.none(), st.sampled_from(["Tea", "Milk", "Juice"]))
LOCATIONS = st.sampled_from([f"A-{n:02d}" for n in range(8)])


def _table(path: Path, *rows: tuple[str, ...]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@given(
    known=st.dictionaries(
        LOCATIONS, st.builds(Expected, revision=st.integers(0, 100), sku=SKUS, managed=st.booleans())
    ),
    listed=st.dictionaries(LOCATIONS, SKUS),
    now=st.integers(0, 200),
    replace=st.booleans(),
)
def test_after_the_changes_the_broker_says_what_the_list_says(
    known: dict[str, Expected], listed: dict[str, str | None], now: int, *, replace: bool
) -> None:
    needed = expected_changes([StockLine(loc, sku) for loc, sku in listed.items()], known, now, replace=replace)
    after = {**known, **{change.location: change.expected for change in needed}}
    for change in needed:
        before = known.get(change.location)
        assert before is None or change.expected.revision > before.revision
    for location, sku in listed.items():
        assert (after[location].sku, after[location].managed) == (sku, True)
    for location in set(known) - set(listed):
        assert after[location].managed == (known[location].managed and not replace)
    assert expected_changes([StockLine(loc, sku) for loc, sku in listed.items()], after, now, replace=replace) == []


def test_publishes_only_what_changed_and_gives_up_what_the_list_no_longer_names(mosquitto: Mosquitto) -> None:
    broker = BrokerSettings("127.0.0.1", mosquitto.port)
    first = publish_stock(broker, "s", [StockLine("A", "Tea"), StockLine("B", None)], replace=False)
    second = publish_stock(broker, "s", [StockLine("A", "Milk")], replace=True, confirmed=True)
    assert [c.location for c in first] == ["A", "B"]
    assert [(c.location, c.expected.managed) for c in second] == [("A", True), ("B", False)]
    held = read_expected(broker, "s").found
    assert (held["A"].sku, held["B"].managed) == ("Milk", False)
    assert held["A"].revision > first[0].expected.revision


def test_three_thousand_locations_are_published_and_read_back(mosquitto: Mosquitto) -> None:
    broker = BrokerSettings("127.0.0.1", mosquitto.port)
    lines = [StockLine(f"A-{n:05d}", "Tea") for n in range(3000)]
    steps: list[tuple[int, int]] = []
    done = publish_stock(broker, "s", lines, replace=False, on_progress=lambda *step: steps.append(step))
    assert len(done) == 3000
    assert steps == [(n, 3000) for n in range(1, 3001)]
    assert len(read_expected(broker, "s").found) == 3000
    assert publish_stock(broker, "s", lines, replace=True) == []


class _BrokenOffError(Exception):
    pass


def test_a_run_that_was_broken_off_goes_on(mosquitto: Mosquitto) -> None:
    broker = BrokerSettings("127.0.0.1", mosquitto.port)
    lines = [StockLine(f"A-{n:05d}", "Tea") for n in range(1500)]

    def break_off(done: int, _: int) -> None:
        if done == 100:
            raise _BrokenOffError

    with pytest.raises(_BrokenOffError):
        publish_stock(broker, "s", lines, replace=False, on_progress=break_off)
    already = len(read_expected(broker, "s").found)
    assert 100 <= already < 1500
    assert len(publish_stock(broker, "s", lines, replace=False)) == 1500 - already
    assert len(read_expected(broker, "s").found) == 1500


def test_a_code_of_any_characters_is_carried_and_an_earlier_version_s_topic_replaced(mosquitto: Mosquitto) -> None:
    broker = BrokerSettings("127.0.0.1", mosquitto.port)
    codes = ["WH/Stock/A-01", "A.1", "+", "#", "$SYS", "50%", "a b"]
    earlier = Expected(revision=2**62, sku="Milk").model_dump_json().encode()
    with MqttClient(broker) as client:
        client.publish([("kardus/v1/s/expected/A.1", earlier)], retain=True)
    published = publish_stock(broker, "s", [StockLine(code, "Tea") for code in codes], replace=False)
    assert [change.expected.location for change in published] == codes
    held = read_expected(broker, "s").found
    assert {code: (held[code].sku, held[code].location) for code in codes} == {code: ("Tea", code) for code in codes}


def test_the_command_says_what_it_did(tmp_path: Path, mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]) -> None:
    path = _table(tmp_path / "stock.csv", ("location", "sku"), ("A", "Tea"), ("B", "EMPTY"))
    words = ("expect", path, "--site", "s", "--host", "127.0.0.1", "--port", mosquitto.port)
    assert call(capsys, main, *words).stdout.strip() == "2 locations listed: 2 published, 0 unchanged, 0 given up"
    assert call(capsys, main, *words).stdout.strip() == "2 locations listed: 0 published, 2 unchanged, 0 given up"


def test_no_broker_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    with pytest.raises(BrokerError, match=f"127.0.0.1:{port}: no broker there"):
        publish_stock(BrokerSettings("127.0.0.1", port), "s", [StockLine("A", "x")], replace=False)
    path = _table(tmp_path / "stock.csv", ("location", "sku"), ("A", "Tea"))
    result = call(capsys, main, "expect", path, "--site", "s", "--host", "127.0.0.1", "--port", port)
    assert_one_line(result, 1, f"error: 127.0.0.1:{port}: no broker there")


def test_what_the_list_no_longer_names_is_given_up_over_a_slow_link_too(mosquitto: Mosquitto) -> None:
    broker = BrokerSettings("127.0.0.1", mosquitto.port)
    publish_stock(broker, "s", [StockLine("A-1", "Tea"), StockLine("A-2", "Milk")], replace=False)
    with slow_link(mosquitto.port, delay_s=0.8) as port:
        there = BrokerSettings("127.0.0.1", port)
        done = publish_stock(there, "s", [StockLine("A-1", "Tea")], replace=True, confirmed=True)
    assert [(change.location, change.expected.managed) for change in done] == [("A-2", False)]


def test_a_broker_that_takes_and_does_not_keep_is_noticed(mosquitto: Mosquitto) -> None:
    broker = BrokerSettings("127.0.0.1", mosquitto.port)
    publish_stock(broker, "s", [StockLine("A", "Tea")], replace=False)
    revision = read_expected(broker, "s").found["A"].revision
    kept = StockChange("A", Expected(revision=revision - 1, sku="Milk"))
    _require_retained(broker, "s", [kept])  # somebody else was later
    for lacking in (StockChange("A", Expected(revision=revision + 1)), StockChange("B", Expected(revision=7))):
        with pytest.raises(
            BrokerError, match=f"{lacking.location}: the broker took its expected stock and doesn't keep"
        ):
            _require_retained(broker, "s", [kept, lacking])


def test_what_the_broker_cannot_queue_for_us_is_asked_for_again(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "small", "max_queued_bytes 2000\nmax_packet_size 2000\nmax_inflight_messages 1\n")
    broker.start()
    try:
        settings = BrokerSettings("127.0.0.1", broker.port)
        lines = [StockLine(f"A-{number:03d}", "Tea") for number in range(200)]
        assert len(publish_stock(settings, "s", lines, replace=False)) == 200
        assert publish_stock(settings, "s", lines, replace=False) == []
        with pytest.raises(BrokerError, match="--replace: the broker gives a wildcard subscription"):
            publish_stock(settings, "s", lines, replace=True)
    finally:
        broker.kill()


@pytest.fixture
def no_wildcards(mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> BrokerSettings:
    """A broker that gives a wildcard subscription nothing that is retained, as RabbitMQ does."""
    monkeypatch.setattr("warehouse.stock.publishing.read_expected", lambda *_: RetainedStock())
    monkeypatch.setattr("warehouse.stock.read_back.SAMPLE", 2)
    monkeypatch.setattr("warehouse.stock.read_back.LOCATIONS_PER_CONNECTION", 3)
    return BrokerSettings("127.0.0.1", mosquitto.port)


def test_where_a_wildcard_gets_nothing_the_list_is_read_back_by_its_names(no_wildcards: BrokerSettings) -> None:
    lines = [StockLine(f"A-{number}", "Tea") for number in range(8)]
    assert len(publish_stock(no_wildcards, "s", lines, replace=False)) == 8
    assert publish_stock(no_wildcards, "s", lines, replace=False) == []
    lines[5] = StockLine("A-5", "Milk")
    assert [change.location for change in publish_stock(no_wildcards, "s", lines, replace=False)] == ["A-5"]


def test_where_a_wildcard_gets_nothing_nothing_can_be_given_up(no_wildcards: BrokerSettings) -> None:
    publish_stock(no_wildcards, "s", [StockLine("A", "Tea"), StockLine("B", "Tea")], replace=False)
    with pytest.raises(BrokerError, match="--replace: the broker gives a wildcard subscription 0 of what it retains"):
        publish_stock(no_wildcards, "s", [StockLine("A", "Tea")], replace=True)


def test_a_broker_that_makes_another_topic_of_a_location_is_told(
    no_wildcards: BrokerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RabbitMQ gives dots back as slashes."""
    written = MqttClient.publish

    def dotless(client: MqttClient, messages: Iterable[tuple[str, bytes]], *, retain: bool, **_: object) -> None:
        written(client, [(topic.replace(".", "/"), payload) for topic, payload in messages], retain=retain)

    monkeypatch.setattr(MqttClient, "publish", dotless)
    monkeypatch.setattr(
        "warehouse.stock.read_back.expected_topic", lambda site, at: expected_topic(site, at).replace(".", "/")
    )
    with pytest.raises(
        BrokerError, match=r"^A: the broker gives it back as kardus/v1/hall/3/expected/A, which no agent"
    ):
        publish_stock(no_wildcards, "hall.3", [StockLine("A", "Tea")], replace=False)


def test_a_list_that_gives_up_more_than_a_fifth_has_to_be_confirmed(
    tmp_path: Path, mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    broker = BrokerSettings("127.0.0.1", mosquitto.port)
    publish_stock(broker, "s", [StockLine(f"A-{number:02d}", "Tea") for number in range(60)], replace=False)
    path = _table(tmp_path / "half.csv", ("location", "sku"), *((f"A-{number:02d}", "Tea") for number in range(47)))
    words = ("expect", path, "--site", "s", "--host", "127.0.0.1", "--port", mosquitto.port, "--replace")
    refused = call(capsys, main, *words)
    assert_one_line(refused, 2, "--replace: gives up 13 of 60 locations", "(A-47, A-48, ", "A-56, ...)", "add --yes")
    assert all(expected.managed for expected in read_expected(broker, "s").found.values())
    assert call(capsys, main, *words, "--yes").stdout.strip().endswith("13 given up")
    assert sum(expected.managed for expected in read_expected(broker, "s").found.values()) == 47


@pytest.mark.parametrize("option", [(), ("--replace",)])
def test_a_list_that_has_everything_twice_has_to_be_confirmed(
    tmp_path: Path, mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    broker = BrokerSettings("127.0.0.1", mosquitto.port)
    publish_stock(broker, "s", [StockLine(f"A-{number:02d}", "Tea") for number in range(20)], replace=False)
    twice = [(f"A-{number:02d}", sku) for number in range(20 - len(option)) for sku in ("Tea", "Milk")]
    path = _table(tmp_path / "twice.csv", ("location", "sku"), *twice)
    words = ("expect", path, "--site", "s", "--host", "127.0.0.1", "--port", mosquitto.port, "--mixed", *option)
    said = "19 that have several products in it (A-00, " if option else "20 that have several products in it (A-00, "
    assert_one_line(call(capsys, main, *words), 2, "gives up 20 of 20 locations, ", said, "add --yes")
    assert all(expected.managed for expected in read_expected(broker, "s").found.values())
    assert call(capsys, main, *words, "--yes").stdout.strip().endswith("0 unchanged, 20 given up")
    assert not any(expected.managed for expected in read_expected(broker, "s").found.values())


def test_a_fifth_is_given_up_without_a_question(mosquitto: Mosquitto) -> None:
    broker = BrokerSettings("127.0.0.1", mosquitto.port)
    lines = [StockLine(f"A-{number}", "Tea") for number in range(5)]
    publish_stock(broker, "s", lines, replace=False)
    assert [change.location for change in publish_stock(broker, "s", lines[:4], replace=True)] == ["A-4"]


def test_a_location_with_several_products_is_published_as_unmanaged_with_its_reason(mosquitto: Mosquitto) -> None:
    broker, line = BrokerSettings("127.0.0.1", mosquitto.port), StockLine("A", None, reason=MIXED)
    publish_stock(broker, "s", [StockLine("A", "Tea")], replace=False)
    assert len(publish_stock(broker, "s", [line], replace=False)) == 1
    held = read_expected(broker, "s").found["A"]
    assert (held.managed, held.sku, held.reason) == (False, None, MIXED)
    assert publish_stock(broker, "s", [line], replace=True) == []


def test_none_of_a_product_is_told_to_be_an_empty_location() -> None:
    (change,) = expected_changes([StockLine("A", None, 0)], {}, 1, replace=False)
    assert (change.expected.sku, change.expected.quantity, change.expected.managed) == (None, 0, True)


def test_a_revision_that_nothing_follows_is_named_and_all_others_are_published(mosquitto: Mosquitto) -> None:
    broker = BrokerSettings("127.0.0.1", mosquitto.port)
    with MqttClient(broker) as connection:
        last = Expected(revision=MAX_REVISION, sku="Tea").model_dump_json().encode()
        connection.publish([(expected_topic("s", location), last) for location in ("A", "C")], retain=True)
    lines = [StockLine("A", "Milk"), StockLine("B", "Tea"), StockLine("C", "Tea")]
    with pytest.raises(BrokerError, match=r"^A: the broker holds the largest revision, .*; 1 other change"):
        publish_stock(broker, "s", lines, replace=False)
    assert read_expected(broker, "s").found["B"].sku == "Tea"
