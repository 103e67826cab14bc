"""When a certificate ends, and that this is told before."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

ENDS_SOON = timedelta(days=30)


def certificate_end(path: Path | None) -> datetime | None:
    """When the first certificate of a PEM file ends; None where there is none, or it can't be read."""
    if path is None:
        return None
    from cryptography import x509  # noqa: PLC0415 - not everybody has a certificate, and it takes a while

    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):  # OpenSSL takes more than this library does
        return None


def warn_of_end(name: str, path: Path, log: logging.Logger) -> None:
    """Tell that a certificate ends soon: from then on every new connection with it is refused.

    Args:
        name: the key or option that names the file.
        path: a PEM file.
        log: whose words these are.
    """
    end = certificate_end(path)
    if end is not None and end - datetime.now(UTC) < ENDS_SOON:
        log.warning("%s = %s: the certificate ends on %s: renew it", name, path, f"{end:%Y-%m-%d}")
