#!/bin/sh
# What: aiomqtt with a bounded queue drops the newest messages at QoS 1 after they have been acknowledged.
# Versions: aiomqtt 2.5.1 with paho-mqtt 2.2.0; any Mosquitto.
# Expected: a full queue holds back the acknowledgement, so the broker keeps the rest (QoS 1 is at least
#   once).
# Observed: the first three stay, seven are lost; nor does the broker send them again to the same session,
#   since they were acknowledged. Only a line in the log says so.
# Why it matters: a WMS gateway that bounds its memory shows the oldest state of a location, and never gets
#   the newest.
set -eu
command -v mosquitto >/dev/null || { echo "mosquitto is missing: apt-get install mosquitto"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check aiomqtt==2.5.1 paho-mqtt==2.2.0
port=$("$work/venv/bin/python" -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$port" > "$work/mosquitto.conf"
mosquitto -c "$work/mosquitto.conf" > "$work/mosquitto.log" 2>&1 &
broker=$!
trap 'kill "$broker" 2>/dev/null || :; rm -rf "$work"' EXIT
PORT=$port "$work/venv/bin/python" - <<'PYTHON'
import asyncio
import os
from importlib.metadata import version

import aiomqtt

PORT = int(os.environ["PORT"])


async def connected() -> None:
    for _ in range(100):
        try:
            async with aiomqtt.Client("127.0.0.1", PORT):
                return
        except aiomqtt.MqttError:
            await asyncio.sleep(0.05)
    raise SystemExit("the broker does not answer")


async def received() -> tuple[list[str], list[str]]:
    await connected()
    session = {"identifier": "gateway", "clean_session": False}
    async with aiomqtt.Client("127.0.0.1", PORT, **session, max_queued_incoming_messages=3) as receiver:
        await receiver.subscribe("site/#", qos=1)
        async with aiomqtt.Client("127.0.0.1", PORT) as sender:
            for number in range(10):
                await sender.publish("site/state", str(number), qos=1)
        await asyncio.sleep(2)  # the receiver is busy; all ten arrive
        told = await taken(receiver)
    async with aiomqtt.Client("127.0.0.1", PORT, **session) as receiver:
        return told, await taken(receiver)  # what wasn't acknowledged comes again with the session


async def taken(receiver: aiomqtt.Client) -> list[str]:
    found = []
    try:
        while True:
            found.append((await asyncio.wait_for(anext(receiver.messages), 2)).payload.decode())
    except TimeoutError:
        return found


told, again = asyncio.run(received())
print(f"aiomqtt {version('aiomqtt')}")
print("expected: ten messages at QoS 1, the rest kept back until there is room: they are not acknowledged yet")
print(f"observed: {told}, and with the same session later {again}")
if told != ["0", "1", "2"] or again:
    raise SystemExit("changed: a full queue no longer drops the newest messages")
PYTHON
