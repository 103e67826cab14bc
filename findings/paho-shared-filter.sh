#!/bin/sh
# What: paho's message_callback_add is never called for the filter of a shared subscription.
# Versions: paho-mqtt 2.2.0.
# Expected: the filter given to subscribe() is the filter to give to message_callback_add().
# Observed: `$share/GROUP/` is compared with the topic like a level of it, so the callback never fires.
# Why it matters: a receiver that is moved to a shared subscription keeps acknowledging messages and handles
#   none of them.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check paho-mqtt==2.2.0
"$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from paho.mqtt.client import CallbackAPIVersion, Client, MQTTMessage, topic_matches_sub

called = []
client = Client(CallbackAPIVersion.VERSION2)
client.on_message = lambda *_: called.append("on_message")
client.message_callback_add("$share/wms/site/+/state", lambda *_: called.append("the filter's own"))
client._handle_on_message(MQTTMessage(topic=b"site/R01/state"))  # noqa: SLF001 - what the network loop calls
print(f"paho-mqtt {version('paho-mqtt')}")
print("expected: the callback that was added for the filter subscribed to")
print(f"observed: {called}")
if called != ["on_message"] or topic_matches_sub("$share/wms/site/+/state", "site/R01/state"):
    raise SystemExit("changed: a shared subscription's filter matches now")
PYTHON
