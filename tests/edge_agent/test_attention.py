"""What a camera is told of its last picture: whether it may rest."""

from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from edge_agent.cameras import Camera, Cameras
from edge_agent.config.sections import VerdictSection
from edge_agent.deciding import judging
from edge_agent.records import Activity, Frame, SlotObservations
from kardus.contract.messages import Status
from kardus.support.clock import SetClock
from tests.edge_agent.one_slot import one_slot_config, seen_as

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = VerdictSection(votes=3, window=5)


def test_a_camera_may_rest_once_nothing_moves_and_nothing_is_wanted() -> None:
    camera = Cameras(one_slot_config(), lambda _: None)["rack"]
    count, attentions = len(camera.votes.locations), []
    attentions.append(camera.attention)
    camera.status = "ok"
    camera.votes.schedule_classification(camera.votes.locations[0])
    attentions.append(camera.attention)
    for busy in (True, False):
        activities = [Activity(classify=not busy, busy=busy)] * count
        chosen = () if busy else tuple(range(count))
        crops, corners = np.zeros((len(chosen), 8, 8, 3), np.uint8), np.zeros((len(chosen), 4, 2))
        observed = SlotObservations(
            NOON, activities, chosen, Image.new("RGB", (8, 8)), corners, crops, (None,) * len(chosen)
        )
        for _ in range(RULES.window):
            camera.votes.take(observed, [seen_as("A")] * len(chosen))
        for location in () if busy else camera.votes.locations:
            judging.LocationJudge({}, {}, 60, SetClock(NOON, 0.0)).finding(camera.votes, location, "rack", NOON)
        attentions.append(camera.attention)
    assert attentions == ["wanted", "wanted", "moving", "rest"]


def _show(camera: Camera, activity: Activity) -> None:
    activities = [activity] * len(camera.votes.locations)
    observed = SlotObservations(
        NOON, activities, (), Image.new("RGB", (8, 8)), np.zeros((0, 4, 2)), np.zeros((0, 8, 8, 3), np.uint8), ()
    )
    camera.votes.take(observed, [])


def test_a_camera_may_rest_behind_what_has_stood_before_a_location_for_long() -> None:
    camera = Cameras(one_slot_config(), lambda _: None)["rack"]
    camera.status = "ok"
    camera.votes.schedule_classification(camera.votes.locations[0])
    for settled, attention in ((False, "moving"), (True, "rest"), (False, "moving")):
        _show(camera, Activity(classify=False, busy=True, obstructed=True, settled=settled))
        assert camera.attention == attention
    _show(camera, Activity(classify=False, busy=True, obstructed=True, settled=True))
    camera.votes.signal_lost()
    camera.votes.schedule_classification(camera.votes.locations[0])
    assert camera.attention == "wanted"


@pytest.mark.parametrize(
    ("status", "after_a_minute"),
    [("dark", "rest"), ("covered", "rest"), ("colour cast", "rest"), ("lost", "wanted"), ("frozen", "wanted")],
)
def test_a_camera_may_rest_while_its_warehouse_is_dark_but_not_where_its_pictures_are_wanting(
    status: Status, after_a_minute: str
) -> None:
    camera = Cameras(one_slot_config(), lambda _: None)["rack"]
    camera.status, camera.since_s = status, 500.0
    for at_s, attention in ((559.0, "wanted"), (560.0, after_a_minute)):
        camera.newest = Frame("rack", 1, NOON, at_s, Image.new("RGB", (8, 8)))
        assert camera.attention == attention
