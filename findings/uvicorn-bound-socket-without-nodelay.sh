#!/bin/sh
# What: a socket that uvicorn itself binds (Config.bind_socket: with workers, with reload, by programs) has no protocol
#   number, and asyncio sets TCP_NODELAY on connections of sockets with IPPROTO_TCP alone.
# Versions: uvicorn 0.54.0, Python 3.11 to 3.13.
# Expected: the same server answers alike however its socket was bound.
# Observed: connections have TCP_NODELAY where uvicorn.Server binds, and lack it where Config.bind_socket does.
# Why it matters: head and body of an answer are two writes: over a connection that is kept, the second waits for the
#   client's delayed acknowledgement, 40 ms on Linux: a page of 5 ms takes 45 ms, with several workers only.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check uvicorn==0.54.0
"$work/venv/bin/python" - <<'PYTHON'
import asyncio
import socket
from importlib.metadata import version

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

seen = []


class Looking(H11Protocol):
    def connection_made(self, transport):
        bound = transport.get_extra_info("socket")
        seen.append(bool(bound.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
        super().connection_made(transport)


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


async def serve(own):
    config = uvicorn.Config(app, port=0, http=Looking, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    running = asyncio.ensure_future(server.serve([config.bind_socket()] if own else None))
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    await reader.read()
    writer.close()
    server.should_exit = True
    await running


for own in (False, True):
    asyncio.run(serve(own))
print(f"uvicorn {version('uvicorn')}")
print("expected: TCP_NODELAY in both cases")
print(f"observed: bound by Server: {seen[0]}, bound by Config.bind_socket: {seen[1]}")
if seen != [True, False]:
    raise SystemExit("changed: it no longer depends on who binds")
PYTHON
