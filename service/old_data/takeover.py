"""The takeover of one folder of an earlier server: files are copied, entries become jobs, nothing there changes.

1. Bytes stay as they are, and their type is told by them: a file may have a wrong extension. Films, BMP and TIFF are
   kept and served, though nothing is drawn from them; anything else that is no picture is named and left there.
2. An entry is dated in UTC. The times of its pictures tell how far the clock of the old machine was from UTC; where
   there are none, it is taken for the zone of this machine.
3. Pictures that the person gave (`user_image`, `image_url_import`) can be found and started from, and are no
   generations.
4. Files come first, one by one, then everything enters in one transaction: after a crash the next takeover goes on.
"""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from service.images import NOT_DRAWN, SAID, Failure, Job, JobState, KeptPicture
from service.old_data.folder import OldFile, OldFolder, read_folder
from service.old_data.history import OldEntry
from service.pictures.sniffing import brands, describe, sniff, stored_size
from service.storage.files import Files
from service.storage.imports import Import, Imported, Imports, KeptFile, OldJob

GIVEN: Final = ("user_image", "image_url_import")
"""The models of entries that are pictures which the person gave."""

UPSTREAM: Final = "flow2api"
"""The image service that the earlier server had; it may have a picture still."""

GIVEN_NOTE: Final = "It was given by the person, not drawn."
NO_FILE: Final = "The earlier server kept no file of it."
NO_PICTURE: Final = Failure(
    kind="no_image", reason="The image service answered without a picture, when an earlier server asked it."
)
FAILED_THERE: Final = "It failed when an earlier server asked for it."

ZONE_STEP_S: Final = 900
"""Zones differ from UTC by quarters of an hour."""

FARTHEST_ZONE_S: Final = 14 * 3600
SLACK_S: Final = 60
"""Seconds between a picture's file and its entry."""

NEAR_S: Final = 5
"""Seconds before an entry without a URL in which its file was written."""

MAGIC: Final[Mapping[bytes, str]] = {
    b"BM": "image/bmp",
    b"II*\x00": "image/tiff",
    b"MM\x00*": "image/tiff",
    b"\x1a\x45\xdf\xa3": "video/webm",
}
"""Types that are kept of an earlier server, and nowhere else."""

Report = Callable[[int, int], None]
"""Called with the number of files that are done, and that of all."""


@dataclass(frozen=True, kw_only=True)
class Takeover:
    """The outcome for one folder. `faults` has a line for each thing that could not be taken over."""

    path: Path
    owner: str
    imported: Imported
    entries: int
    faults: Sequence[str]
    known: bool = False
    """These contents had been taken over before."""


@dataclass(frozen=True, kw_only=True)
class _Copy:
    """A file that is kept here, with the measures of its picture; 0 where the header does not tell them."""

    name: str
    media_type: str
    width: int
    height: int
    size: int
    came_inline: bool
    """It came inside an answer, or from the person: its old name is the MD5 of the bytes and not of a URL."""


@dataclass(frozen=True, kw_only=True)
class HistoryImporter:
    """Takes over folders, for one owner each."""

    files: Files
    imports: Imports
    max_file_bytes: int

    async def take_over(self, path: Path, owner: str, report: Report) -> Takeover:
        """Take over one folder. Raises `OSError` where it cannot be read, `WorkError` where nothing can be stored."""
        folder = await asyncio.to_thread(read_folder, path)
        if await self.imports.contains(owner, folder.digest):
            nothing = Imported(jobs=0, files=0, renumbered={})
            return Takeover(
                path=path, owner=owner, imported=nothing, entries=len(folder.entries), faults=(), known=True
            )
        copies = await self._copy(folder, owner, report)
        now = time.time()  # the clock of the other machine may have been ahead
        new = Import(
            owner=owner,
            digest=folder.digest,
            jobs=await asyncio.to_thread(lambda: list(_jobs(folder, copies, owner))),
            files={
                old: KeptFile(name=copy.name, size=copy.size, written_at=min(folder.files[old].written_at, now))
                for old, copy in copies.items()
            },
        )
        imported = await self.imports.enter(new)
        return Takeover(path=path, owner=owner, imported=imported, entries=len(folder.entries), faults=folder.faults)

    async def _copy(self, folder: OldFolder, owner: str, report: Report) -> dict[str, _Copy]:
        """Copy the files that were not taken over yet; returns them by their old names, the oldest first."""
        known = await self.imports.known_files()
        ordered = sorted(folder.files.items(), key=lambda item: (item[1].written_at, item[0]))
        copies: dict[str, _Copy] = {}
        for done, (old_name, file) in enumerate(ordered):
            report(done, len(ordered))
            if old_name in known and await self.files.find(known[old_name]) is None:
                continue  # it was deleted here since
            data = await asyncio.to_thread(_read, old_name, file, self.max_file_bytes, folder.faults)
            if data is None:
                continue
            media_type = type_of(data)
            if media_type is None:
                folder.faults.append(f"url_cache/{old_name} is {describe(data)}: it is left there.")
                continue
            name = await self.files.keep(owner, data, media_type)
            copies[old_name] = await asyncio.to_thread(_copy_of, old_name, name, data, media_type)
        report(len(ordered), len(ordered))
        return copies


def type_of(data: bytes) -> str | None:
    """Return the media type by the bytes, of all types that are kept of an earlier server; None for any other file."""
    pictured = sniff(data)
    if pictured is not None:
        return pictured
    if b"\0" in data[:64]:  # a text may begin with the two letters BM
        if (found := next((kind for magic, kind in MAGIC.items() if data.startswith(magic)), None)) is not None:
            return found
        if any(brand.startswith((b"iso", b"mp4", b"avc", b"M4V")) for brand in brands(data)):
            return "video/mp4"
    return None


def _copy_of(old_name: str, name: str, data: bytes, media_type: str) -> _Copy:
    width, height = stored_size(data, media_type) or (0, 0)
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return _Copy(
        name=name,
        media_type=media_type,
        width=width,
        height=height,
        size=len(data),
        came_inline=old_name.startswith(digest),
    )


def _read(old_name: str, file: OldFile, max_bytes: int, faults: list[str]) -> bytes | None:
    if file.size > max_bytes:
        faults.append(f"url_cache/{old_name} is larger than {max_bytes // 1_000_000} MB (EASEL_CACHE_MAX_FILE_MB).")
        return None
    try:
        data = file.path.read_bytes()
    except OSError as error:
        faults.append(f"url_cache/{old_name} cannot be read: {error.strerror}.")
        return None
    if not data.strip(b"\0"):
        faults.append(f"url_cache/{old_name} is empty.")
        return None
    return data


def _jobs(folder: OldFolder, copies: Mapping[str, _Copy], owner: str) -> Iterable[OldJob]:
    """Yield each entry as a job."""
    names = {entry.id: [folder.file_of(url) for url in entry.urls] for entry in folder.entries}
    times = _times(folder, names)
    named = {name for each in names.values() for name in each}
    unnamed = {name: folder.files[name].written_at for name in copies if name not in named}
    inline = {name: written_at for name, written_at in unnamed.items() if copies[name].came_inline}
    missing = 0
    for entry in folder.entries:
        at = times[entry.id]
        if not entry.urls and not entry.error and (near := _near(inline, at)):
            names[entry.id] = [near]
            del unnamed[near], inline[near]
        pictures = [
            _picture(entry, name, copies.get(name), url)
            for name, url in zip(names[entry.id], entry.urls or ("",), strict=False)
        ]
        missing += sum(not picture.kept for picture in pictures)
        yield OldJob(identity=entry.identity, job=_job(entry, owner, at, tuple(pictures)))
    if missing:
        folder.faults.append(
            f"Pictures of the history without a file there: {missing:,}. Their entries are taken, and say so."
        )
    if unnamed:
        folder.faults.append(
            f"Files that no entry of the history names: {len(unnamed):,}. They are kept, and links to them go on."
        )


def _job(entry: OldEntry, owner: str, at: float, pictures: tuple[KeptPicture, ...]) -> Job:
    failure = None
    if not pictures:
        failure = NO_PICTURE
        if entry.error:
            failure = Failure(kind="failed", reason=f"{FAILED_THERE}\n{SAID}“{' '.join(entry.error.split())}”")
    return Job(
        history_id=entry.id,
        owner=owner,
        state=JobState.FAILED if failure else JobState.DONE,
        model=entry.model,
        prompt=entry.prompt,
        created_at=at,
        finished_at=at,
        delivered_at=None if failure else at,
        pictures=pictures,
        failure=failure,
        upstream=NOT_DRAWN if entry.model in GIVEN else UPSTREAM,
    )


def _picture(entry: OldEntry, old_name: str, copy: _Copy | None, url: str) -> KeptPicture:
    """Return a picture of an entry; one without a file keeps its URL, where its image service may have it still."""
    note = GIVEN_NOTE if entry.model in GIVEN else ""
    source = url if url.startswith(("http://", "https://")) and "/mcp-cache/" not in url else ""
    if copy is None:
        missing = KeptPicture(name=old_name or "missing", media_type="image/png", width=0, height=0, size=0, kept=False)
        return replace(missing, note=" ".join(filter(None, (note, NO_FILE))), source=source)
    return KeptPicture(
        name=copy.name,
        media_type=copy.media_type,
        width=copy.width,
        height=copy.height,
        size=copy.size,
        note=note,
        source=source,
    )


def _near(files: Mapping[str, float], at: float) -> str:
    """Return the one file that was written in the seconds before an entry; "" for none or several."""
    near = [name for name, written_at in files.items() if 0 <= at - written_at <= NEAR_S]
    return near[0] if len(near) == 1 else ""


def _times(folder: OldFolder, names: Mapping[int, Sequence[str]]) -> dict[int, float]:
    """Return the time of each entry in seconds since the epoch, by the zone that the pictures around it tell."""
    zones = _zones(folder, names)
    times: dict[int, float] = {}
    zone = next(iter(zones.values()), None)
    before = min((file.written_at for file in folder.files.values()), default=0.0)
    for entry in folder.entries:
        zone = zones.get(entry.id, zone)
        before = times[entry.id] = before if entry.time is None else _at(entry.time, zone)
    return times


def _zones(folder: OldFolder, names: Mapping[int, Sequence[str]]) -> dict[int, int]:
    """Return the zones that pictures tell, by entry.

    A zone counts if a fifth of the pictures tell it, or most where only the dates of the files speak: a picture that
    was used again hours later, or a copy of the folder, would tell any. Those that the person gave are not asked.
    """
    told: dict[int, int | None] = {}
    for entry in folder.entries:
        files = [folder.files[name] for name in names[entry.id] if name in folder.files]
        if entry.time is not None and files and entry.model not in GIVEN:
            told[entry.id] = _zone(entry.time, files[0].written_at)
    counts = Counter(told.values())
    needed = len(told) / 5 if folder.index else max(2, len(told) // 2 + 1)
    return {id_: zone for id_, zone in told.items() if zone is not None and counts[zone] >= needed}


def _zone(local: datetime, written_at: float) -> int | None:
    """Return the seconds by which a local time was ahead of UTC, by the time of a file; None where that is not sure."""
    ahead = local.replace(tzinfo=UTC).timestamp() - written_at
    zone = round(ahead / ZONE_STEP_S) * ZONE_STEP_S
    return zone if abs(ahead - zone) <= SLACK_S and abs(zone) <= FARTHEST_ZONE_S else None


def _at(local: datetime, zone: int | None) -> float:
    if zone is not None:
        return local.replace(tzinfo=UTC).timestamp() - zone
    try:
        return local.timestamp()
    except (OverflowError, OSError, ValueError):  # a year that this system's clock does not have
        return 0.0
