"""Small messages go out at once."""

import socket
import statistics
import time

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from kardus.mqtt.connection import _send_at_once
from tests.brokers import Mosquitto
from tests.patience import PATIENCE_S, wait_until

MESSAGES = 16
NAGLE_S = 0.04


def test_a_tcp_socket_no_longer_waits() -> None:
    with socket.socket() as opened:
        assert not opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        _send_at_once(None, None, opened)
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_what_is_no_tcp_socket_is_left_alone() -> None:
    _send_at_once(None, None, object())


def test_a_looks_states_are_acknowledged_without_the_wait(mosquitto: Mosquitto) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_socket_open = _send_at_once
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    # a busy machine may be slower now and then; with the wait in it, half of the looks never are this quick
    wait_until(lambda: statistics.median(_look_s(client) for _ in range(9)) < NAGLE_S)
    client.disconnect()
    client.loop_stop()


def _look_s(client: paho.Client) -> float:
    """How long the states of a look take until the broker has acknowledged them."""
    began = time.perf_counter()
    for info in [client.publish(f"t/{number}", b"x" * 200, qos=1) for number in range(MESSAGES)]:
        info.wait_for_publish(PATIENCE_S)
    return time.perf_counter() - began
