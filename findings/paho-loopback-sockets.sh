#!/bin/sh
# What: paho's network thread wakes itself over a TCP connection through 127.0.0.1, made anew for each loop_start().
# Versions: paho-mqtt 2.2.0 (Linux, Python 3.11).
# Expected: one socket a client, to its broker; where a wake-up needs a pair, an AF_UNIX socketpair(), as asyncio has it.
# Observed: two TCP sockets more a client, through a port of its own that listens on the loopback for a moment;
#   without a loopback address loop_start() raises OSError, although the broker can be reached.
# Why it matters: a network namespace whose `lo` was never brought up (a bare container, a service's PrivateNetwork with
#   a veth) has a broker and no client; and commands that connect often run out of local ports three times sooner.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check paho-mqtt==2.2.0
cat >"$work/try.py" <<'PYTHON'
import os
import socket
import sys
from importlib.metadata import version

from paho.mqtt.client import CallbackAPIVersion, Client


def tcp_sockets() -> int:
    count = 0
    for number in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(number))) as opened:
                count += opened.family == socket.AF_INET and opened.type == socket.SOCK_STREAM
        except OSError:
            pass
    return count


before = tcp_sockets()
client = Client(CallbackAPIVersion.VERSION2)
try:
    client.loop_start()
    observed = f"{tcp_sockets() - before} TCP sockets without any broker"
    client.loop_stop()
except OSError as error:
    observed = f"OSError {error.errno}"
print(f"paho-mqtt {version('paho-mqtt')}, {sys.argv[1]}: {observed}")
PYTHON
"$work/venv/bin/python" "$work/try.py" "with a loopback" | tee "$work/with"
unshare --user --map-root-user --net true || {
    echo "needs user namespaces, which this machine refuses" >&2
    exit 1
}
unshare --user --map-root-user --net "$work/venv/bin/python" "$work/try.py" "without one" | tee "$work/without"
grep -q ": 2 TCP sockets" "$work/with" && grep -q ": OSError" "$work/without" || {
    echo "changed: the network thread needs no loopback" >&2
    exit 1
}
