"""The history of an earlier server: its JSON files read, what is whole of a cut one, and the number of each entry.

1. `history_archive.json` is the whole history and `history.json` its tail. Both are rewritten after each generation,
   not atomically: after a kill one may be cut, or lack what the other has. So both are read, and an entry that stands
   in both counts once.
2. A number stays that of its entry. Entries without one get the next free numbers in the order of the file, as the
   earlier server itself gave them.
3. What cannot be read is a fault, in one line, and everything else is taken.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

ARCHIVE: Final = "history_archive.json"
RECENT: Final = "history.json"

LARGEST_ID: Final = 1_000_000_000
"""A number beyond this is no number of an earlier server, and would use up those of the generations to come."""

LONGEST_TEXT: Final = 100_000
"""Characters of a prompt or an error that are taken."""

BLANK: Final = "\x00\ufeff \t\r\n"
"""A file of these alone is empty: a power cut leaves zeros."""

Raw = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class OldEntry:
    """One entry. `time` is local to the machine that wrote it; None where it cannot be read.

    `identity` is the same for the same entry in another copy of the history.
    """

    id: int
    time: datetime | None
    model: str
    prompt: str
    urls: tuple[str, ...] = field(repr=False)
    error: str
    identity: str


def read_entries(archive: bytes | None, recent: bytes | None, faults: list[str]) -> list[OldEntry]:
    """Return the entries of both files, by number; None is a file that is not there. Faults are added to `faults`."""
    older = list(_raw_entries(ARCHIVE, archive, faults))
    newer = list(_raw_entries(RECENT, recent, faults))
    return sorted(_numbered(_merged(older, newer), faults), key=lambda entry: entry.id)


def read_json(name: str, data: bytes, faults: list[str]) -> tuple[list[Any], dict[str, Any]]:
    """Return the items of a JSON list, or the members of a JSON object, as far as they are whole."""
    text = data.decode("utf-8-sig", errors="replace").strip(BLANK)
    if not text:
        faults.append(f"{name} is empty.")
        return [], {}
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return _whole_part(name, text, faults)
    if isinstance(whole, list):
        return whole, {}
    if isinstance(whole, dict):
        return [], whole
    faults.append(f"{name} holds neither a list nor an object.")
    return [], {}


def _whole_part(name: str, text: str, faults: list[str]) -> tuple[list[Any], dict[str, Any]]:
    """Read value after value, up to the cut; after a broken value go on at the next line that begins one."""
    items: list[Any] = []
    members: dict[str, Any] = {}
    decoder = json.JSONDecoder()
    at, broken, begin = (
        1,
        0,
        re.compile(r"[\s,]*" if text[0] == "[" else r'[\s,]*("(?:[^"\\]|\\.)*"\s*:\s*)?', re.DOTALL),
    )
    while (found := begin.match(text, at)) is not None and found.end() < len(text) and text[found.end()] not in "]}":
        key = found[1] if begin.groups else ""
        try:
            value, at = decoder.raw_decode(text, found.end())
            if key:
                members[json.loads(key.rstrip().removesuffix(":"))] = value
            else:
                items.append(value)
        except (ValueError, RecursionError):
            broken += 1
            following = re.compile(r"\n  (?=[{\"])").search(text, found.end() + 1)
            if following is None:
                break
            at = following.start()
    whole = len(items) + len(members)
    faults.append(f"{name} is cut or broken. Whole entries that are taken: {whole}; broken: {broken or 1}.")
    return items, members


def _raw_entries(name: str, data: bytes | None, faults: list[str]) -> Iterator[Raw]:
    if data is None:
        return
    items, _ = read_json(name, data, faults)
    strange = 0
    for item in items:
        if isinstance(item, dict) and isinstance(item.get("prompt"), str):
            yield item
        else:
            strange += 1
    if strange:
        faults.append(f"Values of {name} that are no entries: {strange}.")


def _merged(older: list[Raw], newer: list[Raw]) -> list[tuple[str, Raw]]:
    """Return the entries of both files with their identities; of one that stands in both, that with a number."""
    merged = dict(_identified(older))
    for identity, entry in _identified(newer):
        if identity not in merged or _id_of(merged[identity]) is None:
            merged[identity] = entry
    return list(merged.items())


def _identified(entries: list[Raw]) -> Iterator[tuple[str, Raw]]:
    """Yield each entry with a digest of all but its number; the same once more in one file is another entry."""
    seen: Counter[str] = Counter()
    for entry in entries:
        parts = [entry.get(key) for key in ("time", "model", "prompt", "urls", "error")]
        text = json.dumps(parts, default=str)
        seen[text] += 1
        yield hashlib.sha256(f"{seen[text]} {text}".encode()).hexdigest(), entry


def _numbered(entries: list[tuple[str, Raw]], faults: list[str]) -> Iterator[OldEntry]:
    ids = [_id_of(entry) for _, entry in entries]
    following = max((id_ for id_ in ids if id_ is not None), default=0) + 1
    taken: set[int] = set()
    twice = 0
    for id_, (identity, entry) in zip(ids, entries, strict=True):
        number = id_
        if number is None or number in taken:
            twice += number is not None
            number, following = following, following + 1
        taken.add(number)
        yield _entry(number, identity, entry)
    if twice:
        faults.append(f"Entries with the number of another one: {twice}. They get numbers after the largest.")


def _id_of(entry: Raw) -> int | None:
    id_ = entry.get("id")
    sound = isinstance(id_, int) and not isinstance(id_, bool) and 0 < id_ <= LARGEST_ID
    return id_ if sound else None


def _entry(number: int, identity: str, entry: Raw) -> OldEntry:
    urls = entry.get("urls")
    return OldEntry(
        id=number,
        time=_time(entry.get("time")),
        model=_text(entry.get("model"))[:200] or "unknown",
        prompt=_text(entry["prompt"]),
        urls=tuple(url for url in urls if isinstance(url, str) and url) if isinstance(urls, list) else (),
        error=_text(entry.get("error")),
        identity=identity,
    )


def _text(value: object) -> str:
    """Return a text that can be written as UTF-8: JSON may hold half of a surrogate pair."""
    return value[:LONGEST_TEXT].encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _time(value: object) -> datetime | None:
    try:
        return datetime.strptime(str(value), "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - the zone is not written
    except ValueError:
        return None
