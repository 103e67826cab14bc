"""The keys that sign bundles."""

import base64
import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from export.keys import list_keys, make_key, read_key, sign
from kardus.inference.bundle import parse_public_key
from kardus.support.errors import UsageError


def test_private_key_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    private, _ = make_key(tmp_path / "new" / "keys", "site")
    assert private == tmp_path / "new" / "keys" / "site.key"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600


def test_public_file_holds_the_key_in_one_line(tmp_path: Path) -> None:
    private, text = make_key(tmp_path, "site")
    assert (tmp_path / "site.pub").read_text() == text + "\n"
    assert text.startswith("ed25519:")
    assert parse_public_key(text) == read_key(private).public_key()


@pytest.mark.parametrize("there", ["site.key", "site.pub"])
def test_key_of_that_name_is_never_overwritten(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("precious")
    with pytest.raises(UsageError, match=r"site\.key: a key of that name is there already: choose another name"):
        make_key(tmp_path, "site")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there, "precious")]


def test_two_keys_differ(tmp_path: Path) -> None:
    assert make_key(tmp_path, "a")[1] != make_key(tmp_path, "b")[1]


def test_list_tells_name_public_key_and_whether_the_private_one_is_there(tmp_path: Path) -> None:
    _, second = make_key(tmp_path, "second")
    private, first = make_key(tmp_path, "first")
    private.unlink()
    assert list_keys(tmp_path) == [("first", first, False), ("second", second, True)]


@pytest.mark.parametrize(
    "content", [None, b"", b"hello", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
)
def test_file_that_is_no_private_key_is_wrong_use(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "site.key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"--sign .*site\.key: .*kardus-export keys make"):
        read_key(path)


def test_public_key_and_other_kinds_of_keys_cannot_sign(tmp_path: Path) -> None:
    make_key(tmp_path, "site")
    with pytest.raises(UsageError, match="not a private key"):
        read_key(tmp_path / "site.pub")
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "other.key").write_bytes(other)
    with pytest.raises(UsageError, match="not an Ed25519 key"):
        read_key(tmp_path / "other.key")


def test_signature_holds_for_the_signed_bytes_only(signing_key: tuple[Path, str]) -> None:
    private, text = signing_key
    signature = sign(b"manifest", read_key(private))
    assert signature.key == text
    raw = base64.b64decode(signature.signature)
    parse_public_key(text).verify(raw, b"manifest")
    with pytest.raises(InvalidSignature):
        parse_public_key(text).verify(raw, b"manifesto")


@pytest.mark.parametrize("name", ["", "a/b", "..", " "])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="can't name a key"):
        make_key(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_a_list_of_no_folder_or_of_no_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        list_keys(tmp_path / "none")
    (tmp_path / "odd.pub").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"odd\.pub: not a public key"):
        list_keys(tmp_path)
