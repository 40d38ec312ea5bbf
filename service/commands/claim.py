"""The command `claim`: the folder of the bucket belongs to the database of the settings from now on.

It is for a database that was lost, or made anew: a start takes no folder from another one by itself.
"""

import asyncio
import contextlib

from service.settings import Settings
from service.settings_reader import SettingsError
from service.storage_urls import FILES_URL
from service.stores import START_PATIENCE_S, open_stores


def run(settings: Settings) -> int:
    """Claim the folder, and say so. Returns the exit status. Raises `SettingsError`."""
    if settings.s3 is None:
        raise SettingsError(FILES_URL, "names no bucket, so that there is no folder to claim")
    asyncio.run(_claim(settings))
    print(f"{settings.s3.shown} belongs to this database now. Any other one that had it does not start there again.")
    return 0


async def _claim(settings: Settings) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await open_stores(settings, stack, patience_s=START_PATIENCE_S, takes_over=True)
