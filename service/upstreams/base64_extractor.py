"""Long base64, taken out of an answer as it arrives, so that no parser ever sees megabytes.

An image service may put a whole picture into one JSON string: as a data URI in markdown, as `b64_json`, split over
many deltas. Run through a JSON parser and one big decode, 10 MB hold up every other call for tens of milliseconds. So
each run of base64 that is long enough is taken out of the bytes and a short stand-in is left in its place:

1. `Base64Extractor.extract` takes the bytes as they come and returns what is left; `Base64Extractor.rest` returns what
   it held at the end.
2. The rest is parsed as usual. A stand-in is an ordinary piece of text there.
3. `ExtractedBase64.decode` reads any mixture of stand-ins and literal base64, in pieces, and lets others run in
   between.

Plain base64, which is nearly all there is, is decoded while it arrives, so that its text is never in memory. pybase64
does so 15 times as fast as the standard library; that it succeeds is also the proof that a piece holds digits alone,
which a regular expression would take as long to find as the rest of the work.

A run that was cut, or found too short, merely stays literal text: a mixture decodes to the same bytes.
"""

import asyncio
import binascii
import io
import re
import string
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote

import orjson
import pybase64

STAND_IN: Final = "\ue000[0-9]{1,9}\ue001"
"""Characters for private use: JSON needs no escape for them, and no word, URL or base64 holds them."""

LONG: Final = 4096
"""Shorter runs cost a parser nothing, and no ordinary word, key or URL segment is as long."""

PIECE: Final = 64 * 1024
"""Characters decoded at one go, about 0.1 ms."""

WHOLE: Final = 48 * 1024
"""Bytes that are as many as a piece, in whole groups of three."""

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
ALONE: Final = re.compile(STAND_IN)
STANDARD: Final = bytes.maketrans(b"-_", b"+/")
PADDING_AND_BREAKS: Final = b"= \t\r\n"


class _Run:
    """One run that was taken out. What comes as plain standard base64 is decoded at once, the rest when it is read."""

    def __init__(self) -> None:
        self._decoded = io.BytesIO()  # it grows in place and gives its bytes away, where joining pieces would copy them
        self._digits: list[bytes] = [b""]

    def __len__(self) -> int:
        """Return the number of digits."""
        return self._decoded.tell() // 3 * 4 + sum(map(len, self._digits))

    def append(self, digits: bytes) -> None:
        """Append digits of any form."""
        if not self.append_standard(memoryview(digits)):
            self._digits.append(digits)

    def append_standard(self, digits: memoryview) -> bool:
        """Append what is nothing but digits of standard base64 without padding; return False for anything else.

        No copy is made: it may be nearly all of a picture.
        """
        if len(self._digits) > 1:
            return False
        first = bytes(digits[: -len(self._digits[0]) % 4])  # those that make a whole group of what is left
        rest = digits[len(first) :]
        last = bytes(rest[len(rest) // 4 * 4 :])
        groups = [memoryview(self._digits[0] + first), rest[: len(rest) - len(last)]]
        if not rest and len(groups[0]) % 4:
            groups, last = [], bytes(groups[0])
        try:
            pybase64.b64decode(last.ljust(len(last) + -len(last) % 4, b"A"), validate=True)
            decoded = [pybase64.b64decode(each, validate=True) for each in groups]
        except ValueError:
            return False
        if b"=" in last or sum(map(len, decoded)) * 4 != sum(map(len, groups)) * 3:  # padding
            return False
        for each in decoded:
            self._decoded.write(each)
        self._digits[0] = last
        return True

    def pieces(self) -> Iterator[bytes]:
        """Yield the digits, those that were decoded in their standard form."""
        decoded = self._decoded.getbuffer()
        yield from (pybase64.b64encode(decoded[at : at + WHOLE]) for at in range(0, len(decoded), WHOLE))
        yield from self._digits

    async def decode(self) -> bytes:
        """Decode the rest, and return all of it."""
        rest = await _decode(self._digits)
        self._decoded.write(rest)
        self._digits = [b""]
        return self._decoded.getvalue()


class ExtractedBase64:
    """The runs taken out of one answer."""

    def __init__(self) -> None:
        """Begin without any."""
        self._runs: list[_Run] = []

    @property
    def size(self) -> int:
        """The bytes of all runs, about as many as they are once they are decoded."""
        return sum(len(run) for run in self._runs) // 4 * 3

    def begin(self) -> tuple[bytes, _Run]:
        """Begin a run: return its stand-in, and the run to which its pieces are appended."""
        self._runs.append(_Run())
        return f"\ue000{len(self._runs) - 1}\ue001".encode(), self._runs[-1]

    def drop(self, text: str) -> int:
        """Forget the runs that stand in a text, which nobody decodes any more, and return their length."""
        numbers = [int(part[1:-1]) for part in MIXTURE.findall(text)]
        dropped = sum(len(self._run(number)) for number in dict.fromkeys(numbers))
        for number in numbers:
            self._runs[number] = _Run()
        return dropped

    async def decode(self, text: str) -> bytes:
        """Decode base64, standard or URL-safe, padded or not. Raise `ValueError` where it is none."""
        if ALONE.fullmatch(text):
            return await self._run(int(text[1:-1])).decode()
        return await _decode(self._pieces(text))

    def _pieces(self, text: str) -> Iterator[bytes]:
        for part in MIXTURE.split(text):
            if MIXTURE.fullmatch(part):
                yield from self._run(int(part[1:-1])).pieces()
            else:
                literal = unquote(part).encode()  # a URL writes + / = with escapes
                yield from (literal[at : at + PIECE] for at in range(0, len(literal), PIECE))

    def _run(self, number: int) -> _Run:
        if number >= len(self._runs):
            raise ValueError("a stand-in that stands for nothing")
        return self._runs[number]


async def _decode(pieces: Iterable[bytes]) -> bytes:
    """Decode pieces of one text of base64 of any form. Raise `ValueError` where it is none."""
    decoded, carry = io.BytesIO(), b""
    for piece in pieces:
        digits = carry + piece.translate(STANDARD, PADDING_AND_BREAKS)
        whole = len(digits) // 4 * 4
        carry = digits[whole:]
        decoded.write(pybase64.b64decode(digits[:whole], validate=True))
        if len(piece) >= LONG:
            await asyncio.sleep(0)  # between two pieces others may run
    decoded.write(binascii.a2b_base64(carry + b"=" * (-len(carry) % 4), strict_mode=True))
    return decoded.getvalue()


class Base64Extractor:
    """Takes the long runs out of one stream of bytes, cut anywhere. Where that is JSON, a run may hold escapes."""

    def __init__(self, extracted: ExtractedBase64, *, json: bool) -> None:
        """Put the runs into `extracted`."""
        self._extracted = extracted
        self._json = json
        self._starts, self._runs = (JSON_START, JSON_RUN) if json else (PLAIN_START, PLAIN_RUN)
        self._stand_in = b""
        self._run: _Run | None = None
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
            stop = self._end_of_digits(data, at, end)
            if not self._run.append_standard(memoryview(data)[at:stop]):
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

    def _end_of_digits(self, data: bytes, at: int, end: int) -> int:
        """Return where plain digits end if a JSON string ends there; all the same, what stands before may be none."""
        quote = data.find(b'"', at, end)
        return end if quote < 0 else quote

    def _take(self, run: _Run, digits: bytes) -> None:
        run.append(orjson.loads(b'"%b"' % digits).encode() if b"\\" in digits else digits)

    def _close(self) -> bytes:
        self._run = None
        return self._stand_in
