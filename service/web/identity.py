"""The identity of a request: its owner, and the scopes within which it may act.

The guard finds it before a handler runs and leaves it under `IDENTITY`. A request that needs no token has none, so a
handler of such a route that asked for it would fail instead of acting for somebody.
"""

import asyncio
import contextlib
import hmac
import logging
import math
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias

from aiohttp import hdrs, web

from service.authorization import SCOPES
from service.images import LOCAL_OWNER, WorkError
from service.settings import Settings
from service.storage.people import StoredToken, as_sent
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
    token: str = field(default="", compare=False, repr=False)
    """The digest of the static token, by which `StaticTokens.is_good` knows it; "" for others."""


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


Stored: TypeAlias = Callable[[], Awaitable[Sequence[StoredToken]]]
"""Reads the tokens of `token add`, those that were revoked included."""

EVERY_S: Final = 1.0
"""Seconds between two looks at the tokens of `token add`, and for names without a token that is good."""


class StaticTokens:
    """The tokens of EASEL_TOKENS; as long as they stand there those of the file; and those of `token add`.

    Each has all scopes. `has_stored` is True once `token add` was used on the data folder, also when all of its tokens
    were revoked: the service stays closed then.
    """

    def __init__(
        self,
        fixed: Iterable[StaticToken],
        file: WatchedFile[tuple[StaticToken, ...]] | None = None,
        stored: Sequence[StoredToken] = (),
        read_stored: Stored | None = None,
    ) -> None:
        """Take these tokens, and those that the file has now. `read_stored` reads the stored ones again."""
        self._fixed = tuple(fixed)
        self._file = file
        self._stored = stored
        self._read_stored = read_stored
        self._take()

    @classmethod
    async def open(
        cls, settings: Settings, *follow: Callable[[Collection[str]], None], read_stored: Stored | None = None
    ) -> "StaticTokens":
        """Read the tokens of the settings, of their file, and those that are stored; raises `SettingsError`.

        Each `follow` is called with the tokens that stand plainly in the file, at each reading, by a thread.
        """
        fixed = static_tokens(settings.tokens.items())
        stored = await read_stored() if read_stored is not None else ()
        if settings.tokens_file is None:
            return cls(fixed, None, stored, read_stored)
        read = partial(_read_file, _Plain(follow), [token.digest for token in fixed])
        file = await WatchedFile.open("EASEL_TOKENS_FILE", settings.tokens_file, read)
        return cls(fixed, file, stored, read_stored)

    @property
    def names(self) -> frozenset[str]:
        """The names that have a token which is good now."""
        now = time.time()
        return frozenset(token.name for token in self._tokens if not token.problem(now))

    async def watch(self, revoke: Callable[[Collection[str]], None], every_s: float = EVERY_S) -> None:
        """Take the tokens of file and store whenever they change, and tell which names have no good token any more."""
        before = self.names
        while True:
            await asyncio.sleep(every_s)
            is_changed = await self._refresh()
            now = self.names
            if before - now:
                revoke(before - now)
            if is_changed or now != before:
                logger.info("The tokens have changed: %d tokens, %d names", len(self._identities), len(now))
            before = now

    async def _refresh(self) -> bool:
        """Read file and store; return whether they say something else. A thousand tokens are taken only then."""
        is_changed = self._file is not None and await self._file.refresh_settled()
        if self._read_stored is not None:
            with contextlib.suppress(WorkError):  # the last ones stay; the log has the trouble of the disk
                stored = await self._read_stored()
                is_changed = is_changed or stored != self._stored
                self._stored = stored
        if is_changed:
            self._take()
        return is_changed

    def _take(self) -> None:
        self.has_stored = bool(self._stored)
        of_file = self._file.last_good if self._file else ()
        self._tokens = (*self._fixed, *of_file, *as_sent(self._stored))
        self._identities = {each.digest: Identity(owner=each.name, token=each.digest.hex()) for each in self._tokens}

    def find(self, token: str) -> Identity | None:
        """Return the identity of a token, None for an unknown one; raises `TokenError` for one that is over.

        All are compared, in constant time, so that timing reveals none.
        """
        sent, found = digest_of(token), None
        for each in self._tokens:
            if hmac.compare_digest(sent, each.digest):
                found = each
        if found is None:
            return None
        if problem := found.problem(time.time()):
            raise TokenError(problem, is_guess=False)
        return self._identities[found.digest]

    def is_good(self, digest: str) -> bool:
        """Tell whether the token of this digest, in hexadecimal digits, is there and good now."""
        now = time.time()
        return any(each.digest.hex() == digest and not each.problem(now) for each in self._tokens)


class _Plain:
    """The tokens that stand plainly in a file, of its last good reading."""

    def __init__(self, follow: Sequence[Callable[[Collection[str]], None]]) -> None:
        self._follow = follow
        self._good: frozenset[str] = frozenset()

    def tell(self, written: Collection[str], *, is_good: bool) -> None:
        """Tell the followers of a reading. The tokens of the last good one stay: they are good, or came just now."""
        both = self._good.union(written)
        if is_good:
            self._good = frozenset(written)
        for each in self._follow:
            each(both)


def _read_file(plain: _Plain, taken: Collection[bytes], data: bytes) -> tuple[StaticToken, ...]:
    written: list[str] = []
    is_good = False
    try:
        tokens = read_file(data, taken, written.append)
        is_good = True
    finally:
        plain.tell(written, is_good=is_good)
    return tokens


def bearer_token(request: web.Request) -> str:
    """Return the token of the header `Authorization: Bearer` (RFC 6750, 2.1), "" without one."""
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""  # RFC 9110, 11.1: schemes are case-insensitive
