"""What a camera's section of the configuration says of its certificate; the decoder starts without it."""

import logging

from edge_agent.camera.tls import TlsPolicy
from edge_agent.config.sources import OnNetwork

log = logging.getLogger("kardus.camera")


def policy_of(settings: OnNetwork) -> TlsPolicy:
    """What a camera's section says; that nothing is checked is logged.

    Raises:
        ConfigError: `ca_file` can't be used.
    """
    ca_file = str(settings.ca_file) if settings.ca_file is not None else None
    policy = TlsPolicy(ca_file, settings.fingerprint, settings.insecure)
    if policy.ca_file is not None:
        policy.context()  # whether it can be used; the others need no file
    if settings.insecure:
        log.warning("%s: the camera's certificate isn't checked (insecure = true)", settings.url)
    return policy
