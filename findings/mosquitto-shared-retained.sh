#!/bin/sh
# What: Mosquitto sends retained messages to a new shared subscription.
# Versions: Mosquitto 2.0.11 (Debian 12), paho-mqtt 2.2.0.
# Expected: none: MQTT 5 (3.3.1.3) has retained messages sent for a new non-shared subscription only.
# Observed: every member of the group that subscribes gets them, marked as retained.
# Why it matters: a group's members each take all old states for new work; on a broker that keeps to the
#   standard they get none.
set -eu
command -v mosquitto >/dev/null || { echo "mosquitto is missing: apt-get install mosquitto"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check paho-mqtt==2.2.0
port=$("$work/venv/bin/python" -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$port" > "$work/mosquitto.conf"
mosquitto -c "$work/mosquitto.conf" > "$work/mosquitto.log" 2>&1 &
broker=$!
trap 'kill "$broker" 2>/dev/null || :; rm -rf "$work"' EXIT
PORT=$port "$work/venv/bin/python" - <<'PYTHON'
import os
import subprocess
import threading
import time

from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5

PORT = int(os.environ["PORT"])


def client(name: str) -> Client:
    made = Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTv5)
    for _ in range(100):
        try:
            made.connect("127.0.0.1", PORT)
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
    made.loop_start()
    return made


sender = client("sender")
sender.publish("site/R01/state", b"empty", qos=1, retain=True).wait_for_publish(5)
told, arrived = [], threading.Event()
receiver = client("receiver")


def on_message(_client: Client, _userdata: object, message: object) -> None:
    told.append((message.topic, message.retain))
    arrived.set()


receiver.on_message = on_message
receiver.subscribe("$share/wms/site/+/state", qos=1)
arrived.wait(3)
for each in (sender, receiver):
    each.disconnect()
    each.loop_stop()
told_version = subprocess.run(["mosquitto", "-h"], capture_output=True, text=True, check=False).stdout.splitlines()[0]
print(told_version)
print("expected (MQTT 5, 3.3.1.3, non-shared only): nothing retained is sent for a new shared subscription")
print(f"observed: {told}")
if told != [("site/R01/state", True)]:
    raise SystemExit("changed: nothing retained is sent to a shared subscription")
PYTHON
