"""The commands `token`, `history` and `usage`: the people of a service, and all that is theirs.

1. They work on the data folder or the database, whether services run on it or not: these take tokens anew every two
   seconds.
2. A token is shown once, when it is made; its digest alone is kept.
3. A history is given away, or deleted, only when its name has no token any more and nothing of it is being drawn.
"""

import asyncio
import contextlib
import json
import re
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final, TypeVar

from service.commands.pause import UNITS_S
from service.costs import sums_text
from service.images import LOCAL_OWNER
from service.pipeline.clock_watch import ClockWatch
from service.pipeline.retention import Retention
from service.settings import Limits, Settings
from service.settings_reader import SettingsError
from service.storage.people import AtWorkError, Holding, People, Use
from service.stores import open_people, open_stores
from service.tokens import StaticToken, TokensError, check_name, read_expiry, read_file

R = TypeVar("R")

PREFIX: Final = "easel_"
"""Begins every token made here, so that a person, or a scanner for secrets, knows one that was left lying about."""

TOKEN_BYTES: Final = 24
HOW_SOON: Final = "A service that runs knows it within 2 seconds."


class PeopleError(Exception):
    """One of the commands cannot be followed: what is wrong, and what would be right. One line."""


def add(settings: Settings, name: str, expires: str | None) -> int:
    """Make a token for a name and print it. Returns the exit status; raises `TokensError`."""
    check_name(name)
    now = time.time()
    expires_at = _read_end(expires, now) if expires else None
    token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    asyncio.run(_make_folder(settings))
    is_first = not _on(settings, lambda people: people.tokens())
    added = _on(settings, lambda people: people.add_token(name, token, now, expires_at))
    end = "until it is revoked" if expires_at is None else f"until {_shown(expires_at)}"
    print(f"The token of {name}, good {end}, with the id {added.id}. It is shown this once:\n\n  {token}\n")
    print(f"Clients send it in the header 'Authorization: Bearer {token}'. {HOW_SOON}")
    if is_first and not settings.needs_token:
        print("It is the first one: from now on every request needs a token.")
    return 0


def list_tokens(settings: Settings) -> int:
    """Print the names and the tokens, those of the settings included. Returns the exit status."""
    now = time.time()
    rows = [
        (each.name, each.id, _shown(each.created_at), _shown(each.expires_at), each.state(now))
        for each in _on(settings, lambda people: people.tokens())
    ]
    rows += [(name, "-", "-", "-", "of EASEL_TOKENS") for name in _names_of_settings(settings)]
    rows += [(each.name, "-", "-", _shown(each.expires), "of EASEL_TOKENS_FILE") for each in _tokens_of_file(settings)]
    print(_table(("name", "id", "made", "good until", "state"), rows) if rows else "There are no tokens.")
    return 0


def revoke(settings: Settings, name: str, id_: str) -> int:
    """Revoke the tokens of a name, or one of them. Returns the exit status: 1 where there was none to revoke."""
    count = _on(settings, lambda people: people.revoke_tokens(name, id_, time.time()))
    if count:
        print(f"Revoked: {count} {'token' if count == 1 else 'tokens'} of {name}. {HOW_SOON}")
    else:
        print(
            f"{name} has no valid token of `token add`{f' with the id {id_}' if id_ else ''}: `token list` shows all."
        )
    for where in _elsewhere(settings, name):
        print(f"Note: {name} has a token of {where}, which goes on: remove it there.")
    if count and name not in _named(settings):
        print(f"The history stays. `history give {name} NEW` gives it to somebody, `history delete {name}` deletes it.")
    return 0 if count else 1


def rename(settings: Settings, old: str, new: str) -> int:
    """Give a person another name, with tokens, history, pictures and use. Returns the exit status."""
    check_name(new)
    if where := _elsewhere(settings, old):
        raise PeopleError(
            f"{old} has a token of {' and of '.join(where)}: write {new} there, then `history give {old} {new}`"
        )
    has = _on(settings, lambda people: people.holding(new))
    if not has.is_empty or new in _named(settings):
        raise PeopleError(f"{new} is somebody else: take a name that nobody has, or `history give {old} {new}`")
    holds = _holding_at_rest(settings, old)
    if holds.is_empty and old not in _named(settings):
        raise PeopleError(f"nobody has the name {old}; {_known(settings)}")
    tokens = _on(settings, lambda people: people.rename(old, new))
    print(f"{old} is {new} now, with {tokens} {'token' if tokens == 1 else 'tokens'} and {_counted(holds)}. {HOW_SOON}")
    return 0


def reset(settings: Settings, *, yes: bool) -> int:
    """Remove every token of `token add`. Returns the exit status: 1 where the person did not want that."""
    count = len(_on(settings, lambda people: people.tokens()))
    question = (
        f"Remove every token of `token add` ({count})? Where no setting asks for tokens, any program of this machine "
        "may call then, and a service beyond it does not start"
    )
    if not _agreed(question, yes=yes):
        return 1
    _on(settings, lambda people: people.forget_tokens())
    print(f"Removed: {count} tokens. Start running services anew.")
    return 0


def give(settings: Settings, old: str, new: str, *, yes: bool) -> int:
    """Give the history and pictures of a name to another one. Returns the exit status."""
    if old == new:
        raise PeopleError("name two different owners")
    holds = _without_token(settings, old)
    known = {*_named(settings), *_on(settings, lambda people: people.owners())}
    if new not in known:
        check_name(new)
    if new not in known and not yes:
        raise PeopleError(
            f"nobody has the name {new}; {_known(settings)}. With --yes it is given to {new} all the same"
        )
    given = _on(settings, lambda people: people.give(old, new))
    print(f"Given to {new}: {_counted(holds)} of {old}. Links to the pictures go on working.")
    if given.added:
        print(f"{new} had a history: to each history_id of {old}, {given.added} was added. 1 is {1 + given.added} now.")
    return 0


def delete(settings: Settings, name: str, *, yes: bool) -> int:
    """Delete the history and pictures of a name. Returns the exit status: 1 where the person did not want that."""
    holds = _without_token(settings, name)
    question = f"Delete {_counted(holds)} of {name}, for good? A backup may still have them"
    if not _agreed(question, yes=yes):
        return 1
    _on(settings, lambda people: people.forget_waiting(name))
    asyncio.run(_delete(settings, name))
    print(f"Deleted: {_counted(holds)} of {name}. `usage` still counts them.")
    return 0


def usage(settings: Settings, *, month: str, as_json: bool) -> int:
    """Print the use of each owner by month. Returns the exit status."""
    _check_month(month)
    found = _on(settings, lambda people: people.use_by_month(month))
    if as_json:
        print(json.dumps([asdict(each) for each in found], indent=2))
        return 0
    rows = [
        (each.month, each.owner, str(each.pictures), str(each.failed), f"{each.seconds:.0f}", _costs(each))
        for each in found
    ]
    print(_table(("month", "name", "pictures", "failed", "seconds", "cost"), rows) if rows else "Nothing was drawn.")
    return 0


def costs(settings: Settings, *, month: str, as_json: bool) -> int:
    """Print the costs of each day by owner and model. Returns the exit status."""
    _check_month(month)
    found = [each for each in _on(settings, lambda people: people.costs()) if each.date.startswith(month)]
    if as_json:
        print(json.dumps([asdict(each) | {"day": each.date} for each in found], indent=2))
        return 0
    rows = [(each.date, each.owner, each.model, each.text) for each in found]
    print(_table(("day", "name", "model", "cost"), rows) if rows else "No cost is known.")
    return 0


def _costs(use: Use) -> str:
    return sums_text({name: (cost, use.estimated.get(name, 0.0)) for name, cost in use.costs.items()}) or "-"


def _check_month(month: str) -> None:
    if month and not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", month):
        raise PeopleError(f"--month: {month[:20]!r} is no month such as 2026-11")


async def _make_folder(settings: Settings) -> None:
    """Make a data folder that is not there: the first token may come before the first start."""
    if settings.database is None and not (settings.data_dir / "easel.db").exists():
        async with contextlib.AsyncExitStack() as stack:
            await open_stores(settings, stack)


async def _delete(settings: Settings, name: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        storage = await open_stores(settings, stack)
        retention = Retention(storage.store, storage.files, Limits(), removed=lambda _: None, clock=ClockWatch())
        await retention.delete_ended(name, 0)


def _without_token(settings: Settings, name: str) -> Holding:
    """Return all that a name without any token has; raises `PeopleError` where it has a token, or nothing."""
    if name in _named(settings):
        raise PeopleError(f"{name} has a token: revoke it first, so that nothing comes to this history meanwhile")
    holds = _holding_at_rest(settings, name)
    if holds.is_empty:
        raise PeopleError(f"there is nothing of {name}; {_known(settings)}")
    return holds


def _holding_at_rest(settings: Settings, name: str) -> Holding:
    """Return all that a name has; raises `AtWorkError` while something of it is being drawn."""

    async def end_work_of_the_dead() -> None:
        async with contextlib.AsyncExitStack() as stack:
            await open_stores(settings, stack)

    holds = _on(settings, lambda people: people.holding(name))
    if holds.working:
        asyncio.run(end_work_of_the_dead())
        holds = _on(settings, lambda people: people.holding(name))
    if holds.working:
        raise AtWorkError(name, holds.working)
    return holds


def _named(settings: Settings) -> set[str]:
    """Return all names that have a token which is good now."""
    now = time.time()
    stored = {each.name for each in _on(settings, lambda people: people.tokens()) if each.state(now) == "valid"}
    of_file = {each.name for each in _tokens_of_file(settings) if not each.problem(now)}
    return stored | of_file | set(_names_of_settings(settings))


def _known(settings: Settings) -> str:
    names = sorted({*_named(settings), *_on(settings, lambda people: people.owners())})
    return f"known are {', '.join(names)}" if names else "nobody is known here"


def _elsewhere(settings: Settings, name: str) -> list[str]:
    """Return the settings that have a token of this name."""
    of_settings, of_file = name in _names_of_settings(settings), {each.name for each in _tokens_of_file(settings)}
    return [*(["EASEL_TOKENS"] if of_settings else []), *(["EASEL_TOKENS_FILE"] if name in of_file else [])]


def _names_of_settings(settings: Settings) -> list[str]:
    return [*settings.tokens, *([LOCAL_OWNER] if settings.auto_token else [])]


def _tokens_of_file(settings: Settings) -> Sequence[StaticToken]:
    if settings.tokens_file is None:
        return ()
    try:
        return read_file(settings.tokens_file.read_bytes())
    except (OSError, TokensError) as error:
        raise SettingsError("EASEL_TOKENS_FILE", f"{settings.tokens_file}: {error}") from error


def _on(settings: Settings, work: Callable[[People], Awaitable[R]]) -> R:
    """Do one piece of work on the people of the service. Raises `SettingsError` where there is no service."""

    async def on_people() -> R:
        people = await open_people(settings)
        try:
            return await work(people)
        finally:
            await people.close()

    return asyncio.run(on_people())


LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
"""The last end that a token may have, in seconds since the epoch."""


def _read_end(text: str, now: float) -> float:
    """Return the end of a token from a date, a time or a span such as 90d; raises `PeopleError`."""
    match = re.fullmatch(r"([0-9]{1,5})([smhd])", text)
    try:
        end = now + int(match[1]) * UNITS_S[match[2]] if match else read_expiry(text)
    except TokensError as error:
        raise PeopleError(
            f"--expires: {text[:40]!r} is neither a date such as 2027-06-30 nor a span such as 90d"
        ) from error
    if end > LATEST:
        raise PeopleError(f"--expires: {text[:40]!r} is beyond all calendars; leave it out for a token without end")
    if end <= now:
        raise PeopleError(f"--expires: {text[:40]!r} is over; it is {_shown(now)} now")
    return end


def _agreed(question: str, *, yes: bool) -> bool:
    """Ask the person, unless they have agreed; raises `PeopleError` where nobody can be asked."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise PeopleError(f"{question}: nobody can be asked here; add --yes")
    return input(f"{question}. Go on? [y/N] ").strip().lower() in {"y", "yes"}


def _counted(holds: Holding) -> str:
    entries = "1 entry" if holds.ended == 1 else f"{holds.ended} entries"
    files = "1 picture" if holds.files == 1 else f"{holds.files} pictures"
    return f"{entries} of the history and {files}"


def _shown(time_s: float | None) -> str:
    return "-" if time_s is None else f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M} UTC"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows in columns; those of numbers are set to the right."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    numbers = [all(re.fullmatch(r"[0-9.e+-]+", row[at]) and row[at] != "-" for row in rows) for at in range(len(head))]
    lines = (
        "  ".join(
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(row, widths, numbers, strict=True)
        )
        for row in (head, *rows)
    )
    return "\n".join(line.rstrip() for line in lines)
