"""A small HTTP server on whichever kind of address it is given."""

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _ServerOfV6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


def listen_at(host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """Take a port, 0 to 65535, at an address of IPv4 or IPv6, or a name; an empty one stands for all of them.

    Raises:
        OSError: it can't be listened on.
    """
    family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
    server = _ServerOfV6 if family == socket.AF_INET6 else ThreadingHTTPServer
    return server((host, port), handler)
