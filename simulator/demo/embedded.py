"""A broker in pure Python (amqtt, MQTT 3.1.1): `python -m simulator.demo.embedded PORT`.

For the demo on a machine without Mosquitto only: it keeps no queued messages over a restart.
"""

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

from amqtt.broker import Broker


class Subscriptions(dict[str, Any]):
    """By topic filter; what goes through them sees those of its beginning.

    The broker goes through its own while it awaits, and others come and go meanwhile: that raised an error, which ended
    the connection of a client that had just come, or lost a message that it had acknowledged.
    """

    def __iter__(self) -> Iterator[str]:
        """Of a copy."""
        return iter(list(super().__iter__()))

    def items(self) -> Any:
        """Of copies, with what belongs to each."""
        return [(topic, list(subscribed)) for topic, subscribed in super().items()]


ANONYMOUS = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}


async def serve(port: int) -> None:
    """Serve on 127.0.0.1 until the process is ended."""
    listeners = {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}
    broker = Broker({"listeners": listeners, "plugins": ANONYMOUS})
    broker._subscriptions = Subscriptions()  # noqa: SLF001 - amqtt has no other way; a test sees whether it still serves
    await broker.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
