"""The type of a setting that holds a web server's address, which is checked when the file is read."""

from typing import Annotated

import httpx2
from pydantic import AfterValidator


def _address(text: str) -> str:
    try:
        url = httpx2.URL(text)
        url.host.encode("idna")  # as the resolver will
    except (httpx2.InvalidURL, ValueError) as error:
        raise ValueError("no address: give http:// or https://, a host, and nothing that can't stand in one") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("no address: give http:// or https:// and a host")
    if url.userinfo:
        raise ValueError("leave name and password out of the address: give a file that holds them")
    return text


WebAddress = Annotated[str, AfterValidator(_address)]
