"""What one Flow2API server lists, asked for when it is first needed and kept.

A list is a help, never a condition: while it cannot be had, generations go on without, and nobody asks again for a
while.
"""

import asyncio
import logging
from typing import Final

import aiohttp
from yarl import URL

from service.images import WorkError
from service.upstreams.errors import UpstreamError, reaching
from service.upstreams.flow2api_models import Listed, listed_by
from service.upstreams.kinds import Kind
from service.upstreams.model_list import ask_models

logger = logging.getLogger(__name__)

WAIT_S: Final = 5.0
"""How long a generation waits for the list at most."""

AGAIN_S: Final = 60.0
"""How long a generation does not ask again for a list that failed."""

NO_SUCH_ROUTE: Final = frozenset({Kind.ADDRESS, Kind.BAD_REQUEST, Kind.MODEL})
"""What a 404 or 405 is taken for, by its words."""


class ModelList:
    """The list of one server."""

    def __init__(self, session: aiohttp.ClientSession, base: URL, key: str, *, wait_s: float = WAIT_S) -> None:
        self._session = session
        self._base = base
        self._key = key
        self._wait_s = wait_s
        self._listed: Listed | None = None
        self._not_before = 0.0
        self._asking = asyncio.Lock()

    async def known(self) -> Listed | None:
        """The list, or None while there is none to be had."""
        async with self._asking:
            if self._listed is None and asyncio.get_running_loop().time() >= self._not_before:
                await self._try()
            return self._listed

    async def renewed(self) -> Listed | None:
        """The list as it is now; None when it cannot be had, since the one kept was wrong."""
        async with self._asking:
            self._listed = None
            await self._try()
            return self._listed

    async def read(self) -> Listed:
        """Ask the server, and keep what it says. Raise `UpstreamError`."""
        with reaching("flow2api", paid=False):
            models = await ask_models(self._session, self._base / "models", self._key)
            self._listed = listed_by(models, await self._aliases())
            return self._listed

    async def _aliases(self) -> dict[str, str]:
        """Flow2API, src/api/routes.py: servers before 2026-03-14 do not have this route, and no generic names."""
        try:
            return await ask_models(self._session, self._base / "models/aliases", self._key)
        except UpstreamError as error:
            if error.kind not in NO_SUCH_ROUTE:
                raise
            return {}

    async def _try(self) -> None:
        try:
            async with asyncio.timeout(self._wait_s):
                await self.read()
        except (WorkError, TimeoutError) as error:
            self._not_before = asyncio.get_running_loop().time() + AGAIN_S
            why = error.kind if isinstance(error, WorkError) else "timeout"
            logger.info("flow2api: its list of models cannot be had (%s)", why)
