"""Pictures that have arrived from an image service and are not in the history yet: their names, and their form.

Downloading a picture takes a moment, examining it another, and both may have to wait; a crash meanwhile would lose what
is paid for. So the URLs of an answer are stored before the first download, and all bytes before they are examined: the
next start, or another replica, finishes the job from them. They go when its row tells how the job ended.

There is one for each part of a job: a line of JSON, a list with the size, the note, the source and the use of each
picture, and then the bytes of all. A part of it, as a power cut may leave, is told by the sizes.
"""

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Final

import orjson

from service.costs import Usage
from service.images import Picture

logger = logging.getLogger(__name__)

NAME: Final = re.compile(r"([0-9a-f]{32}-[0-9]+)(\.[1-9][0-9]*)?")
"""The first group is the name of the job."""

MOST_HEAD: Final = 1024 * 1024
"""Bytes of the line of JSON: some URLs and sentences."""


def arrival_name(owner: str, history_id: int) -> str:
    """Return the name of a job, which is that of its first part; those of others end in their number.

    The owner's name, which may have any characters, is a digest in it.
    """
    return f"{hashlib.sha256(owner.encode()).hexdigest()[:32]}-{history_id}"


def part_name(owner: str, history_id: int, part: int) -> str:
    """Return the name of a part of a job, counted from 0."""
    return f"{arrival_name(owner, history_id)}{f'.{part}' if part else ''}"


@dataclass(frozen=True)
class _Entry:
    """The entry of one picture in the line of JSON. `size` counts its bytes."""

    size: int
    note: str
    source: str
    usage: Mapping[str, Any] | None = None


def packed(pictures: Sequence[Picture]) -> list[bytes]:
    """Return the bytes of a part, in pieces."""
    head = [_Entry(len(each.data), each.note, each.source, _used(each)) for each in pictures]
    return [orjson.dumps(head), b"\n", *[each.data for each in pictures]]


def unpacked(file: BinaryIO, name: str) -> list[Picture]:
    """Return the pictures of a part; none where it is damaged, which is logged by its name."""
    try:
        head = [_Entry(**each) for each in orjson.loads(file.readline(MOST_HEAD))]
        found = [_picture(each, file.read(each.size)) for each in head]
        is_whole = [len(each.data) for each in found] == [each.size for each in head] and not file.read(1)
    except (OSError, ValueError, TypeError) as error:
        logger.warning("%s cannot be read: %s", name, error)
        return []
    if not is_whole:
        logger.warning("%s cannot be read: a part of it is missing", name)
    return found if is_whole else []


def _used(picture: Picture) -> Mapping[str, Any] | None:
    return None if picture.usage is None else asdict(picture.usage)


def _picture(entry: _Entry, data: bytes) -> Picture:
    usage = Usage(**entry.usage) if entry.usage else None
    return Picture(data=data, note=entry.note, source=entry.source, usage=usage)
