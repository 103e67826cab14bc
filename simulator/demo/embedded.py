"""A broker in pure Python (amqtt, MQTT 3.1.1): `python -m simulator.demo.embedded PORT`.

For the demo on a machine without Mosquitto only: it keeps no queued messages over a restart.
"""

import asyncio
import sys

from amqtt.broker import Broker

_ANONYMOUS = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}


async def serve(port: int) -> None:
    """Serve on 127.0.0.1 until the process is ended."""
    listeners = {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}
    await Broker({"listeners": listeners, "plugins": _ANONYMOUS}).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
