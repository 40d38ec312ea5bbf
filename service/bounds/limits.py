"""The limits of work and of connections: their one table, how their settings are read, and the refusal beyond one.

1. A limit holds for each owner and, where the table has a second number, for all owners together. Its setting is `EACH`
   or `EACH/ALL`, such as `200/1000`; 0 is no limit, and a part that is left out stays at its default.
2. `EASEL_LIMITS` gives single owners limits of their own: `alice.pictures_per_day=50, bob.spend_per_day=2`.
3. A refusal costs nothing and leaves nothing: it says which limit it was, and when to try again.
4. A limit is checked where the work begins: those of pictures in the database (`storage/records/new_work.py`), that of
   requests in `call_rate.py`, by a monotonic clock and for each process.
5. Several replicas hold in sum what costs money or what one owner could take from others: pictures and uploads of a
   day, spend, what waits, pictures at once, requests within a minute. What protects the memory of one process holds for
   each: connections, calls and downloads at once, megabytes, streams, subscriptions, sessions, archives.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from service.images import WorkError

NO_LIMIT: Final = 0.0
ROUNDING: Final = 1e-6
"""Sums of prices differ from their decimals by less than this."""

RETRY_IN_USE_S: Final = 5.0
"""Seconds until it is worth another try where something is in use: nobody knows when it will be free."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One row of the table: the default for each owner, that for all owners together, and the meaning.

    `overall` is None where owners share nothing. `refusal` says the fact in the words of `LimitError`, for one owner,
    and `overall_refusal` for all of them: "You have sent {limit} requests within a minute". `shortage` is that of one
    call that asks for several where there is room for `{left}` of them. `decimals` is the number of digits after the
    point that are taken, of money.
    """

    name: str
    each: float
    overall: float | None
    meaning: str
    refusal: str = ""
    overall_refusal: str = ""
    shortage: str = ""
    decimals: int = 0

    @property
    def setting(self) -> str:
        """The name of its setting, such as EASEL_CALLS_PER_MINUTE."""
        return f"EASEL_{self.name.upper()}"

    @property
    def default(self) -> str:
        """The default as it would be written."""
        return f"{self.each:g}" if self.overall is None else f"{self.each:g}/{self.overall:g}"


CALLS_PER_MINUTE: Final = Limit(
    name="calls_per_minute",
    each=600,
    overall=3000,
    meaning="requests of MCP within a minute, of each owner / of all (here and below: 0 is no limit)",
    refusal="You have sent {limit} requests within a minute",
    overall_refusal="All users together have sent {limit} requests within a minute",
)
GENERATIONS_AT_ONCE: Final = Limit(
    name="generations_at_once",
    each=8,
    overall=32,
    meaning="pictures drawn at the same time, of each owner / of all; more wait their turn, owner by owner",
)
GENERATIONS_QUEUED: Final = Limit(
    name="generations_queued",
    each=24,
    overall=96,
    meaning="pictures that wait their turn, of each owner / of all; more are refused",
    refusal="{limit} of your pictures wait their turn already",
    overall_refusal="{limit} pictures of all users wait their turn already",
    shortage="{left} more pictures may wait their turn now, and {asked} are asked for",
)
BATCH_GENERATIONS: Final = Limit(
    name="batch_generations",
    each=8,
    overall=None,
    meaning="pictures that one JSON-RPC batch (revision 2025-03-26) may ask for",
    refusal="The batch asks for {limit} pictures before this one",
)
PICTURES_PER_DAY: Final = Limit(
    name="pictures_per_day",
    each=500,
    overall=2000,
    meaning="pictures drawn in a day (UTC), of each owner / of all",
    refusal="You have had {limit} pictures drawn today",
    overall_refusal="All users together have had {limit} pictures drawn today",
    shortage="{left} of the {limit} pictures of today are left, and {asked} are asked for",
)
SPEND_PER_DAY: Final = Limit(
    name="spend_per_day",
    each=NO_LIMIT,
    overall=NO_LIMIT,
    meaning="what pictures may cost in a day (UTC), of each owner / of all, in each currency by itself",
    refusal="Your budget of {limit} for today would be passed",
    overall_refusal="The budget of {limit} for today, of all users together, would be passed",
    decimals=4,
)
UPLOADS_PER_DAY: Final = Limit(
    name="uploads_per_day",
    each=200,
    overall=1000,
    meaning="upload links made in a day (UTC), of each owner / of all",
    refusal="You have asked for {limit} upload links today",
    overall_refusal="All users together have asked for {limit} upload links today",
)
DOWNLOADS_AT_ONCE: Final = Limit(
    name="downloads_at_once",
    each=4,
    overall=16,
    meaning="downloads of `image_url` at the same time, of each owner / of all; each takes 20 seconds at most",
    refusal="{limit} of your downloads are under way",
    overall_refusal="{limit} downloads of all users are under way",
)
CONNECTIONS: Final = Limit(
    name="connections",
    each=250,
    overall=1000,
    meaning="connections open at the same time, of each address / of all; for one more, an idle one is closed",
)
CALLS_AT_ONCE: Final = Limit(
    name="calls_at_once",
    each=100,
    overall=500,
    meaning="requests of MCP that are being answered at the same time, of each owner / of all",
    refusal="{limit} of your requests are being answered",
    overall_refusal="{limit} requests of all users are being answered",
)
REQUEST_MEGABYTES: Final = Limit(
    name="request_megabytes",
    each=64,
    overall=256,
    meaning="megabytes of requests and uploads that are being received or answered, of each owner / of all",
    refusal="{limit} MB of your requests are being received or answered",
    overall_refusal="{limit} MB of requests of all users are being received or answered",
)
DERIVATIVES: Final = Limit(
    name="derivatives",
    each=256,
    overall=1024,
    meaning="smaller copies of pictures that wait to be made for a page, of each owner / of all",
    refusal="{limit} smaller copies of your pictures are being made",
    overall_refusal="{limit} smaller copies of pictures of all users are being made",
)
ARCHIVES: Final = Limit(
    name="archives",
    each=2,
    overall=8,
    meaning="ZIP files of the gallery that are being sent at the same time, of each owner / of all",
    refusal="{limit} of your ZIP files are being sent",
    overall_refusal="{limit} ZIP files of all users are being sent",
)
STREAMS: Final = Limit(
    name="streams",
    each=64,
    overall=400,
    meaning="streams of notices that are open at the same time, of each owner / of all",
    refusal="{limit} of your streams are open",
    overall_refusal="{limit} streams of all users are open",
)
SUBSCRIPTIONS: Final = Limit(
    name="subscriptions",
    each=2000,
    overall=20_000,
    meaning="resources and tasks of whose changes notices are sent, of each owner / of all",
    refusal="You are subscribed to {limit} resources and tasks",
    overall_refusal="All users together are subscribed to {limit} resources and tasks",
)
SESSIONS: Final = Limit(
    name="sessions",
    each=500,
    overall=5000,
    meaning="sessions whose subscriptions are remembered, of each owner / of all; beyond, the oldest subscribe anew",
)
REPLAY_MEGABYTES: Final = Limit(
    name="replay_megabytes",
    each=16,
    overall=64,
    meaning="megabytes of messages kept for clients that lost their connection, of each owner / of all",
)

LIMITS: Final = (
    CALLS_PER_MINUTE, GENERATIONS_AT_ONCE, GENERATIONS_QUEUED, BATCH_GENERATIONS, PICTURES_PER_DAY, SPEND_PER_DAY,
    UPLOADS_PER_DAY, DOWNLOADS_AT_ONCE, CONNECTIONS, CALLS_AT_ONCE, REQUEST_MEGABYTES, DERIVATIVES, ARCHIVES, STREAMS,
    SUBSCRIPTIONS, SESSIONS, REPLAY_MEGABYTES,
)  # fmt: skip
"""Every limit, in the order of `--help` and `docs/settings.md`."""

_BY_NAME: Final = {limit.name: limit for limit in LIMITS}

Pair: TypeAlias = tuple[float, float]
"""The limit of each owner, and that of all together."""


class LimitsError(Exception):
    """A setting of limits cannot be read: what is wrong, and what would be right. One line."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """The number of one limit, of all owners together and of each: infinite for none."""

    overall: float
    everyones: float
    of_owners: Mapping[str, float]

    def each(self, owner: str) -> float:
        """Return the limit of one owner."""
        return self.of_owners.get(owner, self.everyones)


@dataclass(frozen=True, kw_only=True)
class Allowances:
    """The limits as the settings have them: by name those that were set, by owner and name the exceptions."""

    pairs: Mapping[str, Pair] = field(default_factory=dict)
    exceptions: Mapping[tuple[str, str], float] = field(default_factory=dict)
    free_bytes: int = 0
    """Bytes that stay free on the disk of the data folder: below them no new work begins."""

    def each(self, limit: Limit, owner: str) -> float:
        """Return the limit of one owner; infinite for none."""
        number = self.exceptions.get((owner, limit.name))
        return _finite(self._pair(limit)[0] if number is None else number)

    def overall(self, limit: Limit) -> float:
        """Return the limit of all owners together; infinite for none."""
        return _finite(self._pair(limit)[1])

    def bound(self, limit: Limit) -> "Bound":
        """Return one limit, read once for all requests that are counted by it."""
        of_owners = {owner: _finite(number) for (owner, name), number in self.exceptions.items() if name == limit.name}
        return Bound(overall=self.overall(limit), everyones=_finite(self._pair(limit)[0]), of_owners=of_owners)

    def check(  # noqa: PLR0913 - each is a word of the refusal
        self, limit: Limit, owner: str, used: Pair, *, retry_after_s: float, advice: str = "", asked: int = 1
    ) -> None:
        """Raise `LimitError` where the use, of this owner or of all, is beyond the limit.

        `asked` is the part of it that is new.
        """
        for overall, number in enumerate((self.each(limit, owner), self.overall(limit))):
            if used[overall] > number + ROUNDING:
                left = math.floor(number - used[overall] + asked)
                if limit.shortage and 0 < left < asked:
                    words = limit.shortage.format(left=left, limit=f"{number:g}", asked=asked)
                    fewer = ", ".join(filter(None, [advice, f"or now with `count` {left}"]))
                    raise LimitError(f"{words} ({limit.setting})", retry_after_s=retry_after_s, advice=fewer)
                raise refusal(limit, number, overall=bool(overall), retry_after_s=retry_after_s, advice=advice)

    def _pair(self, limit: Limit) -> Pair:
        return self.pairs.get(limit.name, (limit.each, limit.overall or NO_LIMIT))


UNLIMITED: Final = Allowances(pairs={limit.name: (NO_LIMIT, NO_LIMIT) for limit in LIMITS})
"""No limit at all."""


class LimitError(WorkError):
    """Work was refused because a limit is reached: `retry_after_s` says in how many seconds it is worth another try."""

    def __init__(self, fact: str, *, retry_after_s: float, advice: str = "", kind: str = "limit") -> None:
        """Refuse with a fact, without a full stop, and perhaps advice beside the wait."""
        again = f"Try again in {spoken_wait(retry_after_s)}{f', {advice}' if advice else ''}."
        super().__init__(f"{fact}. Nothing was charged. {again}", kind=kind, retry_after_s=retry_after_s)


def refusal(limit: Limit, number: float, *, overall: bool, retry_after_s: float, advice: str = "") -> LimitError:
    """Return the refusal beyond a limit of `number`, of one owner or of all; it names the setting."""
    words = (limit.overall_refusal if overall else limit.refusal).format(limit=f"{number:g}")
    return LimitError(f"{words} ({limit.setting})", retry_after_s=retry_after_s, advice=advice)


class InUse:
    """The amount of one limit that is in use at this moment, of each owner and of all."""

    def __init__(self, limit: Limit, allowances: Allowances = UNLIMITED, *, unit: int = 1) -> None:
        """Begin with nothing in use. The numbers of the limit count in `unit`, such as a million bytes."""
        self._limit = limit
        self._bound = allowances.bound(limit)
        self._unit = unit
        self._owners: dict[str, int] = {}
        self._all = 0

    def take(self, owner: str, amount: int = 1) -> None:
        """Use so much more; raises `LimitError` beyond a limit, and uses nothing then."""
        own, overall = self._owners.get(owner, 0) + amount, self._all + amount
        each, everybody = self._bound.each(owner), self._bound.overall
        if own > each * self._unit:
            raise refusal(self._limit, each, overall=False, retry_after_s=RETRY_IN_USE_S)
        if overall > everybody * self._unit:
            raise refusal(self._limit, everybody, overall=True, retry_after_s=RETRY_IN_USE_S)
        self._owners[owner], self._all = own, overall

    def give_back(self, owner: str, amount: int = 1) -> None:
        """Use so much less."""
        self._all -= amount
        left = self._owners.pop(owner, 0) - amount  # an empty upload uses nothing, and is no entry
        if left:
            self._owners[owner] = left

    def hold(self, owner: str, amount: int = 1) -> "Held":
        """Use so much more until the block ends; raises `LimitError` beyond a limit."""
        self.take(owner, amount)
        return Held(self, owner, amount)

    @property
    def overall(self) -> int:
        """The amount that all owners use together."""
        return self._all

    def of(self, owner: str) -> int:
        """Return how much an owner uses."""
        return self._owners.get(owner, 0)


class Held:
    """An amount that is in use while a block of code runs. Streams hold one for days, so it is small."""

    __slots__ = ("_amount", "_in_use", "_owner")

    def __init__(self, in_use: InUse, owner: str, amount: int) -> None:
        """Hold what was taken."""
        self._in_use = in_use
        self._owner = owner
        self._amount = amount

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(self, *_: object) -> None:
        """Give the amount back."""
        self._in_use.give_back(self._owner, self._amount)


def spoken_wait(seconds: float) -> str:
    """Return a wait in the words of a person, rounded up: "12 seconds", "5 minutes", "3 hours and 20 minutes"."""
    whole = max(1, math.ceil(seconds))
    if whole < 120:
        return "a second" if whole == 1 else f"{whole} seconds"
    hours, minutes = divmod(math.ceil(whole / 60), 60)
    parts = (_counted(hours, "an hour", "hours"), _counted(minutes, "a minute", "minutes"))
    return " and ".join(filter(None, parts))


def _counted(number: int, one: str, several: str) -> str:
    return one if number == 1 else f"{number} {several}" if number else ""


def read_pair(limit: Limit, text: str) -> Pair:
    """Read the setting of one limit, `EACH` or `EACH/ALL`; raises `LimitsError`."""
    each, slash, overall = text.partition("/") if limit.overall is not None else (text, "", "")
    return _number(limit, each), _number(limit, overall) if slash else limit.overall or NO_LIMIT


def read_exceptions(text: str) -> dict[tuple[str, str], float]:
    """Read EASEL_LIMITS, such as "alice.pictures_per_day=50, bob.spend_per_day=2"; raises `LimitsError`."""
    found: dict[tuple[str, str], float] = {}
    for entry in filter(None, re.split(r"[,;\s]+", text)):
        said, equals, number = entry.rpartition("=")
        owner, dot, name = said.rpartition(".")  # names of tokens may hold dots, those of limits do not
        if not equals or not dot or not owner:
            raise LimitsError(
                f"{entry[:60]!r} is not of the form owner.limit=number, such as alice.pictures_per_day=50"
            )
        if name not in _BY_NAME:
            raise LimitsError(f"{name[:60]!r} is no limit; known are {', '.join(_BY_NAME)}")
        found[owner, name] = _number(_BY_NAME[name], number)
    return found


def _number(limit: Limit, text: str) -> float:
    fraction = rf"(\.[0-9]{{1,{limit.decimals}}})?" if limit.decimals else ""
    if not re.fullmatch(rf"[0-9]{{1,9}}{fraction}", text.strip(), re.ASCII):
        kind = "a number" if limit.decimals else "a whole number"
        two = "" if limit.overall is None else ", or two with / between"
        raise LimitsError(f"{text.strip()[:60]!r} is not {kind} from 0{two}, such as {limit.default}")
    return float(text)


def _finite(number: float) -> float:
    return number or math.inf
