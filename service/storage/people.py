"""The contract of the people of a service: their tokens, all that is theirs as a whole, their pauses, and their use.

The commands work on it, whether services run on the same database or not. Each method is one transaction. Methods
raise `WorkError` of kind `storage` when the database refuses.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from service.costs import DailyCost
from service.tokens import MAX_TOKENS, StaticToken, TokensError, digest_of

EVERYBODY: Final = ""
"""The owner of a pause of all owners. No token has this name."""

CLOCK_SLACK_S: Final = 3600.0
"""A pause with an end is over when the clock stands so long before its beginning: it was set by a wrong clock."""

SHOWN_DIGITS: Final = 8


@dataclass(frozen=True, kw_only=True)
class StoredToken:
    """A token of `token add`: its name, its SHA-256 digest, and its times in seconds since the epoch; None for never.

    A revoked one stays. It tells when it ended, and that this service has had tokens: one that asked for them must not
    open to everybody because the last one was revoked.
    """

    name: str
    digest: bytes
    created_at: float
    expires_at: float | None
    revoked_at: float | None

    @property
    def id(self) -> str:
        """The first digits of its digest, which tell it from the others of its name."""
        return self.digest.hex()[:SHOWN_DIGITS]

    def state(self, now: float) -> str:
        """Return "valid", "expired" or "revoked"."""
        if self.revoked_at is not None:
            return "revoked"
        return "valid" if self.expires_at is None or now < self.expires_at else "expired"


@dataclass(frozen=True, kw_only=True)
class Pause:
    """A stop of all new generations of one owner, or of `EVERYBODY`, in seconds since the epoch.

    `until` is None for one that lasts until it is lifted.
    """

    owner: str
    since: float
    until: float | None

    def holds(self, now: float) -> bool:
        """Tell that it is in force."""
        return self.until is None or self.since - CLOCK_SLACK_S <= now < self.until


@dataclass(frozen=True, kw_only=True)
class Holding:
    """All that an owner has: the newest number ever given, jobs at work and ended, their pictures, and stored files."""

    newest: int
    working: int
    ended: int
    pictures: int
    files: int

    @property
    def is_empty(self) -> bool:
        """True where nothing is left of a history."""
        return not (self.working or self.ended or self.files)


@dataclass(frozen=True, kw_only=True)
class Given:
    """A history that was given: its entries and pictures, and the number that was added to each of its numbers."""

    entries: int
    pictures: int
    added: int


@dataclass(frozen=True, kw_only=True)
class Use:
    """The use of one owner in one month, such as 2026-11: pictures that came, failures, seconds, and costs.

    `costs` are the sums by currency; `estimated` the parts of them that no image service told.
    """

    month: str
    owner: str
    pictures: int
    failed: int
    seconds: float
    costs: Mapping[str, float] = field(default_factory=dict)
    estimated: Mapping[str, float] = field(default_factory=dict)


class AtWorkError(Exception):
    """Pictures of an owner are being drawn, which would be lost with the rows of their jobs. One line."""

    def __init__(self, owner: str, working: int) -> None:
        """Name the owner, and the number of jobs at work."""
        drawn = f"1 picture of {owner} is" if working == 1 else f"{working} pictures of {owner} are"
        super().__init__(f"{drawn} being drawn: try again when that is done, with {owner} paused")


class People(ABC):
    """The people of one service.

    Rows and numbers of a history have one order. A history that is given to an owner who has one goes behind it: its
    numbers go behind the newest number of that owner. No number is given twice: the counter of the name that gave
    stays, as that of the name that got goes on.
    """

    # Tokens.

    @abstractmethod
    def tokens(self) -> Awaitable[list[StoredToken]]:
        """Every token by its name, those that were revoked included."""

    @abstractmethod
    def add_token(self, name: str, token: str, now: float, expires_at: float | None) -> Awaitable[StoredToken]:
        """Keep the digest of a new token; raises `TokensError` where there are too many."""

    @abstractmethod
    def revoke_tokens(self, name: str, id_: str, now: float) -> Awaitable[int]:
        """Revoke the tokens of a name, or those of them whose digest begins with `id_`. Return how many there were."""

    @abstractmethod
    def forget_tokens(self) -> Awaitable[int]:
        """Remove every token, also the revoked ones. Return how many there were."""

    # Owners as wholes.

    @abstractmethod
    def holding(self, owner: str) -> Awaitable[Holding]:
        """All that an owner has."""

    @abstractmethod
    def owners(self) -> Awaitable[list[str]]:
        """Names of all who have begun a job or kept a file; files of nobody have none."""

    @abstractmethod
    def give(self, old: str, new: str) -> Awaitable[Given]:
        """Give all that one owner has to another; the use stays with the name that had the pictures drawn.

        Raises `AtWorkError` where any of it is at work: a process that draws finds its job by owner and number.
        """

    @abstractmethod
    def rename(self, old: str, new: str) -> Awaitable[int]:
        """Give all that one owner has to another, with use, pause and tokens. Return how many tokens there were.

        Raises `AtWorkError` as `give` does.
        """

    @abstractmethod
    def forget_waiting(self, owner: str) -> Awaitable[None]:
        """Remove the upload links and the tasks of an owner, whose files nothing waits for any more."""

    # Use, costs and pauses.

    @abstractmethod
    def use_by_month(self, month: str = "") -> Awaitable[list[Use]]:
        """The use of all owners by month, newest first; with `month`, such as 2026-11, of that one alone."""

    @abstractmethod
    def costs(self) -> Awaitable[list[DailyCost]]:
        """The costs of all owners by day, newest first."""

    @abstractmethod
    def pauses(self) -> Awaitable[list[Pause]]:
        """All pauses, those that are over included."""

    @abstractmethod
    def pause(self, one: Pause) -> Awaitable[bool]:
        """Pause an owner, or change their pause. Return whether the owner is known, as one who has begun a job."""

    @abstractmethod
    def resume(self, owner: str) -> Awaitable[int]:
        """Lift the pause of an owner, or with `EVERYBODY` every pause. Return how many there were."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of the database, where it is this object's own."""


def new_token(valid: int, name: str, token: str, now: float, expires_at: float | None) -> StoredToken:
    """Return the row of a new token beside so many valid ones; raises `TokensError` where there are too many."""
    if valid >= MAX_TOKENS:
        raise TokensError(f"there are {MAX_TOKENS} tokens already, which are the most; revoke some first")
    return StoredToken(name=name, digest=digest_of(token), created_at=now, expires_at=expires_at, revoked_at=None)


def as_sent(tokens: Sequence[StoredToken]) -> tuple[StaticToken, ...]:
    """Return tokens as they are compared with those that are sent; a revoked one expired when it was revoked."""
    return tuple(
        StaticToken(name=each.name, digest=each.digest, expires=each.expires_at, revoked=each.revoked_at is not None)
        for each in tokens
    )
