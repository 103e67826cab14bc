#!/bin/sh
# What: s3fs answers exists() from the last listing of the folder, for good, whatever others have done to the bucket since.
# Versions: s3fs 2026.9.0, fsspec 2026.9.0, boto3 1.43.117; the server is moto 5.2.5.
# Expected: exists() asks the store, as it does while nothing was listed; or a file system that is made anew does.
# Observed: once find() was called, an object that another process deletes still exists, one that it writes doesn't, and
#   a new S3FileSystem() is the same object with the same listing. cat_file() does ask: what "exists" isn't found.
#   With use_listings_cache=False each answer is the store's.
# Why it matters: "write it unless it exists" is how several processes share a store; a whole day of objects can be
#   missing after a process has listed the bucket once.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check s3fs==2026.9.0 fsspec==2026.9.0 boto3==1.43.117 \
    aiobotocore==3.10.0 'moto[s3]==5.2.5' flask==3.1.3 flask-cors==6.0.5
AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b AWS_DEFAULT_REGION=us-east-1 "$work/venv/bin/python" - 2>/dev/null <<'PYTHON'
import os
from importlib.metadata import version

import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
server.start()
host, port = server.get_host_and_port()
os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
other = boto3.client("s3")
other.create_bucket(Bucket="photos")

from s3fs import S3FileSystem  # noqa: E402


def change(folder):
    """Another process deletes an object of the folder, and writes one."""
    other.delete_object(Bucket="photos", Key=f"{folder}/old.jpg")
    other.put_object(Bucket="photos", Key=f"{folder}/new.jpg", Body=b"new")


def told(system, folder):
    return [system.exists(f"photos/{folder}/{name}.jpg") for name in ("old", "new")]


seen = {}
for folder, system, listed in (
    ("a", S3FileSystem(), False),
    ("b", S3FileSystem(), True),
    ("c", S3FileSystem(use_listings_cache=False), True),
):
    other.put_object(Bucket="photos", Key=f"{folder}/old.jpg", Body=b"old")
    if listed:
        system.find(f"photos/{folder}")
    change(folder)
    seen[folder] = told(system, folder)
seen["b, made anew"] = told(S3FileSystem(), "b")
print(f"s3fs {version('s3fs')}, fsspec {version('fsspec')}")
print("expected: [False, True] for each: old is gone, new is there")
print(f"observed: not listed {seen['a']}, listed {seen['b']}, made anew {seen['b, made anew']}, no cache {seen['c']}")
right, stale = [False, True], [True, False]
as_described = seen == {"a": right, "b": stale, "c": right, "b, made anew": stale}
server.stop()
raise SystemExit(0 if as_described else "it has changed")
PYTHON
