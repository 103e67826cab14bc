"""X.509 certificates (RFC 5280) on the curve P-256."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BACKDATED = timedelta(hours=1)
"""A box whose clock is a little behind accepts a new certificate too."""


def _usage(*, vouches: bool) -> x509.KeyUsage:
    """What a key is for: to vouch for others, or to sign for itself."""
    return x509.KeyUsage(
        digital_signature=not vouches,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=vouches,
        crl_sign=vouches,
        encipher_only=False,
        decipher_only=False,
    )


_SIGNS, _VOUCHES = _usage(vouches=False), _usage(vouches=True)


@dataclass(frozen=True)
class CertificateKeyPair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def certificate_pem(self) -> bytes:
        """The certificate, for anybody."""
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self) -> bytes:
        """The private key (PKCS #8), without a pass phrase: a service has nobody to ask."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_pair(certificate: bytes, key: bytes) -> CertificateKeyPair:
    """Read a certificate and its key from PEM.

    Raises:
        ValueError: they aren't PEM, or the key is of another kind than this module makes.
    """
    private = serialization.load_pem_private_key(key, None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise ValueError("not a key on an elliptic curve")  # noqa: TRY004 - the file is wrong, not the call
    return CertificateKeyPair(x509.load_pem_x509_certificate(certificate), private)


def make_authority(name: str, start: datetime, days: float) -> CertificateKeyPair:
    """A new authority, which may vouch for certificates and for no further authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    builder = _builder(subject, subject, key.public_key(), start, days).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    return CertificateKeyPair(builder.add_extension(_VOUCHES, critical=True).sign(key, hashes.SHA256()), key)


def make_certificate(
    authority: CertificateKeyPair, name: str, hosts: Sequence[str], start: datetime, days: float
) -> CertificateKeyPair:
    """A certificate for a server, known by its hosts' names or addresses; without any, for a client, known by `name`.

    It doesn't outlive its authority.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    left = (issuer.not_valid_after_utc - start) / timedelta(days=1)
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        _builder(_name(name), issuer.subject, key.public_key(), start, min(days, left))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_SIGNS, critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
    return CertificateKeyPair(builder.sign(authority.key, hashes.SHA256()), key)


def hosts_of(certificate: x509.Certificate) -> list[str]:
    """The hosts that a server's certificate stands for; none in a client's."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in found.value]


def make_crl(authority: CertificateKeyPair, revoked: Sequence[tuple[int, datetime]], now: datetime) -> bytes:
    """The list of revoked certificates (serial number and when), as PEM.

    It is good for as long as the authority is: to a client or broker an outdated list means that nobody can be trusted,
    and would shut a whole site out because a file wasn't renewed.
    """
    issuer = authority.certificate
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(now - BACKDATED)
        .next_update(issuer.not_valid_after_utc)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .add_extension(x509.CRLNumber(int(now.timestamp() * 1000)), critical=False)
    )
    for serial, moment in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, start: datetime, days: float
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - BACKDATED)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
