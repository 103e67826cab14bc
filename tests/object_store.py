"""A store that speaks S3, in a process of its own: moto's server. It checks no signature."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3

from simulator.demo.broker import free_port
from tests.patience import wait_until

CREDENTIALS = {
    "aws_access_key_id": "kardus",
    "aws_secret_access_key": "of-the-tests",
    "region_name": "us-east-1",
}
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": CREDENTIALS["aws_access_key_id"],
    "AWS_SECRET_ACCESS_KEY": CREDENTIALS["aws_secret_access_key"],
    "AWS_DEFAULT_REGION": CREDENTIALS["region_name"],
}


@contextmanager
def object_store(bucket: str) -> Iterator[str]:
    """Its address, with one empty bucket in it."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(port), "the store's server")
        client(address).create_bucket(Bucket=bucket)
        yield address
    finally:
        process.terminate()
        process.wait()


def client(address: str) -> Any:
    """Somebody else who uses the store."""
    return boto3.client("s3", endpoint_url=address, **CREDENTIALS)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
