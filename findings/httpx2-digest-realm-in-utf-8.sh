#!/bin/sh
# What: the Digest sign-in of httpx2 sends a realm that isn't ASCII back in UTF-8, whatever its bytes were, and hashes
#   it so, too.
# Versions: httpx2 2.16.2, Python 3.11 to 3.13.
# Expected: the realm goes back as it came (RFC 7616, 3.4: the value of the challenge), and the hash is of these bytes:
#   without the parameter charset=UTF-8 nothing says that they are UTF-8.
# Observed: the byte E9 of a challenge (Latin-1, as cameras with a name in their own language send it) becomes C3 A9 in
#   the answer; curl 7.88.1 gives E9 back.
# Why it matters: such a camera refuses the right password for ever, and may lock the user out.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check httpx2==2.16.2
"$work/venv/bin/python" - <<'PYTHON'
import re
import socket
import threading
from importlib.metadata import version

import httpx2

REALM = b"Kam\xe9ra"
asked = []


def answer(listening):
    for _ in range(2):
        connection, _ = listening.accept()
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(4096)
            asked.append(head)
            challenge = b'WWW-Authenticate: Digest realm="' + REALM + b'", qop="auth", nonce="abc", algorithm=MD5\r\n'
            connection.sendall(
                b"HTTP/1.1 401 Unauthorized\r\n" + challenge + b"Content-Length: 0\r\nConnection: close\r\n\r\n"
            )


with socket.create_server(("127.0.0.1", 0)) as listening:
    server = threading.Thread(target=answer, args=(listening,))
    server.start()
    with httpx2.Client(auth=httpx2.DigestAuth("user", "secret"), trust_env=False) as client:
        client.get(f"http://127.0.0.1:{listening.getsockname()[1]}/")
    server.join()
sent = re.search(rb'realm="([^"]*)"', asked[1])[1]
print(f"httpx2 {version('httpx2')}")
print(f"expected: realm {REALM.hex(' ')} in the answer")
print(f"observed: realm {sent.hex(' ')}")
if sent != REALM.decode("latin-1").encode():
    raise SystemExit("changed: the realm is no longer sent in UTF-8")
PYTHON
