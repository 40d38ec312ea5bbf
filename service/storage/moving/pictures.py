"""The pictures of an installation, copied to another place under the names that they have.

A picture that lies there already, whole, is left as it is: so a copy that was cut short goes on where it was. A name
stands for its bytes, and for the owner and the secret that it was made with; a link to it goes on with the same secret.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from service.storage.files import Files
from service.storage.moving.records import MoveError

AT_ONCE: Final = 8
"""Pictures under way: some tens of megabytes, and enough to wait for a bucket side by side."""

Advance: TypeAlias = Callable[[int, int, int, int], None]
"""Is told of the work: pictures done and their number, bytes done and their number."""


@dataclass(kw_only=True)
class Copied:
    """The outcome: pictures that lie there now, those that were copied by this move, and the names that led nowhere."""

    pictures: int = 0
    size: int = 0
    copied: int = 0
    missing: list[str] = field(default_factory=list)


async def copy_pictures(source: Files, target: Files, wanted: Mapping[str, int], advance: Advance) -> Copied:
    """Copy the pictures of these names and sizes. Raises `MoveError` where one that was put is not there then."""
    outcome = Copied()
    there = {each.name: each.size for each in await target.listing()}
    size, done, done_bytes = sum(wanted.values()), 0, 0
    names = iter(sorted(wanted))

    async def work() -> None:
        nonlocal done, done_bytes
        for name in names:
            if there.get(name) != wanted[name]:
                await _copy(source, target, name, wanted[name], outcome)
            done, done_bytes = done + 1, done_bytes + wanted[name]
            advance(done, len(wanted), done_bytes, size)

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(AT_ONCE):
                workers.create_task(work())
    except BaseExceptionGroup as group:  # of one trouble, which several workers met
        raise group.exceptions[0] from group
    lying = {each.name: each.size for each in await target.listing()}
    lost = [name for name in wanted if name not in outcome.missing and lying.get(name) != wanted[name]]
    if lost:
        raise MoveError(f"{len(lost)} pictures are not there after they were copied, such as {lost[0]}: move once more")
    outcome.pictures = len(wanted) - len(outcome.missing)
    outcome.size = size - sum(wanted[name] for name in outcome.missing)
    return outcome


async def _copy(source: Files, target: Files, name: str, size: int, outcome: Copied) -> None:
    data = await source.read(name)
    if data is None or len(data) != size:
        outcome.missing.append(name)
        return
    await target.keep_named(name, data)
    outcome.copied += 1
