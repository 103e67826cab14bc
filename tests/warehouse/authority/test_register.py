"""An authority's folder: what it issues, renews and revokes, and who may read it."""

import ssl
import stat
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from kardus.support.errors import DataError, UsageError
from warehouse.authority.certificates import hosts_of
from warehouse.authority.register import Authority, create_authority, require_name
from warehouse.authority.roles import CertificateRole


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_authority(tmp_path / "authority", "tests")
    return tmp_path / "authority"


def _certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def _revoked(folder: Path, certificate: x509.Certificate) -> bool:
    crl = x509.load_pem_x509_crl((folder / "crl.pem").read_bytes())
    return crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None


def test_secrets_are_readable_by_their_owner_alone(folder: Path) -> None:
    Authority(folder).issue(CertificateRole.DEVICE, "box-1")
    secrets = [folder, folder / "device", folder / "ca.key", folder / "register.json", folder / "device" / "box-1.key"]
    assert [stat.S_IMODE(path.stat().st_mode) & 0o077 for path in secrets] == [0] * len(secrets)
    assert not list(folder.rglob("*.part"))


def test_openssl_accepts_what_is_issued_and_refuses_what_is_revoked(folder: Path) -> None:
    authority = Authority(folder)
    paths = [
        authority.issue(CertificateRole.SERVER, "broker", ["broker.example", "10.0.0.7"]),
        authority.issue(CertificateRole.WMS, "stock"),
    ]
    purposes = ["sslserver", "sslclient"]
    for path, purpose in zip(paths, purposes, strict=True):
        assert _verify(folder, path, purpose) == 0
    assert _verify(folder, paths[1], "sslserver") != 0
    authority.revoke("stock")
    assert _verify(folder, paths[1], "sslclient") != 0
    assert hosts_of(_certificate(paths[0])) == ["broker.example", "10.0.0.7"]


def _verify(folder: Path, path: Path, purpose: str) -> int:
    """By OpenSSL's own program, strictly (RFC 5280)."""
    words: list[str | Path] = [
        "openssl",
        "verify",
        "-x509_strict",
        "-crl_check",
        "-purpose",
        purpose,
        "-CAfile",
        folder / "ca.crt",
    ]
    found = subprocess.run([*words, "-CRLfile", folder / "crl.pem", path], capture_output=True, check=False)
    return found.returncode


def test_the_name_in_a_certificate_is_the_only_one(folder: Path) -> None:
    certificate = _certificate(Authority(folder).issue(CertificateRole.DEVICE, "box-1", days=90))
    assert certificate.subject.rfc4514_string() == "CN=box-1"
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(days=89) < left <= timedelta(days=90)


def test_no_certificate_outlives_its_authority(tmp_path: Path) -> None:
    authority = create_authority(tmp_path / "a", "tests", days=10)
    certificate = _certificate(authority.issue(CertificateRole.DEVICE, "box-1"))
    assert certificate.not_valid_after_utc == _certificate(tmp_path / "a" / "ca.crt").not_valid_after_utc


def test_renewing_makes_another_key_and_keeps_the_hosts_and_the_old_one_is_good_until_it_ends(folder: Path) -> None:
    path = Authority(folder).issue(CertificateRole.SERVER, "broker", ["broker.example"], days=5)
    old = _certificate(path)
    assert Authority(folder).expiring(4) == []
    assert Authority(folder).expiring(6) == ["broker"]
    assert Authority(folder).renew("broker") == path
    new = _certificate(path)
    assert new.public_key() != old.public_key()
    assert hosts_of(new) == ["broker.example"]
    assert Authority(folder).expiring(6) == []
    assert not _revoked(folder, old)
    ssl.create_default_context().load_cert_chain(path, path.with_suffix(".key"))


def test_revoking_takes_every_certificate_of_the_name_and_frees_it(folder: Path) -> None:
    authority = Authority(folder)
    path = authority.issue(CertificateRole.WMS, "stock")
    old = _certificate(path)
    authority.renew("stock")
    new = _certificate(path)
    assert "user stock" in (folder / "acl").read_text()
    assert authority.revoke("stock") == 2
    assert _revoked(folder, old)
    assert _revoked(folder, new)
    assert "user stock" not in (folder / "acl").read_text()
    Authority(folder).issue(CertificateRole.DEVICE, "stock")
    assert not _revoked(folder, _certificate(folder / "device" / "stock.crt"))
    assert [(entry.role, bool(entry.revoked)) for entry in Authority(folder).issued] == [
        (CertificateRole.WMS, True),
        (CertificateRole.WMS, True),
        (CertificateRole.DEVICE, False),
    ]


def test_the_list_of_revoked_ones_is_good_as_long_as_the_authority(folder: Path) -> None:
    """An outdated list would shut everybody out."""
    crl = x509.load_pem_x509_crl((folder / "crl.pem").read_bytes())
    authority = _certificate(folder / "ca.crt")
    key = authority.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(key)
    assert crl.next_update_utc == authority.not_valid_after_utc


def test_what_cannot_be_is_refused(folder: Path, tmp_path: Path) -> None:
    authority = Authority(folder)
    authority.issue(CertificateRole.DEVICE, "box-1")
    with pytest.raises(UsageError, match="box-1: is taken by a device certificate"):
        authority.issue(CertificateRole.WMS, "box-1")
    with pytest.raises(UsageError, match="--host"):
        authority.issue(CertificateRole.SERVER, "broker")
    with pytest.raises(UsageError, match="--host"):
        authority.issue(CertificateRole.DEVICE, "box-2", ["box-2.example"])
    with pytest.raises(UsageError, match="without a port"):
        authority.issue(CertificateRole.SERVER, "broker", ["broker/1"])
    with pytest.raises(UsageError, match="box-9: has no certificate"):
        authority.revoke("box-9")
    with pytest.raises(UsageError, match="can't be made"):
        create_authority(folder, "tests")
    with pytest.raises(UsageError, match="no authority there"):
        Authority(tmp_path)
    (folder / "ca.key").write_text("not a key")
    with pytest.raises(DataError, match="restore the folder"):
        Authority(folder)


@given(st.text(max_size=70))
def test_a_name_that_is_accepted_changes_no_rule_of_the_access_list(name: str) -> None:
    try:
        require_name("NAME", name)
    except UsageError:
        return
    assert name.isascii()
    assert not set(name) & set("+#/%$\n\r\t _.")
    assert 1 <= len(name) <= 63


def test_two_that_issue_at_once_lose_no_certificate(folder: Path) -> None:
    threads = [
        threading.Thread(target=lambda n=n: Authority(folder).issue(CertificateRole.DEVICE, f"box-{n}"))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {entry.name for entry in Authority(folder).issued} == {f"box-{n}" for n in range(8)}


def _ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that ended an hour ago, and has issued one certificate."""
    authority = create_authority(folder, "tests", days=1)
    authority.issue(CertificateRole.DEVICE, "box-1")
    later = datetime.now(UTC) + timedelta(days=1, hours=1)
    monkeypatch.setattr("warehouse.authority.register.datetime", SimpleNamespace(now=lambda _: later))
    return authority


def test_an_authority_that_has_ended_says_so_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a"
    authority = _ended(folder, monkeypatch)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "lock"}
    for command in (
        lambda: authority.issue(CertificateRole.DEVICE, "box-2"),
        lambda: authority.renew("box-1"),
        lambda: authority.revoke("box-1"),
    ):
        with pytest.raises(
            UsageError, match=r"the authority ended on 20..-..-.., and all that it has signed: make a new"
        ):
            command()
    assert {path: path.read_bytes() for path in before} == before


def test_what_ends_with_its_authority_cannot_be_renewed_and_is_not_named(tmp_path: Path) -> None:
    authority = create_authority(tmp_path / "a", "tests", days=40)
    authority.issue(CertificateRole.DEVICE, "box-1")
    authority.issue(CertificateRole.DEVICE, "box-2", days=5)
    assert authority.expiring(60) == ["box-2"]


def test_a_name_that_was_revoked_meanwhile_is_not_renewed(folder: Path) -> None:
    Authority(folder).issue(CertificateRole.DEVICE, "box-7")
    opened = Authority(folder)
    Authority(folder).revoke("box-7")
    with pytest.raises(UsageError, match="box-7"):
        opened.renew("box-7")
    assert [entry.revoked is None for entry in Authority(folder).issued] == [False]
