"""A provider's metadata (OpenID Connect Discovery 1.0), as far as it is used."""

from pydantic import BaseModel, ConfigDict

from warehouse.oidc.settings import SafeAddress


class Metadata(BaseModel):
    """What is used of a provider's `/.well-known/openid-configuration`."""

    model_config = ConfigDict(frozen=True)

    issuer: str
    authorization_endpoint: SafeAddress
    token_endpoint: SafeAddress
    jwks_uri: SafeAddress
    userinfo_endpoint: SafeAddress | None = None
    end_session_endpoint: SafeAddress | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)

    def client_authentication(self, *, has_secret: bool) -> str:
        """How the page shows the provider who it is."""
        if not has_secret:
            return "none"
        ways = self.token_endpoint_auth_methods_supported
        posts = "client_secret_post" in ways and "client_secret_basic" not in ways
        return "client_secret_post" if posts else "client_secret_basic"
