"""Rows of jobs and pictures as every store has them: read as `Job`s, and their costs when an answer tells them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from service.costs import Drawn, Price, Usage
from service.images import Failure, Job, JobState, KeptPicture, Parent


def picture_row(picture: KeptPicture) -> tuple[str | int, ...]:
    """The columns of a picture, as a store writes them behind its job and its position."""
    return (
        picture.name,
        picture.media_type,
        picture.width,
        picture.height,
        picture.size,
        picture.note,
        picture.source,
        picture.part,
    )


def read_picture(row: Sequence[Any]) -> KeptPicture:
    """A picture from its columns: those of `picture_row`, and whether the index of files has it."""
    name, media_type, width, height, size, note, source, part, stored = row
    return KeptPicture(
        name=name,
        media_type=media_type,
        width=width,
        height=height,
        size=size,
        note=note,
        source=source,
        part=part,
        kept=bool(stored),
    )


def read_job(row: Sequence[Any], pictures: tuple[KeptPicture, ...], parents: tuple[Parent, ...]) -> Job:
    """A job from its columns, in the order in which they are unpacked here."""
    history_id, owner, state, model, prompt, created_at, finished_at, failure_kind, failure_reason, *more = row
    failure_links, parameters, upstream, tasks, submitted, delivered_at, *used = more
    failure = Failure(kind=failure_kind, reason=failure_reason) if failure_kind is not None else None
    return Job(
        history_id=history_id,
        owner=owner,
        state=JobState(state),
        model=model,
        prompt=prompt,
        created_at=float(created_at),
        finished_at=_fraction(finished_at),
        pictures=pictures,
        failure=failure if state == JobState.FAILED else None,
        shortfall=None if state == JobState.FAILED else failure,
        parameters=json.loads(parameters),
        upstream=upstream,
        tasks={} if tasks == "{}" else {int(part): task for part, task in sorted(json.loads(tasks).items())},
        submitted=submitted,
        links=() if failure_links == "[]" else tuple(json.loads(failure_links)),
        delivered_at=_fraction(delivered_at),
        parents=parents,
        usage=_read_usage(used),
    )


def _fraction(number: float | None) -> float | None:
    """Return a number as a fraction, also where the row was told as JSON, which has whole ones without a point."""
    return None if number is None else float(number)


def _read_usage(columns: Sequence[Any]) -> Usage | None:
    """Return the use of a job from its columns from `cost` on; None where nothing was told or estimated."""
    cost, currency, estimated, input_tokens, output_tokens = columns
    if cost is None and not input_tokens and not output_tokens:
        return None
    return Usage(
        cost=_fraction(cost),
        currency=currency,
        estimated=bool(estimated),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
    )


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
