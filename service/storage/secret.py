"""The one secret of a data folder: random bytes in `secret`, made at the first start and never changed.

Who holds it can guess picture names and forge session ids; who loses it invalidates both. Each purpose gets a key of
its own (RFC 5869, section 3.2: context information "binds the derived key material to application- and
context-specific information"), so that a weakness in one use says nothing about another.
"""

import hmac
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from service.storage.data_folder import DataFolderError, needing, sync_folder, write_durably

SECRET_BYTES: Final = 32
"""As long as the output of SHA-256: RFC 2104, section 3, discourages shorter keys and sees no gain in longer ones."""


@dataclass(frozen=True)
class Secret:
    """The secret of a data folder. It leaves this object only as derived keys."""

    _value: bytes = field(repr=False)

    @classmethod
    def open(cls, data: Path, scratch: Path) -> Self:
        """Read the secret of a data folder, or make it; `scratch` is a folder of this process on the same file system.

        Several processes may come here at once: a link gives the finished file its name in one step, to the first of
        them only, and all of them read that one.
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

    def derive(self, purpose: str) -> bytes:
        """The key for one purpose, such as "picture names": 32 bytes, the same at every start."""
        return hmac.digest(self._value, purpose.encode(), "sha256")


def _create(path: Path, scratch: Path) -> None:
    draft = scratch / "secret"
    write_durably(draft, secrets.token_bytes(SECRET_BYTES))
    with suppress(FileExistsError):  # another process was first
        path.hardlink_to(draft)
    draft.unlink()
