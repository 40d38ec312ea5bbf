"""The names of stored pictures: how they are minted, and which names there can be.

A name is HMAC-SHA256 over the owner and the bytes, keyed by our secret and cut to 128 bits, with an extension. It
cannot be guessed from the picture, and one owner's name says nothing about whether another has the same picture.
"""

import hmac
import re
from typing import Final

from service.images import EXTENSIONS, OLD_EXTENSIONS
from service.storage.files import DERIVED_TYPES, WIDTHS

STORED: Final = {**EXTENSIONS, **OLD_EXTENSIONS}
"""The media types that have a name here, and their extensions."""

TYPES: Final = {extension: media_type for media_type, extension in STORED.items()}
NAME: Final = re.compile(rf"[0-9a-f]{{32}}\.({'|'.join(TYPES)})")
NAME_OR_DERIVED: Final = re.compile(
    rf"{NAME.pattern}(?:~(?:{'|'.join(map(str, WIDTHS))})\.({'|'.join(DERIVED_TYPES)}))?"
)
OWNER_LENGTH_BYTES: Final = 8


def mint(key: bytes, owner: str, data: bytes, media_type: str) -> str:
    """Return the name of some bytes of an owner. The owner's length is hashed first: no two pairs read the same."""
    prefix = owner.encode()
    keyed = hmac.new(key, len(prefix).to_bytes(OWNER_LENGTH_BYTES, "big") + prefix, "sha256")
    keyed.update(data)
    return f"{keyed.hexdigest()[:32]}.{STORED[media_type]}"


def media_type_of(name: str) -> str | None:
    """Return the media type of a picture or a derivative by its name; None for a name that there cannot be."""
    matched = NAME_OR_DERIVED.fullmatch(name)
    if matched is None:
        return None
    return DERIVED_TYPES[matched[2]] if matched[2] else TYPES[matched[1]]
