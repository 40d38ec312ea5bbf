"""From where a picture is to the picture: base64 decoded, URLs downloaded, each once.

The pictures are paid for. So one that cannot be had does not take the others with it, and a URL that names the wrong
host is tried again on the service's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import aiohttp
from yarl import URL

from service.fetch import FetchError, Patience, Trusted, fetch, read_url
from service.images import Picture
from service.settings import Waits
from service.upstream_base64 import Lifted
from service.upstream_chat_places import Inline, Link, Source
from service.upstream_errors import Kind, UpstreamError

MOST: Final = 16
"""Pictures taken from one answer. No service makes more than ten."""

MOST_BYTES: Final = 256 * 1024 * 1024
"""Of all pictures of one answer together: ten in 4K."""

STORED: Final = "/tmp/"  # noqa: S108 - a path of Flow2API's web server, not of this machine


class UnreadableError(Exception):
    """A picture within the answer cannot be used."""


@dataclass(frozen=True, kw_only=True)
class PictureReader:
    """Gets the pictures of one service, which may lie on its own host, private or not, and on any public one."""

    session: aiohttp.ClientSession
    trusted: Trusted
    max_file_bytes: int
    waits: Waits

    async def read(self, sources: Sequence[Source], lifted: Lifted, note: str = "") -> list[Picture]:
        """The pictures that can be had; none where all that was found is a web page that nobody called a picture.

        Raise `UpstreamError` for the first failure when no picture is left, else note on each picture that some failed.
        """
        found: list[bytes] = []
        missing: list[str] = []
        for source in sources[:MOST]:
            left = MOST_BYTES - sum(map(len, found))
            try:
                data = await self._bytes(source, lifted, min(left, self.max_file_bytes))
            except FetchError as error:
                if not (error.page and isinstance(source, Link) and source.guessed):
                    missing.append(str(error))
            except UnreadableError as error:
                missing.append(str(error))
            else:
                if data not in found:
                    found.append(data)
        if missing and not found:
            raise UpstreamError(Kind.DOWNLOAD, detail=missing[0])
        lost = f"{len(missing)} more could not be had. {missing[0]}" if missing else ""
        notes = " ".join(filter(None, (note, lost)))
        return [Picture(data=data, note=notes) for data in found]

    async def _bytes(self, source: Source, lifted: Lifted, max_bytes: int) -> bytes:
        match source:
            case Inline(digits):
                try:
                    data = await lifted.decode(digits)
                except ValueError as error:
                    raise UnreadableError("Its base64 cannot be read.") from error
                if len(data) > max_bytes:
                    raise UnreadableError(f"It is larger than {max_bytes} bytes.")
                return data
            case Link(url):
                return await self._download(url, max_bytes)

    async def _download(self, text: str, max_bytes: int) -> bytes:
        """Download a picture. Quirk: Flow2API may not know its own address (flow2api #103, `0.0.0.0` until ef4e9b3)."""
        url = read_url(text, base=self.trusted.base)
        stored = self.trusted.base.join(URL(url.raw_path_qs, encoded=True))
        patience = Patience(total_s=self.waits.download_s)
        if url == stored or not url.raw_path.startswith(STORED):
            return await self._fetch(url, max_bytes, patience)
        try:
            return await self._fetch(url, max_bytes, replace(patience, pauses_s=()))
        except FetchError:
            return await self._fetch(stored, max_bytes, patience)

    async def _fetch(self, url: URL, max_bytes: int, patience: Patience) -> bytes:
        return await fetch(self.session, str(url), max_bytes=max_bytes, trusted=self.trusted, patience=patience)
