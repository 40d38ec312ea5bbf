"""The pictures of an answer from their sources: base64 is decoded, URLs are downloaded, each once.

The pictures are paid for. So the loss of one does not lose the others, and a URL that names the wrong host is tried
again on the service's own. The URL of a picture is kept as its source, by which it can be downloaded once more: as it
was given, signed or not, whatever it redirects to. Services are known to keep a picture for an hour at least (DALL·E;
Flow2API for two to six), so none of their URLs is too short-lived to be noted down.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import aiohttp
from yarl import URL

from service.images import Picture
from service.settings import Timeouts
from service.upstreams.base64_extractor import ExtractedBase64
from service.upstreams.errors import UpstreamError
from service.upstreams.fetch import FetchError, RetryPolicy, Trusted, fetch, read_url
from service.upstreams.image_sources import Inline, Link, Source
from service.upstreams.kinds import Kind

MOST: Final = 16
"""Pictures taken from one answer. No service makes more than ten."""

MOST_BYTES: Final = 256 * 1024 * 1024
"""Of all pictures of one answer together: ten in 4K."""

STORED: Final = "/tmp/"  # noqa: S108 - a path of Flow2API's web server, not of this machine


class UnreadableError(Exception):
    """A picture inside the answer cannot be used."""


@dataclass(frozen=True, kw_only=True)
class PictureReader:
    """Reads the pictures of one service, which may lie on its own host, private or not, and on any public one."""

    session: aiohttp.ClientSession
    trusted: Trusted
    max_file_bytes: int
    timeouts: Timeouts

    async def read(self, sources: Sequence[Source], extracted: ExtractedBase64, note: str = "") -> list[Picture]:
        """Return the pictures that can be had; none where a guessed link alone was found, and led to a web page.

        Raise `UpstreamError` for the first failure when no picture is left, else note on each picture that some failed.
        """
        found: list[Picture] = []
        missing: list[str] = []
        for source in sources[:MOST]:
            left = MOST_BYTES - sum(len(each.data) for each in found)
            try:
                picture = await self._picture(source, extracted, min(left, self.max_file_bytes))
            except FetchError as error:
                if not (error.page and isinstance(source, Link) and source.guessed):
                    missing.append(str(error))
            except UnreadableError as error:
                missing.append(str(error))
            else:
                if picture.data not in [each.data for each in found]:
                    found.append(picture)
        if missing and not found:
            raise UpstreamError(Kind.DOWNLOAD, detail=missing[0])
        loss = f"{len(missing)} more could not be had. {missing[0]}" if missing else ""
        notes = " ".join(filter(None, (note, loss)))
        return [replace(each, note=notes) for each in found]

    async def again(self, source: str) -> bytes:
        """Download a picture once more by its source, which is never charged. Raise `WorkError`."""
        try:
            return await self._download(read_url(source), self.max_file_bytes)
        except FetchError as error:
            if error.gone:
                raise UpstreamError(Kind.GONE, detail=f"({error})") from error
            raise

    async def _picture(self, source: Source, extracted: ExtractedBase64, max_bytes: int) -> Picture:
        match source:
            case Inline(digits):
                try:
                    data = await extracted.decode(digits)
                except ValueError as error:
                    raise UnreadableError("Its base64 cannot be read.") from error
                if len(data) > max_bytes:
                    raise UnreadableError(f"It is larger than {max_bytes / 1_000_000:g} MB.")
                return Picture(data=data)
            case Link(text):
                url = read_url(text, base=self.trusted.base)
                return Picture(data=await self._download(url, max_bytes), source=str(url))

    async def _download(self, url: URL, max_bytes: int) -> bytes:
        """Download a picture. Quirk: Flow2API may not know its own address (flow2api #103, `0.0.0.0` until ef4e9b3)."""
        stored = self.trusted.base.join(URL(url.raw_path_qs, encoded=True))
        retry = RetryPolicy(total_s=self.timeouts.download_s)
        if url == stored or not url.raw_path.startswith(STORED):
            return await self._fetch(url, max_bytes, retry)
        try:
            return await self._fetch(url, max_bytes, replace(retry, pauses_s=()))
        except FetchError:
            return await self._fetch(stored, max_bytes, retry)

    async def _fetch(self, url: URL, max_bytes: int, retry: RetryPolicy) -> bytes:
        return await fetch(self.session, str(url), max_bytes=max_bytes, trusted=self.trusted, retry=retry)
