"""Sign-in by a provider: OpenID Connect Core 1.0, the authorization code flow with PKCE."""
