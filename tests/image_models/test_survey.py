"""Asking the upstreams what they offer, whatever state they are in."""

import asyncio
import logging

import pytest

from service.image_models.models import Model, Models
from service.image_models.survey import fetch_model_lists, warn_about_removed_models
from service.images import ImageRequest, Picture, Progress, WorkError
from service.upstreams.base import Offers, Upstream
from service.upstreams.sketch import SketchUpstream


class Service(Upstream):
    """An image service that does with its list whatever a test wants."""

    name = "service"
    deadline_s = 1.0

    def __init__(self, offered: Offers | WorkError | None, *, hangs: bool = False) -> None:
        self._offered = offered
        self._hangs = hangs

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        raise NotImplementedError

    def describe(self) -> str:
        return "a service"

    async def offers(self) -> Offers | None:
        if self._hangs:
            await asyncio.Event().wait()
        if isinstance(self._offered, WorkError):
            raise self._offered
        return self._offered


LISTED = Models(listed=tuple(Model(id=f"m{n}", upstream="service") for n in range(10)), default="m0")


async def test_every_upstream_is_asked_and_one_that_fails_disturbs_no_other() -> None:
    offers = Offers(images=("m0",))
    found = await fetch_model_lists(
        {
            "good": Service(offers),
            "down": Service(WorkError("It is down.")),
            "slow": Service(None, hangs=True),
            "mute": Service(None),
            "empty": Service(Offers(images=())),
            "sketch": SketchUpstream(),
        },
        wait_s=0.05,
    )
    assert found == {
        "good": offers,
        "down": "It is down.",
        "slow": "It did not answer within 0 seconds.",
        "mute": "It has no list of models.",
        "empty": "It lists no image model at all just now.",
        "sketch": Offers(images=("sketch",)),
    }


async def test_what_is_gone_is_named_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """Ours: the operator learns it at the start, and not from a person whose picture failed."""
    with caplog.at_level(logging.WARNING):
        await warn_about_removed_models(LISTED, {"service": Service(Offers(images=("m9",)))})
    [line] = caplog.messages
    assert line.startswith("Listed, but no longer there: m0 (service), m1 (service)")
    assert "m7 (service) and 1 more." in line


@pytest.mark.parametrize(
    "service",
    [
        pytest.param(Service(WorkError("down")), id="down"),
        pytest.param(Service(Offers(images=())), id="an account that lists nothing"),
        pytest.param(Service(Offers(images=("x",), complete=False)), id="a list that is not complete"),
        pytest.param(Service(Offers(images=tuple(f"m{n}" for n in range(10)))), id="all there"),
    ],
)
async def test_nothing_is_called_gone_by_mistake(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await warn_about_removed_models(LISTED, {"service": service})
    assert caplog.messages == []
