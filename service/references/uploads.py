"""Uploads, the pictures that a person sends from their own device: one-time links, arrivals, and waiting for them.

1. A link belongs to one request, and so do the pictures that come by it: a picture that is sent for one chat is not
   drawn into the picture of another. A call with other arguments gets a link of its own.
2. A link is open for an hour, for one sending of a few pictures. While it is fresh, the same request is given the same
   one again: a model that asks twice keeps the page that the person has open alive.
3. The link is the key. It holds a secret of 192 bits, derived from the owner and the time with the server's own secret,
   so that the same link can be made again; the records hold only its SHA-256.
4. An upload waits a day for its call. The first job that starts from it uses it. It is used up once that job has
   failed or its picture was delivered: a call that is repeated after a timeout finds the same pictures, and so joins
   the same job.
5. A mask that the person paints over a picture comes in the same way, by a link of its own, which also shows that
   picture to whoever has it. Where the picture itself comes from their device, its page leads on to that of the mask.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from service.redaction import visible
from service.routes import UPLOADS
from service.storage.upload_records import KEPT_S, OPEN_S, Upload, UploadKeeper, UploadRequest

LOOK_S: Final = 2.0
"""Seconds between two looks for an upload that came in by another process on the same data folder."""

MAX_PICTURES: Final = 16
"""Most pictures in one sending: no image service takes more references."""

MAX_TOTAL_BYTES: Final = 64_000_000
"""Most bytes of the references of one call, and so of one sending: they are held in memory, and sent on as base64."""

SECRET_BYTES: Final = 24
PROMPT_LENGTH: Final = 200
"""Characters of a prompt by which a person knows their request again."""


def upload_request(arguments: Mapping[str, Any]) -> UploadRequest:
    """Return what tells a call's request from others: its arguments, whatever their order and the spaces in the prompt.

    5.0 is 5 to a JSON schema, and so to this.
    """
    prompt = " ".join(str(arguments.get("prompt", "")).split())
    plain = {name: int(value) if _is_whole(value) else value for name, value in arguments.items()}
    said = json.dumps(plain | {"prompt": prompt}, sort_keys=True, default=str)
    seen = visible(prompt)
    shown = seen if len(seen) <= PROMPT_LENGTH else f"{seen[: PROMPT_LENGTH - 1].rstrip()}…"
    return UploadRequest(key=_hashed(said), prompt=shown)


def mask_request(request: UploadRequest, picture: str) -> UploadRequest:
    """Return the request for a mask that the person paints over a picture, for a call of this request.

    A call whose picture is another one by now finds no mask of the first.
    """
    return UploadRequest(key=_hashed(f"{request.key} {picture}"), prompt=request.prompt, picture=picture)


class Uploads:
    """Makes upload links, receives the pictures, and hands them to the next call."""

    def __init__(
        self, keeper: UploadKeeper, key: bytes, pages_url: str, clock: Callable[[], float] = time.time
    ) -> None:
        """Sign links with `key`; `pages_url` stands before the secret of a link and ends in a slash."""
        self._keeper = keeper
        self._key = key
        self._pages_url = pages_url
        self._clock = clock
        self._arrivals: dict[str, asyncio.Event] = {}

    async def link(self, owner: str, request: UploadRequest, most: int = 1, reached_at: str = "") -> str:
        """Return a link by which this owner can send up to `most` pictures for a request, once.

        It begins with the address by which the call came, where links follow that.
        """
        upload = await self._keeper.open(owner, request, self._clock(), self._id)
        secret = self._secret(owner, upload.created_at)
        pages_url = reached_at + UPLOADS.path if reached_at else self._pages_url
        return f"{pages_url}{secret}{'' if request.picture else f'?most={max(1, min(most, MAX_PICTURES))}'}"

    async def mask_secret(self, upload: Upload, picture: str) -> str:
        """Return the secret of the link by which a mask is painted over a picture that was sent for the same call."""
        painting = await self._keeper.open(upload.owner, mask_request(upload.request, picture), self._clock(), self._id)
        return self._secret(upload.owner, painting.created_at)

    async def find(self, secret: str) -> Upload | None:
        """Return the upload that a secret opens. A wrong secret costs the same hash and look-up as a right one."""
        return await self._keeper.find(_hashed(secret))

    def is_over(self, upload: Upload) -> bool:
        """Tell whether the hour of an upload has passed, or is still to come since the clock was ahead."""
        return not upload.created_at - OPEN_S <= self._clock() < upload.expires_at

    async def receive(self, upload: Upload, names: Sequence[str]) -> bool:
        """Record the files that were sent, and wake the calls that wait; false if the link was used before."""
        received = await self._keeper.receive(upload.id, names)
        arrival = self._arrivals.pop(upload.owner, None)
        if arrival is not None:
            arrival.set()
        return received

    async def ready(self, owner: str, request: UploadRequest) -> Upload | None:
        """Return the upload that a call of this request starts from, or None."""
        return await self._keeper.ready(owner, request.key, self._clock() - KEPT_S)

    async def latest(self, owner: str, picture: str = "") -> Upload | None:
        """Return the owner's newest upload with pictures, for whatever request; or newest mask of this picture."""
        return await self._keeper.latest(owner, self._clock() - KEPT_S, picture)

    async def wait(self, owner: str, request: UploadRequest, patience_s: float) -> Upload | None:
        """Wait for an upload that is ready for this request; None after `patience_s` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(None if patience_s == math.inf else patience_s):
                while True:
                    arrival = self._arrivals.setdefault(owner, asyncio.Event())
                    if found := await self.ready(owner, request):
                        return found
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_S):
                            await arrival.wait()
        return None

    async def spend(self, upload: Upload) -> None:
        """Count an upload that no job can start from as used up: the next call gets a new link."""
        await self._keeper.spend(upload.id, self._clock())

    def _secret(self, owner: str, created_at: float) -> str:
        made = hmac.digest(self._key, json.dumps([owner, created_at]).encode(), "sha256")
        return base64.urlsafe_b64encode(made[:SECRET_BYTES]).decode()

    def _id(self, owner: str, created_at: float) -> str:
        return _hashed(self._secret(owner, created_at))


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value.is_integer()


def _hashed(secret: str) -> str:
    # A path may hold what is not UTF-8, as surrogates.
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
