"""What TLS is made of: files that can't be used are named, and no connection does without checks."""

import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from edge_agent.config.sections import MqttSection
from kardus.mqtt.renewal import Renewal
from kardus.mqtt.tls import TlsFiles, client_context
from kardus.support.errors import ConfigError
from warehouse.authority.register import create_authority
from warehouse.authority.roles import CertificateRole


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    folder = tmp_path / "authority"
    path = create_authority(folder, "tests").issue(CertificateRole.DEVICE, "box-1")
    return TlsFiles(folder / "ca.crt", path, path.with_suffix(".key"), folder / "crl.pem")


def test_certificate_name_and_version_are_always_checked(files: TlsFiles) -> None:
    for context in (client_context(files), client_context(TlsFiles())):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert client_context(files).verify_flags & ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF


@pytest.mark.parametrize("key", ["ca_file", "certificate_file", "key_file", "crl_file"])
@pytest.mark.parametrize("content", [None, "", "no PEM at all"], ids=["missing", "empty", "rubbish"])
def test_a_file_that_cannot_be_used_is_named(files: TlsFiles, key: str, content: str | None) -> None:
    path: Path = getattr(files, key)
    path.unlink()
    if content is not None:
        path.write_text(content)
        path.chmod(0o600)
    named = "certificate_file" if key == "key_file" and content is not None else key
    with pytest.raises(ConfigError, match=rf"^mqtt\.{named} = .*: cannot be "):
        client_context(files)
    with pytest.raises(ConfigError, match=rf"^--{named.replace('_', '-')} = "):
        client_context(files, "--")


def test_a_key_that_others_can_read_is_refused(files: TlsFiles) -> None:
    assert files.key_file
    files.key_file.chmod(0o644)
    with pytest.raises(ConfigError, match=r"mqtt\.key_file = .*: others can read it: chmod 600"):
        client_context(files)


def test_the_key_of_another_certificate_is_refused(files: TlsFiles) -> None:
    assert files.ca_file
    with pytest.raises(ConfigError, match="key values mismatch"):
        client_context(replace(files, key_file=files.ca_file.with_suffix(".key")))


def test_a_key_with_a_pass_phrase_asks_nobody(files: TlsFiles) -> None:
    assert files.key_file
    key = serialization.load_pem_private_key(files.key_file.read_bytes(), None)
    files.key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    with pytest.raises(ConfigError, match="without a pass phrase"):  # nobody is asked: it would wait for ever
        client_context(files)


def test_a_changed_file_changes_the_stamp(files: TlsFiles) -> None:
    before = files.stamp()
    assert files.stamp() == before
    assert files.crl_file
    files.crl_file.write_bytes(files.crl_file.read_bytes() + b"\n")
    after = files.stamp()
    assert after != before
    files.crl_file.unlink()
    assert files.stamp() != after


def test_certificates_without_tls_are_refused() -> None:
    """Whoever forgets `tls = true` must not find his stock in the clear."""
    with pytest.raises(ValueError, match="ca_file needs tls = true"):
        MqttSection(ca_file=Path("ca.crt"))
    with pytest.raises(ValueError, match="certificate_file and key_file belong together"):
        MqttSection(tls=True, certificate_file=Path("box.crt"))
    assert MqttSection().broker.tls is None
    assert MqttSection(tls=True).broker.tls == TlsFiles()


@pytest.mark.parametrize(("days", "is_told"), [(10, True), (400, False)])
def test_a_certificate_that_ends_soon_is_told(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    days: int,
    is_told: bool,  # noqa: FBT001
) -> None:
    authority = create_authority(tmp_path / "authority", "tests")
    certificate = authority.issue(CertificateRole.DEVICE, "box-1", days=days)
    files = TlsFiles(tmp_path / "authority" / "ca.crt", certificate, certificate.with_suffix(".key"))
    client_context(files)
    assert (f"mqtt.certificate_file = {certificate}: the certificate ends on 20" in caplog.text) == is_told


def test_a_renewed_key_is_taken_up_once_its_rights_were_corrected(
    files: TlsFiles, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert files.certificate_file
    assert files.key_file
    renewal = Renewal(files, files.stamp())
    renewed = create_authority(tmp_path / "other", "tests").issue(CertificateRole.DEVICE, "box-1")
    files.key_file.unlink()
    files.key_file.write_bytes(renewed.with_suffix(".key").read_bytes())
    files.key_file.chmod(0o644)
    files.certificate_file.write_bytes(renewed.read_bytes())
    assert [renewal.is_due() for _ in range(3)] == [False] * 3
    assert caplog.text.count("chmod 600") == 1
    files.key_file.chmod(0o600)
    assert [renewal.is_due() for _ in range(2)] == [True, False]
