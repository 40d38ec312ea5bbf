"""Pictures that a person sends from their own device: the one-time link, what came by it, and who waits for it.

1. A link is open for an hour, for one sending of a few pictures. While it is fresh, an owner is given the same one
   again: a model that asks twice does not make the page that the person has open a dead end.
2. The link is the key. It holds a secret of 192 bits, made of the owner and the time by our own secret, so that it can
   be told again; written down is only its SHA-256.
3. What was sent waits a day for a call. The first job that starts from it uses it, which the keeper sees by itself; it
   is used up when that job has failed or its picture was handed over, and not before: a call that is repeated after a
   timeout finds the same pictures, and so joins the same job.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from service.storage.uploads import KEPT_S, Upload, UploadKeeper

LOOK_S: Final = 2.0
"""Between two looks whether it came in by another process that shares the data folder."""

MOST: Final = 16
"""Pictures in one sending: no image service takes more references."""

MOST_BYTES: Final = 64_000_000
"""Of the references of one call together, and so of one sending: they are held in memory, and sent on as base64."""

SECRET_BYTES: Final = 24


class Uploads:
    """Gives links, takes in what comes by them, and has it ready for the next call. `pages_url` ends in a slash."""

    def __init__(
        self, keeper: UploadKeeper, key: bytes, pages_url: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._keeper = keeper
        self._key = key
        self._pages_url = pages_url
        self._clock = clock
        self._arrivals: dict[str, asyncio.Event] = {}

    async def link(self, owner: str, most: int = 1) -> str:
        """A link by which this owner can send up to `most` pictures, once."""
        upload = await self._keeper.open(owner, self._clock(), self._id)
        secret = self._secret(owner, upload.created_at)
        return f"{self._pages_url}{secret}?most={max(1, min(most, MOST))}"

    async def find(self, secret: str) -> Upload | None:
        """The upload that a secret opens. A wrong one costs the same hash and the same look as a right one."""
        return await self._keeper.find(_hashed(secret))

    def is_over(self, upload: Upload) -> bool:
        """Whether its hour has passed."""
        return self._clock() >= upload.expires_at

    async def receive(self, upload: Upload, names: Sequence[str]) -> bool:
        """Take in what was sent, and wake who waits for it; false if something came by this link before."""
        received = await self._keeper.receive(upload.id, names)
        arrival = self._arrivals.pop(upload.owner, None)
        if arrival is not None:
            arrival.set()
        return received

    async def ready(self, owner: str) -> Upload | None:
        """What the owner sent and is not used up."""
        return await self._keeper.ready(owner, self._clock() - KEPT_S)

    async def latest_used(self, owner: str) -> Upload | None:
        """What the owner sent last, if it is used up."""
        return await self._keeper.latest_used(owner, self._clock() - KEPT_S)

    async def wait(self, owner: str, patience_s: float) -> Upload | None:
        """Wait until something is ready; None if nothing came in that time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(None if patience_s == math.inf else patience_s):
                while True:
                    arrival = self._arrivals.setdefault(owner, asyncio.Event())
                    if found := await self.ready(owner):
                        return found
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_S):
                            await arrival.wait()
        return None

    async def spend(self, upload: Upload) -> None:
        """Count it as used up, since no job can start from it: the next call gets a new link."""
        await self._keeper.spend(upload.id, self._clock())

    def _secret(self, owner: str, created_at: float) -> str:
        made = hmac.digest(self._key, json.dumps([owner, created_at]).encode(), "sha256")
        return base64.urlsafe_b64encode(made[:SECRET_BYTES]).decode()

    def _id(self, owner: str, created_at: float) -> str:
        return _hashed(self._secret(owner, created_at))


def _hashed(secret: str) -> str:
    # A path may hold what is not UTF-8, as surrogates.
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
