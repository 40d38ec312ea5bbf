"""The costs of a job as its row keeps them: what is expected, and what an answer puts in its place."""

import json
from dataclasses import dataclass, replace

from service.costs import Drawn, Price, Usage


def rates_of(price: Price) -> str:
    """Return the prices of tokens as the row of a job has them."""
    rates = {"input": price.input, "image_input": price.image_input, "output": price.output}
    return json.dumps(rates) if price.output else "{}"


@dataclass(frozen=True)
class Priced:
    """The costs of a job as its row has them, in this order; `asked` counts its pictures whose cost is expected."""

    picture: float
    currency: str
    rates: str
    asked: int
    cost: float | None
    cost_currency: str
    estimated: bool | int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """The costs of a job after an answer: the `whole` of the job, `costed` more pictures, and what the day gets."""

    whole: Usage
    costed: int
    added: Usage


def settle(before: Priced, drawn: Drawn) -> Settlement | None:
    """Return what an answer changes in the costs of its job, and of the day; None where nobody knows a cost or a use.

    More pictures than were asked for are estimated at no more: a service that adds one asks nothing for it.
    """
    if drawn.usage is None and not before.picture:
        return None
    price = Price(currency=before.currency, picture=before.picture, **json.loads(before.rates))
    usage = price.settle(drawn.usage, min(drawn.pictures, before.asked))
    if usage is None:
        return None
    sum_ = Usage(cost=before.cost, currency=before.cost_currency, estimated=bool(before.estimated))
    whole = replace(sum_, input_tokens=before.input_tokens, output_tokens=before.output_tokens) + usage
    return Settlement(whole=whole, costed=0 if usage.cost is None else drawn.pictures, added=usage)
