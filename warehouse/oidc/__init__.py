"""People who come in by a sign-in provider: OpenID Connect Core 1.0, the authorization code flow with PKCE."""
