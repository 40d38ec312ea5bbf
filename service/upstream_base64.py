"""Long base64, lifted out of an answer as it arrives, so that no parser ever sees megabytes.

An image service may put a whole picture into one JSON string: as a data URI in markdown, as `b64_json`, split over
many deltas. Run through a JSON parser and one big decode, 10 MB hold up every other call for tens of milliseconds. So
each run of base64 that is long enough is taken out of the bytes and a short stand-in is left in its place:

1. `Lifter.lift` takes the bytes as they come and gives back what is left; `Lifter.rest` what it held at the end.
2. The rest is parsed as usual. A stand-in is an ordinary piece of text there.
3. `Lifted.decode` reads any mixture of stand-ins and literal base64, in pieces, and lets others run in between.

A run that was cut, or found too short, merely stays literal text: a mixture decodes to the same bytes.
"""

import asyncio
import binascii
import re
import string
from collections.abc import Iterator
from typing import Final

import orjson

STAND_IN: Final = "\ue000[0-9]{1,9}\ue001"
"""Characters for private use: JSON needs no escape for them, and no word, URL or base64 holds them."""

LONG: Final = 4096
"""Shorter runs cost a parser nothing, and no ordinary word, key or URL segment is as long."""

PIECE: Final = 64 * 1024
"""Characters decoded at one go, about 0.2 ms."""

ALPHABET: Final = (string.ascii_letters + string.digits + "+/=_-").encode()
"""Standard and URL-safe base64, and the padding."""

LONG_RUN: Final = re.compile(rb"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/=_-]{%d,}" % LONG)
PLAIN_RUN: Final = re.compile(rb"[A-Za-z0-9+/=_-]*+")
JSON_RUN: Final = re.compile(rb"(?:[A-Za-z0-9+/=_-]++|\\(?:[/nr]|u00(?:2[bBfF]|3[dD])))*+")
"""With the escapes that encoders write inside base64: PHP escapes `/`, .NET `+`, and MIME encoders break lines."""

LONGEST_ESCAPE: Final = len(r"\u002b")
MIXTURE: Final = re.compile(f"({STAND_IN})")
STANDARD: Final = bytes.maketrans(b"-_", b"+/")
PADDING_AND_BREAKS: Final = b"= \t\r\n"


class Lifted:
    """The runs taken out of one answer."""

    def __init__(self) -> None:
        self._runs: list[list[bytes]] = []

    def begin(self) -> tuple[bytes, list[bytes]]:
        """Begin a run: return what stands in its place, and the list to which its pieces are appended."""
        pieces: list[bytes] = []
        self._runs.append(pieces)
        return f"\ue000{len(self._runs) - 1}\ue001".encode(), pieces

    async def decode(self, text: str) -> bytes:
        """Decode base64, standard or URL-safe, padded or not. Raise `ValueError` where it is none."""
        decoded: list[bytes] = []
        carry = b""
        for piece in self._pieces(text):
            digits = carry + piece.translate(STANDARD, PADDING_AND_BREAKS)
            whole = len(digits) // 4 * 4
            carry = digits[whole:]
            decoded.append(binascii.a2b_base64(digits[:whole], strict_mode=True))
            await asyncio.sleep(0)  # between two pieces others may run
        decoded.append(binascii.a2b_base64(carry + b"=" * (-len(carry) % 4), strict_mode=True))
        return b"".join(decoded)

    def _pieces(self, text: str) -> Iterator[bytes]:
        for part in MIXTURE.split(text):
            if MIXTURE.fullmatch(part):
                yield from self._run(int(part[1:-1]))
            else:
                literal = part.encode()
                yield from (literal[at : at + PIECE] for at in range(0, len(literal), PIECE))

    def _run(self, number: int) -> list[bytes]:
        if number >= len(self._runs):
            raise ValueError("a stand-in that stands for nothing")
        return self._runs[number]


class Lifter:
    """Takes the long runs out of one stream of bytes, cut anywhere. Where that is JSON, a run may hold escapes."""

    def __init__(self, lifted: Lifted, *, json: bool) -> None:
        self._lifted = lifted
        self._json = json
        self._stand_in = b""
        self._run: list[bytes] | None = None
        self._held = b""

    def lift(self, data: bytes) -> bytes:
        """Return what is left of the data, less a tail that may be the beginning of a run or half an escape."""
        data = self._held + data
        end = self._before_cut_escape(data)
        left = bytearray()
        at = 0
        while at < end:
            if self._run is None:
                found = LONG_RUN.search(data, at, end)
                if found is None:
                    break
                left += data[at : found.start()]
                at = found.start()
                self._stand_in, self._run = self._lifted.begin()
            at += self._follow(self._run, data, at, end)
            if at < end:
                left += self._close()
        keep = end if self._run is not None else at + len(data[at:end].rstrip(ALPHABET))
        self._held = data[keep:]
        return bytes(left + data[at:keep])

    def rest(self) -> bytes:
        """Return what was held when the stream ended."""
        held, self._held = self._held, b""
        return (self._close() if self._run is not None else b"") + held

    def _before_cut_escape(self, data: bytes) -> int:
        """Where to stop, so that no escape is read half."""
        cut = data.rfind(b"\\", max(0, len(data) - LONGEST_ESCAPE)) if self._json else -1
        return len(data) if cut < 0 else cut

    def _follow(self, run: list[bytes], data: bytes, at: int, end: int) -> int:
        """Append to the run what belongs to it, and return how much that is."""
        found = (JSON_RUN if self._json else PLAIN_RUN).match(data, at, end)
        digits = found[0] if found else b""
        run.append(orjson.loads(b'"%b"' % digits).encode() if b"\\" in digits else digits)
        return len(digits)

    def _close(self) -> bytes:
        self._run = None
        return self._stand_in
