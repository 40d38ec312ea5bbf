"""The identity of a request: its owner, and the scopes within which it may act.

The guard finds it before a handler runs and leaves it under `IDENTITY`. A request that needs no token has none, so a
handler of such a route that asked for it would fail instead of acting for somebody.
"""

import asyncio
import hmac
import logging
import math
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from aiohttp import hdrs, web

from service.authorization import SCOPES
from service.images import LOCAL_OWNER
from service.settings import Settings
from service.tokens import StaticToken, digest_of, read_file, static_tokens
from service.watched_file import WatchedFile

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The owner of all that a request makes or may see, and the scopes of its token."""

    owner: str
    scopes: frozenset[str] = SCOPES
    expires: float = math.inf
    """Seconds since the epoch when the access token expires; a stream that was opened with it ends then."""


LOCAL: Final = Identity(owner=LOCAL_OWNER)
"""The identity of every request while nobody needs a token."""

IDENTITY: Final = web.RequestKey("identity", Identity)

KEY: Final = "key"
"""The query parameter that may hold a token, where EASEL_KEY_IN_URL is on."""


class TokenError(Exception):
    """A token is refused: the reason, in plain ASCII words for the client and the log.

    `is_guess` is False for one that was made for somebody, such as one that has expired: hundreds of people of a chat
    program on the web come from one address, each with such a token now and then.
    """

    def __init__(self, problem: str, *, is_guess: bool = True) -> None:
        super().__init__(problem)
        self.is_guess = is_guess


class StaticTokens:
    """The tokens of EASEL_TOKENS and, as long as they stand there, those of the file. Each has all scopes."""

    def __init__(self, fixed: Iterable[StaticToken], file: WatchedFile[tuple[StaticToken, ...]] | None = None) -> None:
        """Take these tokens, and those that the file has now."""
        self._fixed = tuple(fixed)
        self._file = file
        self._take(file.last_good if file else ())

    @classmethod
    async def open(cls, settings: Settings, *hide: Callable[[str], None]) -> "StaticTokens":
        """Read the tokens of the settings and of their file; raises `SettingsError`.

        Each `hide` is called with every token that stands plainly in the file, now or later.
        """
        fixed = static_tokens(settings.tokens.items())
        if settings.tokens_file is None:
            return cls(fixed)
        loop = asyncio.get_running_loop()

        def hide_on_loop(token: str) -> None:  # a thread reads the file
            for each in hide:
                loop.call_soon_threadsafe(each, token)

        read = partial(read_file, taken=[token.digest for token in fixed], hide=hide_on_loop)
        return cls(fixed, await WatchedFile.open("EASEL_TOKENS_FILE", settings.tokens_file, read))

    async def watch(self, revoke: Callable[[Collection[str]], None]) -> None:
        """Take the tokens of the file whenever they change, and tell which names have no token any more."""

        def take(of_file: tuple[StaticToken, ...]) -> None:
            before = set(self._identities)
            self._take(of_file)
            revoke(before - set(self._identities))
            logger.info("The tokens file has changed: %d tokens", len(of_file))

        if self._file is not None:
            await self._file.watch(take)

    def _take(self, of_file: tuple[StaticToken, ...]) -> None:
        self._tokens = (*self._fixed, *of_file)
        self._identities = {token.name: Identity(owner=token.name) for token in self._tokens}

    def find(self, token: str) -> Identity | None:
        """Return the identity of a token, None for an unknown one; raises `TokenError` for one that has expired.

        All are compared, in constant time, so that timing reveals none.
        """
        sent, found = digest_of(token), None
        for each in self._tokens:
            if hmac.compare_digest(sent, each.digest):
                found = each
        if found is None:
            return None
        if found.expires is not None and found.expires <= time.time():
            raise TokenError("The token has expired.", is_guess=False)
        return self._identities[found.name]


def bearer_token(request: web.Request) -> str:
    """Return the token of the header `Authorization: Bearer` (RFC 6750, 2.1), "" without one."""
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""  # RFC 9110, 11.1: schemes are case-insensitive
