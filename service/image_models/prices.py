"""The prices in a models file: the table `prices`, and the `price` of a model or family.

- A price is a number, that of one picture; or the name of an entry of `prices`; or an object, as such an entry is:
- `currency`: three letters; the `currency` beside `prices`, or USD, when it is left out.
- `picture`: the price of one picture, a number or a list of cases, the first of which fits:
  `[{"quality": "low", "cost": 0.01}, {"quality": "high", "size": "1024x1024", "cost": 0.17}, {"cost": 0.04}]`.
- `input`, `image_input`, `output`: the price of a million tokens of text, of reference pictures, and of what is drawn,
  for services that tell how many they used. They count before the price of a picture.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from service.costs import CURRENCY, Price, amount

HIGHEST_PRICE: Final = 1e6
"""More than any picture costs in any currency; a price beyond it is a slip."""

CURRENCY_CODE: Final = re.compile(r"[A-Z]{3}")
TOKENS: Final = ("input", "image_input", "output")
KEYS: Final = frozenset({"currency", "picture", *TOKENS})
COST: Final = "cost"

Entry: TypeAlias = Mapping[object, object]


class PriceError(ValueError):
    """A price cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """The price of one picture where the arguments have these values; without any it always fits."""

    cost: float
    values: Mapping[str, str]

    def fits(self, arguments: Mapping[str, Any]) -> bool:
        """Tell whether the arguments of a request have the values."""
        return all(arguments.get(name) == value for name, value in self.values.items())


@dataclass(frozen=True, kw_only=True)
class PriceList:
    """All prices of one model."""

    cases: tuple[Case, ...] = ()
    currency: str = CURRENCY
    input: float = 0.0
    image_input: float = 0.0
    output: float = 0.0

    def of(self, arguments: Mapping[str, Any]) -> Price:
        """Return the price of a request with these arguments."""
        return Price(
            currency=self.currency,
            picture=next((case.cost for case in self.cases if case.fits(arguments)), 0.0),
            input=self.input,
            image_input=self.image_input,
            output=self.output,
        )

    @property
    def text(self) -> str:
        """The price in words, such as "about 0.04 USD a picture"; "" where there is none."""
        costs = sorted({case.cost for case in self.cases})
        if any(costs):
            span = amount(costs[0]) if len(costs) == 1 else f"{amount(costs[0])} to {amount(costs[-1])}"
            return f"about {span} {self.currency} a picture"
        return f"{self.output:g} {self.currency} a million tokens that are drawn" if self.output else ""

    @property
    def highest(self) -> Price:
        """The price of the dearest request."""
        return Price(currency=self.currency, picture=max((case.cost for case in self.cases), default=0.0))


NO_PRICES: Final = PriceList()


@dataclass(frozen=True)
class PriceTable:
    """The table `prices` of a file. `arguments` are the names that a case may have."""

    named: Mapping[object, object]
    currency: str
    arguments: tuple[str, ...]

    @classmethod
    def read(cls, file: Mapping[object, object], arguments: Iterable[str]) -> "PriceTable":
        """Read the table of a file, every entry of it; raises `PriceError`."""
        named, currency = file.get("prices", {}), file.get("currency", CURRENCY)
        if not isinstance(named, dict):
            raise PriceError('"prices" must be an object of prices')
        table = cls(named, _read_currency('"currency"', currency), tuple(arguments))
        for name in named:
            table.find(f'"prices" › "{name}"', named[name])
        return table

    def find(self, where: str, price: object) -> PriceList:
        """Return the price list that a value of `price` means. `where` names its place in the file."""
        match price:
            case None:
                return NO_PRICES
            case str(name) if name in self.named and not isinstance(self.named[name], str):
                return self.find(f'"prices" › "{name}"', self.named[name])
            case {**entry}:
                return self._read(where, entry)
            case bool() | str():
                pass
            case int() | float():
                return PriceList(cases=(Case(cost=_read_number(where, price), values={}),), currency=self.currency)
        raise PriceError(f'{where} must be a number from 0 to {HIGHEST_PRICE:g}, a name of "prices", or an object')

    def _read(self, where: str, entry: Entry) -> PriceList:
        wrong = [str(key) for key in entry if key not in KEYS and not str(key).startswith(("/", "_", "#", "x-"))]
        if wrong:
            raise PriceError(f"{where} has {wrong[0][:80]!r}; it may have {', '.join(sorted(KEYS))}")
        tokens = {name: _read_number(f"{where} › {name}", entry.get(name, 0)) for name in TOKENS}
        return PriceList(
            cases=tuple(self._read_cases(f"{where} › picture", entry.get("picture", []))),
            currency=_read_currency(f"{where} › currency", entry.get("currency", self.currency)),
            **tokens,
        )

    def _read_cases(self, where: str, cases: object) -> list[Case]:
        match cases:
            case [*listed]:
                return [self._read_case(where, each) for each in listed]
            case _:
                return [Case(cost=_read_number(where, cases), values={})]

    def _read_case(self, where: str, case: object) -> Case:
        if not isinstance(case, dict) or COST not in case:
            raise PriceError(f'{where} holds {str(case)[:80]!r}; each must be an object with "cost"')
        values = {name: value for name, value in case.items() if name != COST}
        for name, value in values.items():
            if name not in self.arguments or not isinstance(value, str):
                raise PriceError(
                    f"{where} has {str(name)[:80]!r} with {str(value)[:80]!r}; it must be one of "
                    f"{', '.join(self.arguments)}, with a text"
                )
        return Case(cost=_read_number(where, case[COST]), values=values)


def _read_number(where: str, number: object) -> float:
    match number:
        case int() | float() if 0 <= number <= HIGHEST_PRICE and not isinstance(number, bool):
            return float(number)
        case _:
            raise PriceError(f"{where} must be a number from 0 to {HIGHEST_PRICE:g}")


def _read_currency(where: str, currency: object) -> str:
    if isinstance(currency, str) and CURRENCY_CODE.fullmatch(currency):
        return currency
    raise PriceError(f"{where} is {str(currency)[:80]!r}; it must be three capital letters, such as USD or CNY")
