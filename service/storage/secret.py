"""The one secret of an installation, from which all keys are derived: of names, links, sessions and tokens.

It lies in the file `secret` of the data folder, random bytes that the first start makes and nobody changes, or comes
from EASEL_SECRET, where several replicas have to have the same one. Its holder can guess picture names and forge
session ids; its loss invalidates both.

Each purpose gets a key of its own (RFC 5869, section 3.2: context information "binds the derived key material to
application- and context-specific information"), so that a weakness in one use says nothing about another.

Files are read and written without a thread: open a secret at start, or in one.
"""

import errno
import hmac
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from service.storage.data_folder import DataFolderError, needing, sync_folder, write_durably

NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""Errors by which a file system without hard links, such as those of memory cards, refuses one (link(2))."""

SECRET_BYTES: Final = 32
"""As long as the output of SHA-256: RFC 2104, section 3, discourages shorter keys and sees no gain in longer ones."""

FEWEST_SIGNS: Final = 10
"""Different signs that a secret has at least: one of chance has more, a word held down on the keyboard has fewer."""

MAKE_ONE: Final = "openssl rand -hex 32"

_HEX: Final = re.compile(rf"(?:[0-9a-fA-F]{{2}}){{{SECRET_BYTES},}}")


class SecretError(ValueError):
    """A text cannot be a secret: what is wrong and what would be right, without the text."""


@dataclass(frozen=True)
class Secret:
    """A secret, which leaves this object only as derived keys."""

    _value: bytes = field(repr=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the secret that a text stands for: its bytes in hexadecimal digits, or any other long text.

        The digits of the file `secret` (`xxd -p -c 64 secret`) stand for that file, whose links and sessions go on.
        Raises `SecretError`.
        """
        if _HEX.fullmatch(text):
            return cls(bytes.fromhex(text))
        value = text.encode(errors="surrogateescape")
        if len(value) < SECRET_BYTES:
            raise SecretError(f"has {len(value)} bytes and needs at least {SECRET_BYTES}; make one with: {MAKE_ONE}")
        if len(set(text)) < FEWEST_SIGNS:
            raise SecretError(f"is easy to guess; make one with: {MAKE_ONE}")
        return cls(value)

    @classmethod
    def open(cls, data: Path, scratch: Path) -> Self:
        """Read the secret of a data folder, or make it; `scratch` is a folder of this process on the same file system.

        Several processes may come here at once: a link gives the finished file its name in one step, to the first of
        them only, and all of them read that one. On a file system without links the file is written under its name.
        """
        path = data / "secret"
        with needing(path):
            if not path.exists():
                _create(path, scratch)
            sync_folder(data)
            value = path.read_bytes()
        if len(value) < SECRET_BYTES:
            raise DataFolderError(
                path,
                f"the secret has {len(value)} bytes and needs at least {SECRET_BYTES}; put it back from a backup, or "
                "remove it for a new one, which ends open sessions",
            )
        return cls(value)

    def write(self, data: Path) -> None:
        """Make it the secret of a data folder, which has none."""
        write_durably(data / "secret", self._value)
        sync_folder(data)

    def derive(self, purpose: str) -> bytes:
        """The key for one purpose, such as "picture names": 32 bytes, the same at every start."""
        return hmac.digest(self._value, purpose.encode(), "sha256")

    @property
    def fingerprint(self) -> str:
        """A value that tells this secret from another one and helps nobody to find it."""
        return self.derive("fingerprint").hex()[:32]


def _create(path: Path, scratch: Path) -> None:
    value, draft = secrets.token_bytes(SECRET_BYTES), scratch / "secret"
    write_durably(draft, value)
    with suppress(FileExistsError):  # another process was first
        try:
            path.hardlink_to(draft)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            write_durably(path, value)
    draft.unlink()
