"""What a provider says of somebody beside the ID token: its userinfo endpoint (OpenID Connect Core 1.0, section 5.3).

Where a code is exchanged, a provider may leave everything but `sub` out of the ID token and say it here (section 5.4).
"""

from collections.abc import Mapping
from typing import Any

from authlib.integrations.httpx_client import OAuth2Client

from warehouse.oidc.errors import SignInRefusedError

REFUSALS = (400, 401, 403)


def user_info(client: OAuth2Client, url: str, subject: str) -> Mapping[str, Any]:
    """The claims about who has just signed in.

    Args:
        client: with the access token of this sign-in.
        url: the endpoint.
        subject: `sub` of the ID token, which was verified; the answer has to be about nobody else.

    Raises:
        HTTPError: it doesn't answer.
        SignInRefusedError: it refuses, or its answer can't be used.
    """
    response = client.request("GET", url, headers={"Accept": "application/json"})
    if response.status_code in REFUSALS:
        raise SignInRefusedError(f"{url}: answers {response.status_code}: does the client's scope name its claims?")
    response.raise_for_status()
    if response.headers.get("content-type", "").partition(";")[0].strip() == "application/jwt":
        raise SignInRefusedError(f"{url}: answers a JWT: let the provider answer JSON, or put the claims in ID tokens")
    found = response.json()
    if not isinstance(found, dict) or found.get("sub") != subject:
        raise SignInRefusedError(f"{url}: doesn't speak of who signed in (sub)")
    return found
