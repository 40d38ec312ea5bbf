"""Long base64, taken out of an answer as it arrives, so that no parser ever sees megabytes.

An image service may put a whole picture into one JSON string: as a data URI in markdown, as `b64_json`, split over
many deltas. Run through a JSON parser and one big decode, 10 MB hold up every other call for tens of milliseconds. So
each run of base64 that is long enough is taken out of the bytes and a short stand-in is left in its place:

1. `Base64Extractor.extract` takes the bytes as they come and returns what is left; `Base64Extractor.rest` returns what
   it held at the end.
2. The rest is parsed as usual. A stand-in is an ordinary piece of text there.
3. `ExtractedBase64.decode` reads any mixture of stand-ins and literal base64, in pieces, and lets others run in
   between.

A run that was cut, or found too short, merely stays literal text: a mixture decodes to the same bytes.
"""

import asyncio
import binascii
import io
import re
import string
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

import orjson

STAND_IN: Final = "\ue000[0-9]{1,9}\ue001"
"""Characters for private use: JSON needs no escape for them, and no word, URL or base64 holds them."""

LONG: Final = 4096
"""Shorter runs cost a parser nothing, and no ordinary word, key or URL segment is as long."""

PIECE: Final = 64 * 1024
"""Characters decoded at one go, about 0.2 ms."""

ALPHABET: Final = (string.ascii_letters + string.digits + "+/=_-").encode()
"""Standard and URL-safe base64, and the padding."""

LINE: Final = 60
"""MIME breaks base64 into lines of 76, PEM of 64: a break is one only before as much, or before what ends a picture.

So the words after a picture do not become part of it. PHP escapes one character of 64: sooner or later comes a stretch.
"""

DIGIT: Final = rb"[A-Za-z0-9+/=_-]"
PLAIN_LINE: Final = rb"(?=%b{%d}|%b*\s*[)\"'<])" % (DIGIT, LINE, DIGIT)
PLAIN_START: Final = re.compile(rb"(?<!%b)%b{%d}" % (DIGIT, DIGIT, LINE))
PLAIN_RUN: Final = re.compile(rb"(?:%b++|(?<!=)\r?\n%b)*+" % (DIGIT, PLAIN_LINE))
PLAIN_CUT: Final = re.compile(rb"(?:\r?\n%b{0,%d}[\r\n]{0,4}|\r)\Z" % (DIGIT, LINE - 1))
JSON_LINE: Final = rb"(?=%b{%d}|%b*(?:\\[rn])*(?:[)'<]|\\?\"))" % (DIGIT, LINE, DIGIT)
JSON_START: Final = re.compile(
    rb"(?:(?<![A-Za-z0-9+/=_\\-])|(?<=\\[/nr])|(?<=\\u00[0-9A-Fa-f]{2}))%b{%d}" % (DIGIT, LINE)
)
JSON_RUN: Final = re.compile(rb"(?:%b++|\\(?:/|u00(?:2[bBfF]|3[dD]))|(?<!=)(?:\\r)?\\n%b)*+" % (DIGIT, JSON_LINE))
"""With the escapes that encoders write inside base64: PHP escapes `/`, .NET `+`, and MIME encoders break lines."""

JSON_CUT: Final = re.compile(rb"(?:\\r)?\\n%b{0,%d}(?:\\[rn]){0,4}\\?\Z" % (DIGIT, LINE - 1))
LONGEST_CUT: Final = LINE + len(r"\r\n\r\n\r\n") + 1
LONGEST_ESCAPE: Final = len(r"\u002b")
MIXTURE: Final = re.compile(f"({STAND_IN})")
STANDARD: Final = bytes.maketrans(b"-_", b"+/")
PADDING_AND_BREAKS: Final = b"= \t\r\n"


class ExtractedBase64:
    """The runs taken out of one answer."""

    def __init__(self) -> None:
        """Begin without any."""
        self._runs: list[list[bytes]] = []

    def begin(self) -> tuple[bytes, list[bytes]]:
        """Begin a run: return its stand-in, and the list to which its pieces are appended."""
        pieces: list[bytes] = []
        self._runs.append(pieces)
        return f"\ue000{len(self._runs) - 1}\ue001".encode(), pieces

    def drop(self, text: str) -> int:
        """Forget the runs that stand in a text, which nobody decodes any more, and return their length."""
        numbers = [int(part[1:-1]) for part in MIXTURE.findall(text)]
        dropped = sum(len(piece) for number in numbers for piece in self._run(number))
        for number in numbers:
            self._runs[number].clear()
        return dropped

    async def decode(self, text: str) -> bytes:
        """Decode base64, standard or URL-safe, padded or not. Raise `ValueError` where it is none."""
        decoded = io.BytesIO()  # it grows in place and gives its bytes away, where joining pieces would copy them all
        carry = b""
        for piece in self._pieces(text):
            digits = carry + piece.translate(STANDARD, PADDING_AND_BREAKS)
            whole = len(digits) // 4 * 4
            carry = digits[whole:]
            decoded.write(binascii.a2b_base64(digits[:whole], strict_mode=True))
            await asyncio.sleep(0)  # between two pieces others may run
        decoded.write(binascii.a2b_base64(carry + b"=" * (-len(carry) % 4), strict_mode=True))
        return decoded.getvalue()

    def _pieces(self, text: str) -> Iterator[bytes]:
        for part in MIXTURE.split(text):
            if MIXTURE.fullmatch(part):
                yield from self._run(int(part[1:-1]))
            else:
                literal = unquote(part).encode()  # a URL writes + / = with escapes
                yield from (literal[at : at + PIECE] for at in range(0, len(literal), PIECE))

    def _run(self, number: int) -> list[bytes]:
        if number >= len(self._runs):
            raise ValueError("a stand-in that stands for nothing")
        return self._runs[number]


class Base64Extractor:
    """Takes the long runs out of one stream of bytes, cut anywhere. Where that is JSON, a run may hold escapes."""

    def __init__(self, extracted: ExtractedBase64, *, json: bool) -> None:
        """Put the runs into `extracted`."""
        self._extracted = extracted
        self._json = json
        self._starts, self._runs = (JSON_START, JSON_RUN) if json else (PLAIN_START, PLAIN_RUN)
        self._stand_in = b""
        self._run: list[bytes] | None = None
        self._held = b""

    def extract(self, data: bytes) -> bytes:
        """Return what is left of the data, less a tail that may be the beginning of a run, or half an escape."""
        data = self._held + data
        end = self._before_cut(data)
        left = bytearray()
        at = 0
        keep = None
        while at < end:
            if self._run is None:
                found = self._starts.search(data, at, end)
                if found is None:
                    break
                stop = self._end_of_run(data, found.start(), end)
                if stop - found.start() < LONG:
                    if stop == end:
                        keep = found.start()
                        break
                    left += data[at:stop]
                    at = stop
                    continue
                left += data[at : found.start()]
                at = found.start()
                self._stand_in, self._run = self._extracted.begin()
            stop = self._end_of_run(data, at, end)
            self._take(self._run, data[at:stop])
            at = stop
            if at < end:
                left += self._close()
        if keep is None:
            keep = end if self._run is not None else self._before_tail(data, at, end)
        self._held = data[keep:]
        return bytes(left + data[at:keep])

    def rest(self) -> bytes:
        """Return what was held when the stream ended."""
        held, self._held = self._held, b""
        return (self._close() if self._run is not None else b"") + held

    def _before_cut(self, data: bytes) -> int:
        """Return where to stop, so that no escape and no break between two lines is read half."""
        cut = (JSON_CUT if self._json else PLAIN_CUT).search(data, max(0, len(data) - LONGEST_CUT))
        end = cut.start() if cut else len(data)
        escape = data.rfind(b"\\", max(0, len(data) - LONGEST_ESCAPE)) if self._json else -1
        return end if escape < 0 else min(end, escape)

    def _before_tail(self, data: bytes, at: int, end: int) -> int:
        """Return where the digits at the end begin, with the escape that they may be the rest of."""
        tail = at + len(data[at:end].rstrip(ALPHABET))
        return tail - 1 if self._json and at < tail < end and data[tail - 1 : tail] == b"\\" else tail

    def _end_of_run(self, data: bytes, at: int, end: int) -> int:
        found = self._runs.match(data, at, end)
        return found.end() if found else at

    def _take(self, run: list[bytes], digits: bytes) -> None:
        run.append(orjson.loads(b'"%b"' % digits).encode() if b"\\" in digits else digits)

    def _close(self) -> bytes:
        self._run = None
        return self._stand_in
