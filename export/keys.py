"""Ed25519 keys that sign bundles: NAME.key (private, PEM, mode 0600) and NAME.pub (one line of text)."""

import base64
import os
import re
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kardus.contract.manifest import NAME_PATTERN, Signature
from kardus.inference.bundle import parse_public_key, public_key_text
from kardus.support.errors import UsageError
from kardus.support.files import make_folder
from kardus.support.input_files import read_file


def make_key(folder: Path, name: str) -> tuple[Path, str]:
    """Make a key pair; the private file is readable by its owner only.

    Returns the private key's path and the public key's text.

    Raises:
        UsageError: the name can't be used, a key of that name is there already, or the folder takes no file.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise UsageError(f"NAME '{name}': can't name a key: use letters, digits, '.', '_' and '-'")
    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    if private.exists() or public.exists():
        raise UsageError(f"{private}: a key of that name is there already: choose another name")
    make_folder("--dir", folder)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    text = public_key_text(key.public_key())
    try:
        with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
        public.write_text(text + "\n")
    except OSError as error:
        raise UsageError(f"--dir {folder}: can't be written to ({error.strerror}): name another folder") from error
    return private, text


def read_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key.

    Raises:
        UsageError: the file is missing or isn't an Ed25519 private key.
    """
    try:
        key = serialization.load_pem_private_key(read_file(path), password=None)
    except OSError as error:
        raise UsageError(
            f"--sign {path}: cannot be read ({error.strerror}): make a key with kardus-export keys make"
        ) from error
    except (ValueError, TypeError) as error:
        raise UsageError(f"--sign {path}: not a private key: make one with kardus-export keys make") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"--sign {path}: not an Ed25519 key: make one with kardus-export keys make")
    return key


def list_keys(folder: Path) -> list[tuple[str, str, bool]]:
    """Name, public key, and whether the private key is there, for each key in the folder.

    Raises:
        UsageError: the folder is not there, or a .pub file in it is no public key.
    """
    if not folder.is_dir():
        raise UsageError(f"--dir {folder}: no such folder: name the one with the keys")
    return [
        (public.stem, _read_public(public), public.with_suffix(".key").exists())
        for public in sorted(folder.glob("*.pub"))
    ]


def _read_public(path: Path) -> str:
    try:
        text = read_file(path).decode().strip()
        parse_public_key(text)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a public key: remove it, or make a key with kardus-export keys make") from error
    return text


def sign(manifest_bytes: bytes, key: Ed25519PrivateKey) -> Signature:
    """Sign the manifest, which carries the hash of every other member."""
    signature = base64.b64encode(key.sign(manifest_bytes)).decode()
    return Signature(key=public_key_text(key.public_key()), signature=signature)
