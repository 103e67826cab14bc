#!/bin/sh
# What: two matchers of MQTT filters in JavaScript match otherwise than brokers do.
# Versions: mqtt-pattern 2.1.1, mqtt-match 3.0.0; paho-mqtt 2.2.0 as the one that keeps to the standard.
# Expected: `+` matches an empty level; `#` doesn't match topics that begin with `$`.
# Observed: mqtt-pattern's `+` needs at least one character; for both, `#` matches `$SYS/uptime`.
# Why it matters: a dashboard that sorts messages by them drops some that the broker sent, and counts the
#   broker's own as stock.
set -eu
command -v npm >/dev/null || { echo "npm is missing: install Node.js 20 or newer"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check paho-mqtt==2.2.0
(cd "$work" && npm install --silent --no-fund --no-audit mqtt-pattern@2.1.1 mqtt-match@3.0.0)
observed=$(cd "$work" && node -e '
const pattern = require("mqtt-pattern"), match = require("mqtt-match")
const pairs = [["site/+/state", "site//state"], ["#", "$SYS/uptime"]]
console.log(pairs.map(([filter, topic]) => `${pattern.matches(filter, topic)} ${match(filter, topic)}`).join(" "))')
by_paho=$("$work/venv/bin/python" -c '
from paho.mqtt.client import topic_matches_sub as m
print(m("site/+/state", "site//state"), m("#", "$SYS/uptime"))')
echo "mqtt-pattern 2.1.1, mqtt-match 3.0.0, paho-mqtt 2.2.0"
echo "expected (MQTT 5, 4.7.1.3 and 4.7.2): site/+/state matches site//state, # does not match \$SYS/uptime"
echo "observed: mqtt-pattern and mqtt-match, first pair then second: $observed; paho: $by_paho"
[ "$by_paho" = "True False" ] || { echo "changed: paho judges otherwise"; exit 1; }
[ "$observed" = "false true true true" ] || { echo "changed: the JavaScript packages judge otherwise"; exit 1; }
