"""How sockets of MQTT connections are set."""

import socket
from typing import Any


def send_at_once(_client: object, _userdata: object, opened: Any) -> None:
    """Paho's `on_socket_open`: small messages don't wait for one another's acknowledgement (Nagle, RFC 896; 40 ms)."""
    if isinstance(opened, socket.socket):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
