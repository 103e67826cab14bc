#!/bin/sh
# What: SSLContext.load_cert_chain of a context that is in use, given a renewed certificate whose key isn't there yet,
#   raises, and has taken the certificate all the same.
# Versions: Python 3.11.2 and 3.11.7 with OpenSSL 3.0; the pair is made with cryptography 50.0.2.
# Expected: a call that is refused leaves the context as it was, so that a server goes on with its former certificate.
# Observed: every handshake from then on is refused ("no shared cipher"), until a whole pair is loaded.
# Why it matters: a renewal replaces two files, one after the other. Whoever reloads in between, and handles the error,
#   has a server that nobody reaches, and nothing in its log says why. Load a fresh context, and take that one.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check cryptography==50.0.2
cd "$work"
venv/bin/python - <<'PYTHON'
import platform
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def make(name):
    key = ec.generate_private_key(ec.SECP256R1())
    whose = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(whose, whose, key.public_key(), x509.random_serial_number())
    signed = builder.not_valid_before(now).not_valid_after(now + timedelta(days=9)).sign(key, hashes.SHA256())
    Path(f"{name}.crt").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    Path(f"{name}.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))


def greeted(context):
    """The name that the server shows a new client, or why there is none."""
    ours, theirs = socket.socketpair()
    answered = threading.Thread(target=serve, args=(context, theirs))
    answered.start()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    try:
        shown = client.wrap_socket(ours).getpeercert(binary_form=True)
    except ssl.SSLError:
        return "refused"
    finally:
        answered.join()
    return x509.load_der_x509_certificate(shown).subject.rfc4514_string()


def serve(context, connection):
    try:
        context.wrap_socket(connection, server_side=True)
    except ssl.SSLError as error:
        print(f"the server says: {error.reason}")
        connection.close()


make("old")
make("new")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("old.crt", "old.key")
seen = [greeted(context)]
try:
    context.load_cert_chain("new.crt", "old.key")
except ssl.SSLError as error:
    print(f"load_cert_chain says: {error.reason}")
seen.append(greeted(context))
context.load_cert_chain("new.crt", "new.key")
seen.append(greeted(context))
print(f"Python {platform.python_version()}, {ssl.OPENSSL_VERSION}")
print("expected: CN=old, CN=old after the refusal, CN=new")
print(f"observed: {seen[0]}, {seen[1]} after the refusal, {seen[2]}")
if seen != ["CN=old", "refused", "CN=new"]:
    raise SystemExit("changed: a refused pair leaves the context as it was")
PYTHON
