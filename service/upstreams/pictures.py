"""The pictures of an answer from their sources: base64 is decoded, URLs are downloaded, each once.

The pictures are paid for, so none is given up early:

1. The loss of one does not lose the others.
2. A URL that the service has just given may lead nowhere for some seconds, until its storage has the picture.
3. A service behind a proxy or in a container may name an address of its own (loopback, a container's name, a private
   one) that nobody else reaches: the same path is tried on the configured origin.
4. The URLs of all pictures are reported before the first download. That of a picture is kept as its source, also of
   one that could not be had, and with the failure where none could: by it the picture can be downloaded later, as it
   was given, signed or not, whatever it redirects to. Services are known to keep a picture for an hour at least
   (DALL·E; Flow2API for two to six), so none of their URLs is too short-lived for that.
"""

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import aiohttp
from yarl import URL

from service.bounds.byte_budget import settle
from service.images import Picture, Progress
from service.pictures.sniffing import HEAD_BYTES, describe, is_text, sniff
from service.settings import Timeouts
from service.upstreams.base64_extractor import ExtractedBase64
from service.upstreams.errors import UpstreamError
from service.upstreams.fetch import FetchError, RetryPolicy, Trouble, Trusted, fetch, read_url
from service.upstreams.image_sources import Inline, Link, Raw, Source, is_file
from service.upstreams.kinds import Kind

MOST: Final = 16
"""Pictures taken from one answer. No service makes more than ten."""

MOST_BYTES: Final = 256 * 1024 * 1024
"""Of all pictures of one answer together: ten in 4K."""

STORED: Final = "/tmp/"  # noqa: S108 - a path of Flow2API's web server, not of this machine
"""Path of the pictures that Flow2API stores (flow2api #103: it may name a host that is not its own)."""

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 4.0
GUESS_S: Final = 3.0
"""Seconds in which a picture has to appear at a URL that may as well lead to none."""

PLACEHOLDER: Final = re.compile(
    r"https?://(?:(?:[\w-]+\.)*(?:example\.(?:com|org|net)|placeholder\.com|placehold\.(?:co|it)|dummyimage\.com)(?:[:/]|\Z)"
    r"|[^/]+/image_generation_content/[0-9]+\Z)"
)
"""URLs that a model writes which has drawn nothing (Nativu5/Gemini-FastAPI #76)."""

NOT_ASKED: Final = frozenset({Trouble.PRIVATE, Trouble.PORT, Trouble.UNREACHED})
"""Troubles in which no host was asked for the picture."""

APPEARS: Final = frozenset({Trouble.UNREACHED, Trouble.PASSING, Trouble.ABSENT, Trouble.OTHER})
"""Troubles that may be over some seconds later."""


class UnreadableError(Exception):
    """A picture inside the answer cannot be used."""


class PlaceholderError(Exception):
    """A link leads to no picture, and none was made."""


def pauses(total_s: float) -> Iterator[float]:
    """Yield the pauses between tries for so many seconds: half a second, then each twice as long, at most 4 s."""
    pause_s = FIRST_PAUSE_S
    while total_s > 0:
        yield min(pause_s, total_s)
        total_s -= pause_s
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


@dataclass(frozen=True, kw_only=True)
class PictureReader:
    """Reads the pictures of one service, which may lie on its own host, private or not, and on any public one."""

    session: aiohttp.ClientSession
    trusted: Trusted
    max_file_bytes: int
    timeouts: Timeouts

    async def read(
        self, sources: Sequence[Source], extracted: ExtractedBase64, progress: Progress, note: str = ""
    ) -> list[Picture]:
        """Return the pictures; none where guessed links alone were found, and led to no picture.

        Raise `UpstreamError` for the first failure when no picture can be had, else note on each that some failed; of
        those that can be had later, only the source comes with it.
        """
        if named := [link for source in sources[:MOST] for link in self._named(source)]:
            await progress("The picture is drawn; downloading it", links=named)
        found: list[Picture] = []
        missing: list[str] = []
        links: list[str] = []
        for source in sources[:MOST]:
            left = MOST_BYTES - sum(len(each.data) for each in found)
            try:
                picture = await self._picture(source, extracted, min(left, self.max_file_bytes))
            except PlaceholderError:
                continue
            except FetchError as error:
                missing.append(str(error))
                links += self._kept_link(source, error)
            except UnreadableError as error:
                missing.append(str(error))
            else:
                if picture.data not in [each.data for each in found]:
                    found.append(picture)
                    settle(sum(len(each.data) for each in found))
        if missing and not found:
            kind = Kind.DOWNLOAD if links else Kind.LOST
            raise UpstreamError(kind, detail=missing[0]).keeping(links=links)
        loss = f"{len(missing)} more could not be had at first. {missing[0]}" if missing else ""
        notes = " ".join(filter(None, (note, loss)))
        return [replace(each, note=notes) for each in found] + [Picture(data=b"", source=link) for link in links]

    async def again(self, source: str) -> bytes:
        """Download a picture once more by its source, which is never charged. Raise `WorkError`."""
        try:
            return await self._download(read_url(source), self.max_file_bytes, 0)
        except FetchError as error:
            if error.trouble is Trouble.ABSENT:
                raise UpstreamError(Kind.GONE, detail=f"({error})") from error
            raise

    async def _picture(self, source: Source, extracted: ExtractedBase64, max_bytes: int) -> Picture:
        match source:
            case Link():
                return await self._linked(source, max_bytes)
            case Raw(data):
                pass
            case Inline(digits):
                try:
                    data = await extracted.decode(digits)
                except ValueError as error:
                    raise UnreadableError("Its base64 cannot be read.") from error
        if len(data) > max_bytes:
            raise UnreadableError(f"It is larger than {max_bytes / 1_000_000:g} MB.")
        return Picture(data=data)

    async def _linked(self, link: Link, max_bytes: int) -> Picture:
        """Download the picture of a link. Raise `PlaceholderError` for one that never led to a picture."""
        url = self._url(link)
        if PLACEHOLDER.match(str(url)):
            raise PlaceholderError
        is_vague = _is_vague(link)
        appear_s = min(self.timeouts.appear_s, GUESS_S) if is_vague else self.timeouts.appear_s
        try:
            return Picture(data=await self._download(url, max_bytes, appear_s), source=str(url))
        except FetchError as error:
            if (error.trouble is Trouble.OTHER and link.guessed) or (error.trouble is Trouble.ABSENT and is_vague):
                raise PlaceholderError from error
            raise

    def _kept_link(self, source: Source, error: FetchError) -> list[str]:
        """Return the URL of a picture that may still be had later."""
        if error.trouble is Trouble.UNUSABLE or not isinstance(source, Link):
            return []
        return [str(self._url(source))]

    def _named(self, source: Source) -> list[str]:
        """Return the URL at which a picture surely lies."""
        if not isinstance(source, Link) or _is_vague(source):
            return []
        with suppress(FetchError):
            url = str(self._url(source))
            return [] if PLACEHOLDER.match(url) else [url]
        return []

    def _url(self, link: Link) -> URL:
        """Return the URL of a link. Raise `FetchError` for one that cannot be used."""
        return read_url(link.url, base=self.trusted.base)

    async def _download(self, url: URL, max_bytes: int, appear_s: float) -> bytes:
        """Download a picture that may appear within so many seconds, at its URL or on the service's own origin.

        Raise the `FetchError` of the first address that could be asked.
        """
        addresses = [url]
        problem: FetchError | None = None
        for pause_s in (0.0, *pauses(appear_s)):
            if pause_s:
                await asyncio.sleep(pause_s)
            hopeful: list[URL] = []
            for address in addresses:  # grows by those on the service's own origin
                try:
                    return await self._fetch(address, max_bytes)
                except FetchError as error:
                    if problem is None:
                        addresses += self._on_own_origin(error)
                    if problem is None or problem.trouble in NOT_ASKED:
                        problem = error
                    if error.trouble in APPEARS:
                        hopeful.append(address)
            if not hopeful:
                break
            addresses = hopeful
        assert problem is not None  # noqa: S101 - the first address was tried
        raise problem

    def _on_own_origin(self, error: FetchError) -> list[URL]:
        """Return the same path on the configured origin, where the URL may be the service's wrong idea of itself."""
        url = error.url
        may_be_own = self.trusted.on_same_host(url) or url.raw_path.startswith(STORED)
        if error.trouble is Trouble.REFUSED or not (may_be_own or error.trouble in NOT_ASKED):
            return []
        base = self.trusted.base
        below = base.raw_path.rpartition("/")[0]  # of a service that a proxy serves below a path of its own
        paths = dict.fromkeys((url.raw_path_qs, f"{below}{url.raw_path_qs}"))
        return [each for path in paths if (each := base.join(URL(path, encoded=True))) != url]

    async def _fetch(self, url: URL, max_bytes: int) -> bytes:
        retry = RetryPolicy(total_s=self.timeouts.download_s, pauses_s=())
        data = await fetch(self.session, str(url), max_bytes=max_bytes, trusted=self.trusted, retry=retry)
        if sniff(data) is None and is_text(data[:HEAD_BYTES]):
            raise FetchError(url, f"what came is {describe(data)}", Trouble.OTHER)
        return data


def _is_vague(link: Link) -> bool:
    """Tell whether a link may as well lead to no picture."""
    return link.guessed and not is_file(link.url)
