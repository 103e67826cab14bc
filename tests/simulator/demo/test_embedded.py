"""The embedded broker: clients may come and go while it goes through its subscriptions."""

import asyncio

from amqtt.broker import Broker

from simulator.demo.embedded import ANONYMOUS, Subscriptions


def test_what_goes_through_the_subscriptions_sees_those_of_its_beginning() -> None:
    subscriptions = Subscriptions(a=[1], b=[2])
    for topic in subscriptions:
        del subscriptions[topic]
        subscriptions[f"{topic}/new"] = []
    assert list(subscriptions) == ["a/new", "b/new"]
    for topic, numbers in subscriptions.items():
        del subscriptions[topic]
        subscriptions[topic.upper()] = numbers
    assert list(subscriptions) == ["A/NEW", "B/NEW"]


def test_the_broker_s_own_are_where_ours_are_put() -> None:
    async def own() -> object:
        listeners = {"default": {"type": "tcp", "bind": "127.0.0.1:1"}}
        return Broker({"listeners": listeners, "plugins": ANONYMOUS})._subscriptions

    assert asyncio.run(own()) == {}
