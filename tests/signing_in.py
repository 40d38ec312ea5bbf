"""The official Python client, which signs in at an authorization server by itself, with the browser of its person."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import parse_qs, urljoin, urlsplit

import aiohttp
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

REDIRECT_URI: Final = "http://127.0.0.1:1/callback"
"""Nothing listens there: the browser stops before it goes back to the client."""

MOST_REDIRECTS: Final = 20


class Remembered(TokenStorage):
    """The memory of the client between its requests."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client_info: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client_info

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client_info = client_info


class Browser:
    """The person's browser: follows redirects with its cookies, up to the one that leads back to the client."""

    def __init__(self) -> None:
        self.sent_to = ""
        self.cookies = aiohttp.CookieJar(unsafe=True)  # those of an address, too

    async def go(self, url: str) -> None:
        async with aiohttp.ClientSession(cookie_jar=self.cookies) as session:
            for _ in range(MOST_REDIRECTS):
                if url.startswith(REDIRECT_URI):
                    self.sent_to = url
                    return
                async with session.get(url, allow_redirects=False) as answer:
                    assert "Location" in answer.headers, f"{answer.status}: {(await answer.text())[:300]}"
                    url = urljoin(url, answer.headers["Location"])
        raise AssertionError("too many redirects")

    async def come_back(self) -> AuthorizationCodeResult:
        answer = {name: values[0] for name, values in parse_qs(urlsplit(self.sent_to).query).items()}
        assert "code" in answer, answer
        return AuthorizationCodeResult(code=answer["code"], state=answer.get("state"), iss=answer.get("iss"))


@asynccontextmanager
async def signing_in(url: str, mode: str) -> AsyncIterator[Client]:
    """A client that knows the address of the endpoint and nothing else."""
    browser = Browser()
    metadata = OAuthClientMetadata(
        client_name="a chat program",
        redirect_uris=[AnyUrl(REDIRECT_URI)],
        grant_types=["authorization_code", "refresh_token"],
        token_endpoint_auth_method="none",
        application_type="native",
    )
    provider = OAuthClientProvider(url, metadata, Remembered(), browser.go, browser.come_back)
    async with create_mcp_http_client(auth=provider) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            yield client
