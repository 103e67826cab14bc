#!/bin/sh
# What: of many retained messages, a new QoS 0 subscription gets a part, and neither client nor log hears of the rest.
# Versions: Mosquitto 2.0.11 with its default settings, paho-mqtt 2.2.0.
# Expected: QoS 0 to a healthy local client over TCP: all of them; or a line in the log, or a hang-up.
# Observed: of 40,000 retained messages of 600 bytes, about a fifth; all of them with max_queued_messages 0.
# Why it matters: "max_queued_messages" is described as the limit of queued QoS 1 and 2 messages. A program that reads a
#   site's states with one wildcard sees a part of the site, and takes the rest for cleared.
set -eu
command -v mosquitto >/dev/null || PATH="$PATH:/usr/sbin"
work=$(mktemp -d)
trap 'kill $(cat "$work"/*.pid 2>/dev/null) 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check paho-mqtt==2.2.0
cat >"$work/count.py" <<'PYTHON'
import sys
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

port, total = int(sys.argv[1]), 40_000
publisher = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
publisher.connect("127.0.0.1", port)
publisher.loop_start()
for start in range(0, total, 1000):
    sent = [publisher.publish(f"state/{n}", b"x" * 600, qos=1, retain=True) for n in range(start, start + 1000)]
    for one in sent:
        one.wait_for_publish()
publisher.disconnect()

found, last = set(), [time.monotonic()]


def take(client, userdata, message):
    found.add(message.topic)
    last[0] = time.monotonic()


reader = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
reader.on_message = take
reader.on_connect = lambda client, *_: client.subscribe("state/+", 0)
reader.connect("127.0.0.1", port)
reader.loop_start()
while len(found) < total and time.monotonic() - last[0] < 5:
    threading.Event().wait(0.2)
print(len(found))
PYTHON
observed=""
for limit in "" "max_queued_messages 0"; do
    port=$("$work/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    printf 'listener %s 127.0.0.1\nallow_anonymous true\n%s\n' "$port" "$limit" >"$work/mosquitto.conf"
    mosquitto -c "$work/mosquitto.conf" >"$work/log" 2>&1 &
    echo $! >"$work/mosquitto.pid"
    sleep 1
    count=$("$work/venv/bin/python" "$work/count.py" "$port")
    observed="$observed $count"
    kill "$(cat "$work/mosquitto.pid")"
    wait 2>/dev/null || true
done
set -- $observed
mosquitto -h | head -1
echo "expected: 40000 40000"
echo "observed: $1 $2"
[ "$1" -lt 40000 ] && [ "$2" -eq 40000 ] || { echo changed; exit 1; }
