"""A provider that the OpenID Foundation has certified: npm's `oidc-provider`, with its own login form, in a process.

Its people are named by what they write into that form; any password lets them in. It is a conforming one: where a code
is exchanged, its ID tokens hold `sub` alone, and userinfo says the rest.
"""

import json
import subprocess
from pathlib import Path
from typing import Any, Self

from simulator.demo.broker import free_port
from tests.node import install
from tests.warehouse.oidc.open_id_provider import CLIENT, SECRET, Key

PACKAGE = "oidc-provider@9.13.3"
SCRIPT = """
import { readFileSync } from 'node:fs'
import { decodeJwt, importJWK, SignJWT } from 'jose'
import Provider from 'oidc-provider'

const settings = JSON.parse(readFileSync(process.argv[2]))
const spoilt = () => JSON.parse(readFileSync(process.argv[3]))
const provider = new Provider(settings.issuer, {
  clients: settings.clients,
  jwks: { keys: [settings.key] },
  cookies: { keys: ['a key of cookies'] },
  claims: { openid: ['sub'], profile: ['preferred_username'], groups: ['groups'] },
  conformIdTokenClaims: settings.conforming,
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id, groups: settings.groups[id] ?? [] })
  })
})
// what a thief or a broken provider would send: other claims, signed by the provider's own key
provider.use(async (context, next) => {
  await next()
  const claims = spoilt()
  if (context.path !== '/token' || !context.body?.id_token || !Object.keys(claims).length) return
  const key = await importJWK(settings.key, 'RS256')
  const signed = new SignJWT({ ...decodeJwt(context.body.id_token), ...claims })
  const header = { alg: 'RS256', kid: settings.key.kid }
  context.body = { ...context.body, id_token: await signed.setProtectedHeader(header).sign(key) }
})
provider.listen(settings.port, '127.0.0.1', () => console.log('listening'))
"""


class CertifiedProvider:
    """Use it in a `with` statement."""

    def __init__(self, folder: Path, page: str) -> None:
        """Install the package in `folder`, for a page at this address; nothing is served yet.

        Two clients are known: the page, and another with the same address, for which codes may be given too.
        """
        self._script = install(folder, SCRIPT, (PACKAGE,))
        self._folder, self._port = folder, free_port()
        self.issuer = f"http://127.0.0.1:{self._port}"
        common = {
            "redirect_uris": [f"{page}/signin/callback"],
            "post_logout_redirect_uris": [f"{page}/signin"],
            "scope": "openid profile groups",
        }
        self.settings: dict[str, Any] = {
            "issuer": self.issuer,
            "port": self._port,
            "clients": [{"client_id": name, "client_secret": SECRET} | common for name in (CLIENT, "another")],
            "key": Key("first").private(),
            "conforming": True,
            "groups": {"sari": ["rack-operators"], "budi": ["others", "rack-admins"]},
        }
        self.spoil()

    def spoil(self, **claims: object) -> None:
        """Put these into each ID token from now on; without any, none."""
        (self._folder / "spoilt.json").write_text(json.dumps(claims), encoding="utf-8")

    def start(self) -> None:
        """Serve, with what `settings` says now."""
        file = self._folder / "settings.json"
        file.write_text(json.dumps(self.settings), encoding="utf-8")
        words = ["node", self._script.name, file.name, "spoilt.json"]
        self._process = subprocess.Popen(
            words, cwd=self._folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "listening\n", "node doesn't serve"

    def stop(self) -> None:
        """Be away; who is signed in here is forgotten."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        """Begin to serve."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()
