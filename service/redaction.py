"""Redaction: texts from outside, without configured secrets and without characters that nobody sees.

1. A `Redactor` knows every configured key, token and password. It finds them, and parts of them, also where a service
   echoes them as Base64 or hex, with URL, JSON or HTML escapes, wrapped over lines, or in other letters' case.
2. `visible` takes out the characters that a model reads and a person does not see, by their properties in Unicode.

Both are fast enough for the event loop: some 20 ns a character, however many secrets there are.
"""

import base64
import html
import re
import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import unquote

import regex

from service.images import Progress

HIDDEN: Final = "[hidden]"
"""Stands where a secret was."""

SHORTEST: Final = 6
"""Characters of a secret that is replaced. A shorter one, as tests have, would blank a part of many a word."""

PART: Final = 12
"""Characters of a secret that are replaced where no more of it is there: texts are cut at many places."""

CHOSEN: Final = 16
"""Characters from which on no word that a person writes is a secret by accident. Tokens have as many at least."""

_GRAM: Final = 8
"""Characters that are looked up. Any `PART` characters hold a whole one that begins at a multiple of `_STEP`."""

_STEP: Final = PART - _GRAM + 1

_ESCAPE: Final = re.compile(
    r"%(?:25)*(?P<url>[0-9A-Fa-f]{2})"
    r"|&(?:amp;)*(?P<entity>#x?[0-9A-Fa-f]{1,6};|[a-z]{2,6};)"
    r"|\\+(?:(?:u00|x)(?P<code>[0-9A-Fa-f]{2})|(?P<literal>[/\"'\\])|[nr])"
    r"|[\r\n]+"
)
"""Escapes of URLs, HTML and JSON, also escaped more than once, and line breaks, which Base64 has within long words."""

_ESCAPED: Final = re.compile(r"[%&\\\r\n]")
"""The first characters of all escapes: found five times faster."""


class Redactor:
    """The secrets of one process. Texts that hold one are shown, stored and logged with `HIDDEN` in its place."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._short: tuple[str, ...] = ()
        self._long: dict[str, tuple[str, ...]] = {}
        """The forms that hold these characters. One tuple serves all of a form, or memory would be thrice as much."""
        self._held: Counter[str] = Counter()
        """The forms, and by how many secrets."""
        self._followed: frozenset[str] = frozenset()
        self._changing = threading.Lock()
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Replace these secrets as well; those of fewer than `SHORTEST` characters are left out.

        Any thread may do so, as the reader of a file of tokens does, while others clean their texts.
        """
        with self._changing:
            for form in _forms_of(secrets):
                self._hold(form)

    def follow(self, secrets: Iterable[str]) -> None:
        """Replace these secrets in the place of those that were followed before, as `add` does. They change often."""
        with self._changing:
            before, self._followed = self._followed, frozenset(secrets)
            for form in _forms_of(self._followed - before):
                self._hold(form)
            for form in _forms_of(before - self._followed):
                self._let_go(form)

    def _hold(self, form: str) -> None:
        self._held[form] += 1
        if self._held[form] > 1:
            return
        if len(form) < PART:
            self._short = (*self._short, form)
            return
        alone = (form,)
        for gram in _grams(form):
            others = self._long.get(gram)
            self._long[gram] = alone if others is None else (*others, form)

    def _let_go(self, form: str) -> None:
        self._held[form] -= 1
        if self._held[form]:
            return
        del self._held[form]
        self._short = tuple(each for each in self._short if each != form)
        for gram in _grams(form) if len(form) >= PART else ():
            others = tuple(each for each in self._long.pop(gram) if each != form)
            if others:
                self._long[gram] = others

    def clean(self, text: str) -> str:
        """Return the text with every secret, and every part of one that is long enough, replaced."""
        if not self._long and not self._short:
            return text
        plain = _Plain(text)
        parts: list[str] = []
        end = 0
        for start, stop in _merged(plain.places(span) for span in self._spans(plain.folded)):
            parts += [text[end:start], HIDDEN]
            end = stop
        return "".join([*parts, text[end:]]) if parts else text

    def cleaned(self, progress: Progress) -> Progress:
        """Return a receiver of progress that hands on words and links without secrets and unseen characters."""

        async def report(message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:
            links = [self.clean(visible(link)) for link in links] if links else ()
            await progress(self.clean(visible(message)), percent, links)

        return report

    def holds_secret(self, *texts: str) -> bool:
        """Tell whether texts that a person wrote hold a secret, or a part, that is in one by no accident."""
        if not self._long:
            return False
        long_enough = (text for text in texts if len(text) >= CHOSEN)  # decoding its escapes makes none longer
        spans = (span for text in long_enough for span in self._long_spans(_Plain(text).folded))
        return any(stop - start >= CHOSEN for start, stop in spans)

    def _spans(self, folded: str) -> list[tuple[int, int]]:
        spans = self._long_spans(folded)
        for form in self._short:
            at = folded.find(form)
            while at >= 0:
                spans.append((at, at + len(form)))
                at = folded.find(form, at + 1)
        return spans

    def _long_spans(self, folded: str) -> list[tuple[int, int]]:
        spans: list[tuple[int, int]] = []
        known = self._long
        for at in range(0, len(folded) - _GRAM + 1, _STEP):
            gram = folded[at : at + _GRAM]
            if (forms := known.get(gram)) is not None:
                extents = [_extent(folded, at, form, offset) for form in forms for offset in _places(gram, form)]
                spans += [(start, stop) for start, stop in extents if stop - start >= PART]
        return spans


class _Plain:
    """A text with its escapes decoded and its letters folded, and the way back to places of the text itself."""

    def __init__(self, text: str) -> None:
        pieces: list[str] = []
        end = length = 0
        self._at: list[int] = [0]
        self._begins: list[tuple[int, int]] = [(0, 0)]
        for found in _ESCAPE.finditer(text) if _ESCAPED.search(text) else ():
            decoded = _decoded(found)
            pieces += [text[end : found.start()], decoded]
            length += found.start() - end
            end = found.end()
            if decoded:
                self._mark(length, found.start(), end)
                length += len(decoded)
            self._mark(length, end, 0)
        self.folded: Final = _folded("".join([*pieces, text[end:]]))

    def places(self, span: tuple[int, int]) -> tuple[int, int]:
        """Return the span of the text itself for one of the folded text."""
        start, _ = self._place(span[0])
        _, stop = self._place(span[1] - 1)
        return start, stop

    def _mark(self, at: int, start: int, stop: int) -> None:
        """Note that the character at `at` stands for `start` to `stop`; with a `stop` of 0, that text follows as is."""
        self._at.append(at)
        self._begins.append((start, stop))

    def _place(self, at: int) -> tuple[int, int]:
        index = bisect_right(self._at, at) - 1
        start, stop = self._begins[index]
        return (start, stop) if stop else (start + at - self._at[index], start + at - self._at[index] + 1)


def _folded(text: str) -> str:
    """Return one form for both cases of letters, and for both alphabets of Base64 (RFC 4648, 4 and 5)."""
    small = text.lower()
    if len(small) != len(text):  # of a few letters the small one is two characters
        small = "".join(each.lower() if each.isascii() else each for each in text)
    return small.replace("-", "+").replace("_", "/")


def _decoded(escape: re.Match[str]) -> str:
    """Return the one character that an escape stands for; none for a line break."""
    if code := escape["url"] or escape["code"]:
        return chr(int(code, 16))
    if escape["entity"]:
        character = html.unescape(f"&{escape['entity']}")
        return character if len(character) == 1 else " "
    return escape["literal"] or ""


def _forms_of(secrets: Iterable[str]) -> Iterator[str]:
    """Yield the forms of each secret that is long enough."""
    for secret in secrets:
        if len(secret) >= SHORTEST:
            yield from _forms(secret)


def _grams(form: str) -> set[str]:
    """Return the characters of a form that are looked up, from each place on."""
    return {form[at : at + _GRAM] for at in range(len(form) - _GRAM + 1)}


def _places(gram: str, form: str) -> Iterator[int]:
    """Yield the places of some characters in a form."""
    at = form.find(gram)
    while at >= 0:
        yield at
        at = form.find(gram, at + 1)


def _forms(secret: str) -> set[str]:
    """Return the folded forms of a secret: as it is, as hex, and as Base64 from each of the three places in a group.

    Of Base64 only the digits are taken that depend on the secret alone, not on the bytes beside it. Passwords in URLs
    are written with escapes, and sent without.
    """
    forms: set[str] = set()
    for text in {secret, unquote(secret)}:
        data = text.encode()
        forms.add(_Plain(text).folded)
        forms.add(data.hex())
        for before in range(3):
            digits = base64.b64encode(bytes(before) + data).decode()
            first, last = -(-before * 8 // 6), (before + len(data)) * 8 // 6
            forms.add(_folded(digits[first:last]))
    return {form for form in forms if len(form) >= SHORTEST}


def _extent(text: str, at: int, form: str, offset: int) -> tuple[int, int]:
    """Return the span of the longest part of `form` that is in the text, with `form[offset]` at `at`."""
    start, stop, first, last = at, at + _GRAM, offset, offset + _GRAM
    while start and first and text[start - 1] == form[first - 1]:
        start, first = start - 1, first - 1
    while stop < len(text) and last < len(form) and text[stop] == form[last]:
        stop, last = stop + 1, last + 1
    return start, stop


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the spans in order; those that overlap or touch as one."""
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


_JOINED: Final = (
    r"\p{scx=Arab}\p{scx=Syrc}\p{scx=Nkoo}\p{scx=Mand}\p{scx=Mong}\p{scx=Phag}\p{scx=Adlm}\p{scx=Rohg}\p{scx=Deva}"
    r"\p{scx=Beng}\p{scx=Guru}\p{scx=Gujr}\p{scx=Orya}\p{scx=Taml}\p{scx=Telu}\p{scx=Knda}\p{scx=Mlym}\p{scx=Sinh}"
    r"\p{scx=Khmr}\p{scx=Mymr}\p{scx=Tibt}\p{scx=Bali}\p{scx=Java}\p{scx=Sund}\p{scx=Cham}\p{scx=Lana}"
)
"""Scripts in which letters join (Unicode 17, chapters 9, 12 to 17), and a joiner or non-joiner is part of the word."""

_TAGS: Final = "|".join(
    "".join(chr(0xE0000 + ord(each)) for each in region) + "\U000e007f" for region in ("gbeng", "gbsct", "gbwls")
)
"""The tags in the flags of England, Scotland and Wales. No other emoji has any (UTS 51, ED-14a)."""

_UNSEEN: Final = regex.compile(
    rf"(?P<flag>\U0001F3F4(?:{_TAGS}))|[[\p{{Default_Ignorable_Code_Point}}\p{{Cf}}\p{{Cc}}\p{{Co}}\p{{Cs}}"
    r"\u2028\u2029\u2800]--\p{Prepended_Concatenation_Mark}--\n]",
    regex.VERSION1,
)
"""Characters that nobody sees (Unicode 17, 5.21), and separators other than spaces and line breaks."""

_SEPARATORS: Final = frozenset("\t\v\f\r\x85\u2028\u2029\u2800")

_MEANT: Final = regex.compile(
    rf"""
      (?<=[\p{{Emoji}}--[0-9\#*]])[\uFE0E\uFE0F]                      # an emoji in colour, or as a sign
    | (?<=[0-9\#*])\uFE0F(?=\u20E3)                                   # a keycap
    | (?<=[\p{{Extended_Pictographic}}\p{{Emoji_Modifier}}\uFE0F])\u200D(?=\p{{Extended_Pictographic}})  # a family
    | (?<=[{_JOINED}])[\u200C\u200D](?=[{_JOINED}])                   # within a word of Persian, Hindi and kin
    | (?<=\p{{InSC=Virama}})[\u200C\u200D]|(?<=\p{{scx=Arab}})\u200D  # at the end of one
    | (?<=\p{{scx=Mong}})[\u180B-\u180F]
    """,
    regex.VERSION1 | regex.VERBOSE,
)
"""Such characters in the places where they change what is seen (UTS 51; Unicode 17, 23.2 and 23.4)."""


_UNSEEN_PRINTABLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
"""Characters that nobody sees, though Python calls them printable."""


def visible(text: str) -> str:
    """Return the text without the characters that nobody sees; other separators than line breaks become spaces.

    Variation selectors and joiners stay where an emoji or a word of a joined script is written with them.
    """
    # To look for them takes a hundred times as long as to find that a text has none, as nearly every text of ours.
    if text.replace("\n", "").isprintable() and (text.isascii() or not _UNSEEN_PRINTABLE.search(text)):
        return text
    return _UNSEEN.sub(_seen, text)


_BINARY: Final = frozenset({"data", "base64", "blob"})
"""Members that hold Base64, which is long and shows all that it is."""


def visible_in(value: Any) -> Any:
    """Return a result, or a part of one, without the characters that nobody sees."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {name: each if name in _BINARY else visible_in(each) for name, each in value.items()}
    return [visible_in(each) for each in value] if isinstance(value, list) else value


def _seen(found: regex.Match[str]) -> str:
    if found["flag"] or _MEANT.match(found.string, found.start()):
        return found[0]
    return " " if found[0] in _SEPARATORS else ""
