"""Static tokens: who may call, from EASEL_TOKENS, from the file of EASEL_TOKENS_FILE, and from `token add`.

1. A token has `SHORTEST` characters or more, and belongs to one name; a name may have several, so that one can be
   replaced by another without a gap.
2. A token is held as its SHA-256 digest and may be written so: `sha256:` and 64 hexadecimal digits. A plain digest is
   enough, since tokens are long and random; passwords would need a slow hash.
3. The file has one token a line: `name token-or-digest [expires]`. Lines that begin with # are comments. A date is good
   to its end, in UTC; a time without a zone is UTC.
4. No error shows a part of a line, since most of it is a secret.
"""

import codecs
import hashlib
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

SHORTEST: Final = 16
"""Characters. 16 random hexadecimal digits are 64 bits, more than anybody can try over a network."""

MAKE_ONE: Final = 'python3 -c "import secrets; print(secrets.token_urlsafe(24))"'
"""The command that prints a good token."""

MAX_FILE_BYTES: Final = 1024 * 1024
MAX_TOKENS: Final = 1000
"""Of a file. Each request with a token is compared with all of them."""

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})", re.IGNORECASE)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class TokensError(ValueError):
    """Tokens cannot be used: which of them, what is wrong, and what would be right. One line, no secret in it."""


@dataclass(frozen=True, kw_only=True)
class StaticToken:
    """The digest of a token, the name it stands for, and the time from which it is no longer good, in UNIX seconds."""

    name: str
    digest: bytes = field(repr=False)
    expires: float | None = None
    revoked: bool = False

    def problem(self, now: float) -> str:
        """Return why it is no longer good, as a sentence; "" where it is."""
        if self.revoked:
            return "The token has been revoked."
        return "The token has expired." if self.expires is not None and self.expires <= now else ""


def read_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """Return the tokens of EASEL_TOKENS, `name:token` pairs, by their names; raises `TokensError`."""
    tokens: dict[str, str] = {}
    for position, pair in enumerate(pairs, start=1):
        name, _, token = pair.partition(":")
        if not token or not token.isascii() or not _NAME.fullmatch(name):
            raise TokensError(f"pair {position} is not of the form name:token, such as alice:4f9c…")
        if name in tokens or token in tokens.values():
            raise TokensError(
                f"pair {position} repeats a name or a token; each must be its own (EASEL_TOKENS_FILE takes several "
                "tokens of one name)"
            )
        _check_length(token, f"pair {position}")
        tokens[name] = token
    return tokens


def static_tokens(pairs: Iterable[tuple[str, str]]) -> tuple[StaticToken, ...]:
    """Return the tokens of name and token pairs, each either plain or a digest."""
    return tuple(StaticToken(name=name, digest=_digest_written_as(token)) for name, token in pairs)


def read_file(
    data: bytes, taken: Collection[bytes] = (), hide: Callable[[str], object] | None = None
) -> tuple[StaticToken, ...]:
    """Return the tokens of a file, none of which is among the digests already `taken`; raises `TokensError`.

    `hide` is called with each token that is written plainly, so that no log shows it.
    """
    if len(data) > MAX_FILE_BYTES:
        raise TokensError(f"it is larger than {MAX_FILE_BYTES} bytes")
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise TokensError("it is not UTF-8 text") from error
    tokens: dict[bytes, StaticToken] = {}
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if not line or line.startswith("#"):
            continue
        name, written, expires = _read_line(line, f"line {number}")
        token = StaticToken(name=name, digest=_digest_written_as(written), expires=expires)
        if token.digest in tokens or token.digest in taken:
            raise TokensError(f"line {number} repeats a token, of this file or of EASEL_TOKENS; each must be its own")
        tokens[token.digest] = token
        if hide is not None:
            hide(written)
    if len(tokens) > MAX_TOKENS:
        raise TokensError(f"it has {len(tokens)} tokens; {MAX_TOKENS} are the most")
    return tuple(tokens.values())


def digest_of(token: str) -> bytes:
    """Return the SHA-256 digest of a token as it is sent."""
    # Bytes of a header that are not UTF-8 arrive as surrogates (PEP 383), which no encoding takes.
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def check_name(name: str) -> None:
    """Raise `TokensError` for what cannot be the name of a token."""
    if not _NAME.fullmatch(name):
        raise TokensError(f"{name[:64]!r} is no name: up to 64 letters of a to z, digits, and _ . -")


def read_expiry(written: str) -> float:
    """Return the end of a date, or a time, in UNIX seconds; raises `TokensError`."""
    return _read_expiry(written, "it")


def _read_line(line: str, place: str) -> tuple[str, str, float | None]:
    """Return name, token as it is written, and expiry."""
    words = line.split()
    if not 2 <= len(words) <= 3 or not words[1].isascii() or not _NAME.fullmatch(words[0]):
        raise TokensError(
            f"{place} is not of the form: name token [expires], such as alice 4f9c… 2027-06-30, or alice sha256:9a1b…"
        )
    _check_length(words[1], place)
    return words[0], words[1], _read_expiry(words[2], place) if len(words) == 3 else None


def _check_length(token: str, place: str) -> None:
    if token.lower().startswith("sha256:") and not _DIGEST.fullmatch(token):
        raise TokensError(f"{place} has a digest that is not sha256: and the 64 hexadecimal digits of sha256sum")
    if len(token) < SHORTEST:
        raise TokensError(f"{place} has a token of fewer than {SHORTEST} characters; make one with: {MAKE_ONE}")


def _digest_written_as(token: str) -> bytes:
    found = _DIGEST.fullmatch(token)
    return bytes.fromhex(found[1]) if found else digest_of(token)


def _read_expiry(written: str, place: str) -> float:
    try:
        read = datetime.fromisoformat(written)
        if read.tzinfo is None:
            read = read.replace(tzinfo=UTC)
        return (read + timedelta(days=1) if _DATE.fullmatch(written) else read).timestamp()
    except (ValueError, OverflowError) as error:
        raise TokensError(f"{place} ends with no date; write one such as 2027-06-30 or 2027-06-30T18:00Z") from error
