"""An authority's folder: its key, what it has issued and revoked, and the files that are handed out."""

import contextlib
import fcntl
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from kardus.support.errors import DataError, UsageError
from kardus.support.files import write_private, write_whole
from warehouse.authority.acl import acl_text
from warehouse.authority.certificates import (
    CertificateKeyPair,
    hosts_of,
    make_authority,
    make_certificate,
    make_crl,
    read_pair,
)
from warehouse.authority.roles import AUTHORITY_DAYS, DAYS, CertificateRole

CERTIFICATE_NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9-]{0,62}"
"""What can be a name everywhere: in a certificate, a topic, an access list and Home Assistant."""
_HOST_PATTERN = r"[A-Za-z0-9.:-]{1,253}"
_REGISTER = "register.json"


class IssuedCertificate(BaseModel):
    """One certificate in the register."""

    model_config = ConfigDict(frozen=True)

    role: CertificateRole
    name: str
    serial: int
    expires: datetime
    revoked: datetime | None = None


class _Content(BaseModel):
    site: str
    issued: tuple[IssuedCertificate, ...] = ()


class Authority:
    """An authority that was made before. Every change is on disk when a method returns."""

    def __init__(self, folder: Path) -> None:
        """Read the folder.

        Raises:
            UsageError: there is none in this folder.
            DataError: it is damaged.
        """
        self._folder = folder
        try:
            self._content = self._read()
            self._pair = read_pair((folder / "ca.crt").read_bytes(), (folder / "ca.key").read_bytes())
        except OSError as error:
            raise UsageError(
                f"{folder}: no authority there ({error.strerror}): make one with `kardus-wms authority init`"
            ) from error
        except (ValidationError, ValueError) as error:
            raise DataError(f"{folder}: the authority is damaged: restore the folder from its backup") from error

    @property
    def issued(self) -> list[IssuedCertificate]:
        """The newest certificate of every name, and all that are revoked."""
        newest = {(entry.role, entry.name): entry for entry in self._content.issued if entry.revoked is None}
        return [entry for entry in self._content.issued if entry.revoked or newest[entry.role, entry.name] == entry]

    def issue(self, role: CertificateRole, name: str, hosts: Sequence[str] = (), days: float = DAYS) -> Path:
        """Make a certificate and its key; gives the certificate's file, beside which the key lies.

        Raises:
            UsageError: the name or a host can't be one, the name is taken, a server has no host, or the authority has
                ended.
        """
        require_name("NAME", name)
        if (role is CertificateRole.SERVER) != bool(hosts):
            raise UsageError("--host: a server's certificate needs its names or addresses, and no other has any")
        for host in hosts:
            if not re.fullmatch(_HOST_PATTERN, host):
                raise UsageError(f"--host {host!r}: can't be a host: give a name or an address, without a port")
        with self._alone():
            taken = next((entry for entry in self._content.issued if entry.name == name and not entry.revoked), None)
            if taken:
                raise UsageError(
                    f"{name}: is taken by a {taken.role} certificate: renew or revoke it, or choose another"
                )
            return self._make(role, name, hosts, days)

    def renew(self, name: str, days: float = DAYS) -> Path:
        """Make a new key and certificate in place of a name's present one, which stays good until it expires.

        Raises:
            UsageError: it has none, it is revoked, or the authority has ended.
            DataError: its file is missing or damaged.
        """
        with self._alone():  # somebody may be revoking it
            entry = self._present(name)
            path = self._file(entry.role, name)
            try:
                pair = read_pair(path.read_bytes(), path.with_suffix(".key").read_bytes())
            except (OSError, ValueError) as error:
                raise DataError(f"{path}: cannot be read: revoke {name}, and issue it again") from error
            return self._make(entry.role, name, hosts_of(pair.certificate), days)

    def revoke(self, name: str) -> int:
        """Revoke every certificate of a name; gives how many.

        Raises:
            UsageError: it has none, or the authority has ended.
        """
        now = datetime.now(UTC)
        with self._alone():
            self._present(name)
            changed = tuple(
                entry.model_copy(update={"revoked": now}) if entry.name == name and not entry.revoked else entry
                for entry in self._content.issued
            )
            count = sum(new != old for new, old in zip(changed, self._content.issued, strict=True))
            self._write(changed)
        return count

    def expiring(self, days: float) -> list[str]:
        """Names whose present certificate ends within so many days and before the authority, or has ended."""
        limit = min(datetime.now(UTC) + timedelta(days=days), self.ends)
        return [entry.name for entry in self.issued if not entry.revoked and entry.expires < limit]

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """What another command has written meanwhile is read again, and none writes at the same time."""
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._content = self._read()
            self._require_standing()
            yield

    def _read(self) -> _Content:
        return _Content.model_validate_json((self._folder / _REGISTER).read_text(encoding="utf-8"))

    def _present(self, name: str) -> IssuedCertificate:
        found = [entry for entry in self._content.issued if entry.name == name and not entry.revoked]
        if not found:
            raise UsageError(f"{name}: has no certificate that stands: see `kardus-wms authority list`")
        return found[-1]

    @property
    def ends(self) -> datetime:
        """When the authority itself ends, and every certificate with it."""
        return self._pair.certificate.not_valid_after_utc

    def _require_standing(self) -> None:
        """Require that the authority hasn't ended: what it would sign from now on nobody could accept.

        Raises:
            UsageError: it has.
        """
        if self.ends <= datetime.now(UTC):
            raise UsageError(
                f"{self._folder}: the authority ended on {self.ends:%Y-%m-%d}, and all that it has signed: make a new "
                "one with `kardus-wms authority init`, and give every agent its ca.crt and a new pair"
            )

    def _make(self, role: CertificateRole, name: str, hosts: Sequence[str], days: float) -> Path:
        pair = make_certificate(self._pair, name, hosts, datetime.now(UTC), days)
        entry = IssuedCertificate(
            role=role, name=name, serial=pair.certificate.serial_number, expires=pair.certificate.not_valid_after_utc
        )
        self._write((*self._content.issued, entry))  # first: what is handed out must be possible to revoke
        path = self._file(role, name)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _write_pair(path, pair)
        return path

    def _file(self, role: CertificateRole, name: str) -> Path:
        return self._folder / role / f"{name}.crt"

    def _write(self, issued: tuple[IssuedCertificate, ...]) -> None:
        """The register first; list and access list follow from it."""
        self._content = _Content(site=self._content.site, issued=issued)
        write_private(self._folder / _REGISTER, self._content.model_dump_json(indent=1).encode())
        _write_public(self._folder, self._pair, self._content)


def create_authority(folder: Path, site: str, days: float = AUTHORITY_DAYS) -> Authority:
    """Make a new authority for one site, in a new folder that its owner alone can read.

    Raises:
        UsageError: the folder isn't new or can't be made, or the site's name can't be used.
    """
    require_name("--site", site)
    try:
        folder.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise UsageError(f"{folder}: can't be made ({error.strerror}): name a new folder") from error
    pair = make_authority(f"Kardus {site}", datetime.now(UTC), days)
    content = _Content(site=site)
    _write_pair(folder / "ca.crt", pair)
    _write_public(folder, pair, content)
    write_private(folder / _REGISTER, content.model_dump_json(indent=1).encode())  # last: now it is an authority
    return Authority(folder)


def require_name(option: str, name: str) -> None:
    """Refuse a name that can't stand everywhere.

    Raises:
        UsageError: letters, digits and hyphens only.
    """
    if not re.fullmatch(CERTIFICATE_NAME_PATTERN, name):
        raise UsageError(f"{option} {name!r}: up to 63 letters (A to Z), digits and hyphens: choose another")


def _write_pair(path: Path, pair: CertificateKeyPair) -> None:
    write_private(path.with_suffix(".key"), pair.key_pem())
    write_whole(path, pair.certificate_pem())


def _write_public(folder: Path, pair: CertificateKeyPair, content: _Content) -> None:
    revoked = [(entry.serial, entry.revoked) for entry in content.issued if entry.revoked]
    write_whole(folder / "crl.pem", make_crl(pair, revoked, datetime.now(UTC)))
    standing = {entry.name: entry.role for entry in content.issued if not entry.revoked}
    names = {role: sorted(name for name, kind in standing.items() if kind is role) for role in CertificateRole}
    text = acl_text(content.site, names[CertificateRole.WMS], names[CertificateRole.HOME_ASSISTANT])
    write_whole(folder / "acl", text.encode())
