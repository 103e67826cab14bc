"""Secrets: who may read their files, and where they are looked for."""

from pathlib import Path

import pytest

from kardus.support.errors import ConfigError
from kardus.support.secrets import PASSWORD_VARIABLE, broker_password, read_secret, secret_file


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("open sesame\n")
    path.chmod(0o600)
    return path


def test_a_private_file_is_read(secret: Path) -> None:
    assert read_secret("mqtt.password_file", secret) == "open sesame"


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o640, 0o602, 0o660])
def test_a_file_that_others_can_read_is_refused_without_showing_it(secret: Path, mode: int) -> None:
    secret.chmod(mode)
    with pytest.raises(ConfigError, match=rf"mqtt\.password_file = {secret}: others can read it: chmod 600") as refused:
        read_secret("mqtt.password_file", secret)
    assert "sesame" not in str(refused.value)


def test_a_file_of_roots_that_a_services_group_may_read_is_private(
    secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Debian lays down /etc/ssl/private, and Kubernetes its secrets with an fsGroup."""
    secret.chmod(0o440)
    monkeypatch.setattr("os.getuid", lambda: secret.stat().st_uid + 1)
    assert read_secret("mqtt.password_file", secret) == "open sesame"


def test_a_credential_is_looked_after_by_systemd(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(secret.parent))
    path = secret_file(Path("$CREDENTIALS_DIRECTORY/password"))
    assert path == secret
    assert read_secret("mqtt.password_file", path) == "open sesame"


def test_a_credential_outside_a_service_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ValueError, match="LoadCredential"):
        secret_file(Path("$CREDENTIALS_DIRECTORY/password"))


def test_the_environment_is_looked_at_where_no_file_is_named(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    assert broker_password("mqtt.password_file", None) is None
    monkeypatch.setenv(PASSWORD_VARIABLE, "from outside")
    assert broker_password("mqtt.password_file", None) == "from outside"
    assert broker_password("mqtt.password_file", secret) == "open sesame"


def test_the_mark_that_an_editor_writes_before_utf_8_is_no_part_of_it(secret: Path) -> None:
    secret.write_bytes(b"\xef\xbb\xbfopen sesame\r\n")
    assert read_secret("mqtt.password_file", secret) == "open sesame"
