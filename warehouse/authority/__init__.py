"""A private authority: certificates for broker, WMS side and devices, what is revoked, and the broker's access list."""
