"""The cost of pictures: the prices that a models file gives, the use that a service tells, and the words for both.

A service that tells what an answer cost is believed. For one that tells tokens alone they are multiplied, and for one
that tells nothing the price of a picture counts; both are estimates, and marked as such. Costs of several currencies
are never added up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

CURRENCY: Final = "USD"
"""The currency of a price that names none, and of services that tell a cost without one."""

DAY_S: Final = 86_400
MILLION: Final = 1_000_000
ROUNDING: Final = 1e-9
"""The rest of a sum of prices that were taken back may be as large as this, and counts as nothing."""

LEAST_SHOWN: Final = 0.0001
ROUND: Final = 0.1
"""From here on an amount is shown with two digits after the point, below it with its first two digits."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """The use of an image service that it tells with an answer, or that a price table estimates.

    `cost` is in `currency` (ISO 4217); None where nobody knows it. `estimated`: it is of a price table. Of the input
    tokens `image_tokens` are those of reference pictures.
    """

    cost: float | None = None
    currency: str = CURRENCY
    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False
    image_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        """Return the sum. Costs of two currencies have none: then the cost is that of neither."""
        costs = [each.cost for each in (self, other) if each.cost is not None]
        alike = len(costs) < 2 or self.currency == other.currency
        return Usage(
            cost=sum(costs) if costs and alike else None,
            currency=other.currency if self.cost is None else self.currency,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            estimated=self.estimated or other.estimated,
            image_tokens=self.image_tokens + other.image_tokens,
        )

    @property
    def structure(self) -> dict[str, Any]:
        """The use as structured content, without what nobody knows."""
        known: dict[str, Any] = {}
        if self.cost is not None:
            known = {"cost": self.cost, "currency": self.currency, "estimated": self.estimated}
        tokens = {"input_tokens": self.input_tokens, "output_tokens": self.output_tokens}
        return known | {name: number for name, number in tokens.items() if number}


@dataclass(frozen=True, kw_only=True)
class Price:
    """The price of one request by the models file: of each picture, and of a million tokens of each kind.

    0 stands for a price that nobody wrote down. `image_input` is for tokens of reference pictures.
    """

    currency: str = CURRENCY
    picture: float = 0.0
    input: float = 0.0
    image_input: float = 0.0
    output: float = 0.0

    def settle(self, usage: Usage | None, pictures: int) -> Usage | None:
        """Return the use with its cost: the one that was told, else an estimate for so many pictures, if there is one.

        Tokens tell more than the price of a picture.
        """
        if usage is not None and usage.cost is not None:
            return usage
        used = usage or Usage()
        cost = self._of_tokens(used) or self.picture * pictures
        return replace(used, cost=cost, currency=self.currency, estimated=True) if cost else usage

    def _of_tokens(self, used: Usage) -> float:
        """Return the cost of the tokens; 0 where none were told, or where output has no price."""
        if not used.output_tokens:
            return 0.0
        words = max(0, used.input_tokens - used.image_tokens) * self.input
        references = used.image_tokens * (self.image_input or self.input)
        return (words + references + used.output_tokens * self.output) / MILLION if self.output else 0.0


FREE: Final = Price()
"""The price of a model without one."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The pictures that an answer drew, and the use that it told; None where it told nothing."""

    pictures: int
    usage: Usage | None = None


@dataclass(frozen=True, kw_only=True)
class DailyCost:
    """The cost of one owner's pictures by one model, of one day, in one currency.

    `day` counts the days since 1970, UTC. `estimated` is the part of the cost that no answer told.
    """

    day: int
    owner: str
    model: str
    currency: str
    cost: float
    estimated: float

    @property
    def date(self) -> str:
        """The day as 2026-11-28."""
        return datetime.fromtimestamp(self.day * DAY_S, UTC).strftime("%Y-%m-%d")

    @property
    def text(self) -> str:
        """The cost in words, such as "0.12 USD" or "about 0.12 USD"."""
        return sums_text({self.currency: (self.cost, self.estimated)})


def cost_text(usage: Usage | None) -> str:
    """Return the cost in three words, such as "cost 0.04 USD" or "about 0.04 USD"; "" where nobody knows it."""
    if usage is None or usage.cost is None:
        return ""
    return f"{'about' if usage.estimated else 'cost'} {amount(usage.cost)} {usage.currency}"


def amount(cost: float) -> str:
    """Return an amount of money as a person reads it, without a power of ten."""
    if 0 < cost < LEAST_SHOWN:
        return f"under {LEAST_SHOWN:.4f}"
    return f"{cost:.2f}" if cost == 0 or cost >= ROUND else f"{cost:.2g}"


def sums_text(costs: Mapping[str, tuple[float, float]]) -> str:
    """Return sums in words, one for each currency; each is the whole, and the part of it that is estimated."""
    return ", ".join(
        f"{'about ' if guessed > ROUNDING else ''}{amount(whole)} {currency}"
        for currency, (whole, guessed) in costs.items()
    )
