"""People who visit the page in the tests: signed in, with a role, as their browser would be."""

import re
from typing import Any

from httpx2 import Response
from starlette.testclient import TestClient

from warehouse.console.app import make_app
from warehouse.console.context import Console
from warehouse.console.identity.people import add_person, find_person
from warehouse.console.identity.roles import Role
from warehouse.console.identity.sessions import begin_session, csrf_of
from warehouse.console.pages.settings import PageSettings

SITE_ADDRESS = "http://testserver"


class Browser:
    """One person's browser."""

    def __init__(self, console: Console, role: Role | None, language: str = "en", **settings: Any) -> None:
        """Signed in with this role; None: nobody."""
        app = make_app(console, PageSettings(**settings))
        headers = {"Accept": "text/html", "Accept-Language": language}
        self.client = TestClient(
            app, SITE_ADDRESS, headers=headers, follow_redirects=False, raise_server_exceptions=False
        )
        self.csrf = ""
        if role is not None:
            name = f"a {role.word}"
            person = find_person(console.database, name) or add_person(console.database, name, role.word, "")
            secret = begin_session(console.database, person)
            self.show(secret)
            self.csrf = csrf_of(secret)

    @property
    def cookie(self) -> str:
        """The session's."""
        return str(self.client.cookies["kardus_session"])

    def show(self, secret: str) -> None:
        """Bring this cookie along, in place of another."""
        self.client.cookies.clear()
        self.client.cookies.set("kardus_session", secret, "testserver.local", "/")

    def get(self, path: str, **more: Any) -> Response:
        """Read a page."""
        found: Response = self.client.get(path, **more)
        return found

    def post(self, path: str, **fields: str) -> Response:
        """Send a form as the page does."""
        found: Response = self.client.post(path, data={"csrf": self.csrf, **fields})
        return found


def words_of(html: str) -> str:
    """What a page shows, without its marks."""
    return re.sub(r"\s+", " ", re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", html, flags=re.DOTALL)).strip()
