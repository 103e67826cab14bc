"""The code flow against a real provider: what it says is believed only where it is signed, meant for us, and fresh."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from tests.warehouse.oidc.open_id_provider import Key, OpenIdProvider
from warehouse.oidc.errors import SignInRefusedError, UnreachableError
from warehouse.oidc.identity import Identity
from warehouse.oidc.provider import IdentityProvider

BROWSER = "a browser's secret"
Part = dict[str, Any]


def gone_there(provider: IdentityProvider, secret: str = BROWSER) -> dict[str, str]:
    """What the provider's answer says, to which a browser has gone."""
    answer = httpx2.get(provider.begin(secret), follow_redirects=False)
    assert answer.headers["location"].startswith(f"{provider.settings.callback}?")
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def signed_in(provider: IdentityProvider) -> Identity:
    """The whole way."""
    back = gone_there(provider)
    return provider.finish(BROWSER, code=back["code"], state=back["state"], issuer=back["iss"])


def test_who_signs_in_there_is_known_here(company: OpenIdProvider, provider: IdentityProvider) -> None:
    assert signed_in(provider) == Identity(company.issuer, "1001", "Sari", "operator")
    company.claims["groups"] = "rack-admins"
    assert signed_in(provider).role == "administrator"
    company.claims["groups"] = ["others", 5, "rack-viewers"]
    assert signed_in(provider).role == "viewer"
    empty: tuple[object, ...] = ([], None, {"rack-admins": 1})
    for nothing in empty:
        company.claims["groups"] = nothing
        assert signed_in(provider).role is None
    assert company.asked.count("openid-configuration") == 1, "what it says of itself is kept"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda _, claims: claims.update(iss="https://elsewhere.example"), "iss"),
        (lambda _, claims: claims.update(aud="another page"), "aud"),
        (lambda _, claims: claims.update(aud=["kardus", "another"]), "azp"),
        (lambda _, claims: claims.update(azp="another"), "azp"),
        (lambda _, claims: claims.update(nonce="x"), "nonce"),
        (lambda _, claims: claims.pop("nonce"), "nonce"),
        (lambda _, claims: claims.update(exp=int(time.time()) - 90), "expired"),
        (lambda _, claims: claims.pop("exp"), "exp"),
        (lambda _, claims: claims.update(iat=int(time.time()) + 90), "future"),
        (lambda _, claims: claims.pop("sub"), "sub"),
        (lambda _, claims: claims.update(sub="x" * 256), "sub"),
        (lambda _, claims: claims.pop("preferred_username"), "preferred_username"),
        (lambda header, _: header.update(alg="none"), "alg"),
        (lambda header, _: header.update(alg="HS256"), "alg"),
        (lambda header, _: header.update(kid="unknown"), "key"),
    ],
)
def test_a_token_that_is_not_good_lets_nobody_in(
    company: OpenIdProvider, provider: IdentityProvider, spoil: Callable[[Part, Part], None], words: str
) -> None:
    company.spoil = spoil
    with pytest.raises(SignInRefusedError) as told:
        signed_in(provider)
    assert words in str(told.value).lower()
    assert "\n" not in str(told.value)


def test_what_the_id_token_does_not_say_userinfo_does(company: OpenIdProvider, provider: IdentityProvider) -> None:
    company.claims = {"sub": "1001", "groups": ["rack-viewers"]}
    company.info = {"sub": "1001", "preferred_username": "Sari", "groups": ["rack-admins"]}
    assert signed_in(provider) == Identity(company.issuer, "1001", "Sari", "viewer"), "what is signed counts"
    company.claims = {"sub": "1001"}
    assert signed_in(provider).role == "administrator"
    company.claims |= {"preferred_username": "Sari", "groups": []}
    assert signed_in(provider).role is None, "an empty list is an answer"
    assert company.asked.count("userinfo") == 2


@pytest.mark.parametrize(
    ("info", "status", "words"),
    [
        ({"sub": "1002", "preferred_username": "Sari"}, 200, "who signed in"),
        ({"preferred_username": "Sari"}, 200, "who signed in"),
        ({"sub": "1001"}, 403, "answers 403"),
        ({"sub": "1001"}, 200, "preferred_username"),
    ],
)
def test_userinfo_that_does_not_fit_lets_nobody_in(
    company: OpenIdProvider, provider: IdentityProvider, info: Part, status: int, words: str
) -> None:
    company.claims = {"sub": "1001"}
    company.info, company.info_status = info, status
    with pytest.raises(SignInRefusedError, match=words):
        signed_in(provider)
    company.info_status = 503
    with pytest.raises(UnreachableError, match="503"):
        signed_in(provider)


def test_a_clock_may_be_a_minute_off(company: OpenIdProvider, provider: IdentityProvider) -> None:
    company.spoil = lambda _, claims: claims.update(exp=int(time.time()) - 40, iat=int(time.time()) + 40)
    assert signed_in(provider).subject == "1001"


def test_another_key_is_fetched_when_it_is_needed_and_a_forged_one_is_not_believed(
    company: OpenIdProvider, provider: IdentityProvider
) -> None:
    signed_in(provider)
    company.rotate()
    assert signed_in(provider).subject == "1001"
    assert company.asked.count("keys") == 2
    company.key = Key(company.published[0].id)
    with pytest.raises(SignInRefusedError, match="bad_signature"):
        signed_in(provider)


def test_only_the_browser_that_began_it_finishes_it_and_once(
    company: OpenIdProvider, provider: IdentityProvider
) -> None:
    back = gone_there(provider)
    for secret, state in (("another browser's", back["state"]), (BROWSER, "another"), ("", "")):
        with pytest.raises(SignInRefusedError, match="another browser"):
            provider.finish(secret, code=back["code"], state=state)
    with pytest.raises(SignInRefusedError, match="another provider"):
        provider.finish(BROWSER, code=back["code"], state=back["state"], issuer="https://elsewhere.example")
    stolen = gone_there(provider, "another browser's")  # a code that was begun elsewhere: PKCE refuses
    with pytest.raises(SignInRefusedError, match="invalid_grant"):
        provider.finish(BROWSER, code=stolen["code"], state=back["state"])
    assert provider.finish(BROWSER, code=back["code"], state=back["state"]).subject == "1001"
    with pytest.raises(SignInRefusedError, match="invalid_grant"):
        provider.finish(BROWSER, code=back["code"], state=back["state"])
    assert company.asked.count("token") == 3


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"issuer": "https://elsewhere.example"}, "write the issuer just so"),
        ({"token_endpoint": "http://elsewhere.example/token"}, "token_endpoint"),
        ({"authorization_endpoint": None}, "authorization_endpoint"),
        ({"jwks_uri": "http://127.0.0.1:9/keys"}, "refused"),
    ],
)
def test_a_provider_that_says_nonsense_of_itself_is_away(
    company: OpenIdProvider, provider: IdentityProvider, said: Part, words: str
) -> None:
    company.metadata = said
    with pytest.raises(UnreachableError, match=words) as told:
        provider.begin(BROWSER)
    assert company.issuer in str(told.value)
    company.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert signed_in(provider).subject == "1001", "and it is asked again"


def test_one_that_is_away_is_said_to_be(company: OpenIdProvider, provider: IdentityProvider) -> None:
    company.__exit__()
    with pytest.raises(UnreachableError, match="refused"):
        provider.begin(BROWSER)
