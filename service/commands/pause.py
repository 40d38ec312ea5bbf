"""The commands `pause` and `resume`: the kill switch over a data folder, for one owner or for everybody.

A pause stands in the database: every service on the folder, running or started later, begins no new picture from that
moment on. Pictures that are being drawn are finished, and looking at the history stays possible.
"""

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from service.settings import Settings
from service.storage.people import EVERYBODY, Pause
from service.stores import open_people

UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
LONGEST_S: Final = 366 * 86_400
HOW: Final = "`python -m service pause NAME` stops the new pictures of one owner, `--all` in place of NAME everybody's."


class PauseError(Exception):
    """An option of these commands cannot be used: what is wrong, and what would be right. One line."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The owners that a command is for: one by name, or `everybody`; neither where none was named."""

    owner: str = ""
    everybody: bool = False

    def __post_init__(self) -> None:
        """Refuse both at once."""
        if self.owner and self.everybody:
            raise PauseError(f"name {self.owner}, or --all, not both")

    @property
    def is_empty(self) -> bool:
        """True where nobody was named."""
        return not self.owner and not self.everybody

    def __str__(self) -> str:
        """Return the owners as the subject of a sentence."""
        return self.owner or "everybody"


async def pause(settings: Settings, selection: Selection, until: float | None) -> int:
    """Pause the selection, or with an empty one list the pauses. Returns the exit status.

    `until` is in seconds since the epoch; None lasts until `resume`. Raises `PauseError` where an end comes without a
    selection, and `SettingsError` without a data folder.
    """
    if selection.is_empty and until is not None:
        raise PauseError("nothing was paused: name an owner beside --for or --until, or --all for everybody")
    people = await open_people(settings)
    try:
        now = time.time()
        if selection.is_empty:
            print(_listed([each for each in await people.pauses() if each.holds(now)]))
            return 0
        made = Pause(owner=selection.owner or EVERYBODY, since=now, until=until)
        known = await people.pause(made)
        print(f"Paused: {_described(made)}. Pictures that are being drawn are finished.")
        stored = await people.tokens()
        if not known and selection.owner not in {*settings.tokens, *(each.name for each in stored)}:
            print(f"Note: neither a token nor an owner in the history has the name {selection.owner}.")
        return 0
    finally:
        await people.close()


async def resume(settings: Settings, selection: Selection) -> int:
    """Lift the pause of one owner, or all pauses. Returns the exit status: 1 when there was none, or one still holds.

    Raises `SettingsError` without a data folder.
    """
    if selection.is_empty:
        raise PauseError("name an owner, or --all to lift every pause")
    people = await open_people(settings)
    try:
        lifted = await people.resume(selection.owner or EVERYBODY)
        left = [each for each in await people.pauses() if each.holds(time.time())]
    finally:
        await people.close()
    print(f"Resumed: {selection}." if lifted else f"There was no pause of {selection}.")
    if still := [each for each in left if each.owner == EVERYBODY]:
        print(f"Still paused: {_described(still[0])}. `python -m service resume --all` lifts that.")
    return 0 if lifted and not still else 1


def read_end(for_: str | None, until: str | None, now: float) -> float | None:
    """Return the end of a pause, in seconds since the epoch, from `--for` or `--until`; None where neither is given.

    `for_` is such as 90s, 30m, 2h or 1d; `until` is a time of ISO 8601, UTC where it names no other zone. Raises
    `PauseError`.
    """
    if for_ is not None and until is not None:
        raise PauseError("give --for or --until, not both")
    if for_ is not None:
        match = re.fullmatch(r"([0-9]{1,9})([smhd])", for_, re.ASCII)
        seconds = int(match[1]) * UNITS_S[match[2]] if match else 0
        if not 0 < seconds <= LONGEST_S:
            raise PauseError(f"--for: {for_[:60]!r} is no duration of up to a year, such as 90s, 30m, 2h or 1d")
        return now + seconds
    if until is not None:
        return _read_until(until, now)
    return None


def _read_until(until: str, now: float) -> float:
    try:
        moment = datetime.fromisoformat(until)
        end = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise PauseError(f"--until: {until[:60]!r} is no time such as 2026-11-29T08:00 (UTC)") from error
    if not now < end <= now + LONGEST_S:
        raise PauseError(f"--until: {until[:60]!r} is not within the next year; it is {_shown(now)} now")
    return end


def _listed(pauses: list[Pause]) -> str:
    if not pauses:
        return f"Nothing is paused. {HOW}"
    return "\n".join(f"Paused: {_described(each)}, since {_shown(each.since)}" for each in pauses)


def _described(pause_: Pause) -> str:
    end = "until it is resumed" if pause_.until is None else f"until {_shown(pause_.until)}"
    return f"{pause_.owner or 'everybody'} {end}"


def _shown(time_s: float) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M} UTC"
