"""What a receiver has heard of: the states that stand, and the last status of each agent."""

from kardus.mqtt.incoming import Incoming
from tests.publishers import Publisher
from warehouse.receiving.heard import HeardStates

BOX = Publisher()


def test_a_state_is_heard_of_until_its_topic_is_cleared() -> None:
    heard = HeardStates()
    topic, payload = BOX.state("A-1")
    heard.update(topic, payload)
    heard.update(*BOX.state("A-2"))
    assert heard.states == {("box", "A-1"), ("box", "A-2")}
    heard.update(topic, b"")
    heard.update(topic, b"")
    assert heard.states == {("box", "A-2")}


def test_a_status_is_known_until_its_topic_is_cleared_and_one_that_is_none_is_passed_over() -> None:
    heard = HeardStates()
    topic, payload = BOX.online()
    heard.update(topic, payload)
    heard.update(topic, b"nonsense")
    assert heard.agents["box"].status == "online"
    heard.update(topic, b"")
    heard.update(topic, b"")
    assert heard.agents == {}


def test_states_and_statuses_wait_for_another_thread_once_and_nothing_else_does() -> None:
    heard = HeardStates()
    messages = [BOX.state("A-1"), BOX.event(), BOX.online(), BOX.lost([(1, 1)])]
    for topic, payload in messages:
        heard.hear(Incoming(topic, payload))
    assert heard.take_waiting() == [messages[0], messages[2]]
    assert heard.take_waiting() == []
