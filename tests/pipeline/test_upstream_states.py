"""The states of the image services: asked once at the start, and learned from generations."""

import asyncio
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from service.images import Failure, ImageRequest, Job, JobState, Picture, Progress, WorkError
from service.pipeline.upstream_states import State, UpstreamStates
from service.upstreams.base import Offers, Upstream

LIST = Offers(images=("m",))


@dataclass
class Listing(Upstream):
    """Answers the question for its models with what it was given, one after the other."""

    name: ClassVar[str] = "service"
    deadline_s: float = 1.0
    answers: list[Offers | WorkError | None] = field(default_factory=list)

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        raise NotImplementedError

    def describe(self) -> str:
        return self.name

    async def offers(self) -> Offers | None:
        answer = self.answers.pop(0)
        if isinstance(answer, WorkError):
            raise answer
        return answer


async def watched(*services: Listing, rounds: int = 1) -> list[list[tuple[State, bool]]]:
    """The state of each service, and whether pictures can be drawn, after each of so many rounds of questions."""
    states = UpstreamStates({str(number): each for number, each in enumerate(services)}, pause=lambda _: paused())
    seen: list[list[tuple[State, bool]]] = []
    done = asyncio.Event()

    async def paused() -> None:
        seen.append([(each.state, states.can_draw) for each in states.standings.values()])
        if len(seen) == rounds:
            done.set()
            await asyncio.Event().wait()

    watching = asyncio.create_task(states.watch())
    await done.wait()
    watching.cancel()
    return seen


def failed(kind: str) -> WorkError:
    return WorkError(f"It failed: {kind}.", kind=kind, setting="X_API_KEY")


@pytest.mark.parametrize(
    ("answer", "state", "can_draw"),
    [
        pytest.param(LIST, State.OK, True, id="a list"),
        pytest.param(None, State.OK, True, id="a service without a list"),
        pytest.param(failed("auth"), State.REFUSES_KEY, False, id="a wrong key"),
        pytest.param(failed("unreachable"), State.UNREACHABLE, False, id="nobody there"),
        pytest.param(failed("address"), State.UNKNOWN, True, id="a relay whose list is missing"),
        pytest.param(failed("rate"), State.UNKNOWN, True, id="a busy one"),
    ],
)
async def test_the_state_follows_from_the_answer(answer: Offers | WorkError, state: State, can_draw: bool) -> None:
    assert await watched(Listing(answers=[answer])) == [[(state, can_draw)]]


async def test_one_that_cannot_be_reached_leaves_the_others_and_a_wrong_key_does_not() -> None:
    """Ours: a service that is down comes back by itself; a key is to be corrected, and so has to be seen."""
    [[_, (_, reached)]] = await watched(Listing(answers=[failed("unreachable")]), Listing(answers=[LIST]))
    [[_, (_, refused)]] = await watched(Listing(answers=[failed("auth")]), Listing(answers=[LIST]))
    assert (reached, refused) == (True, False)


async def test_only_one_that_is_not_well_is_asked_again_until_it_is(caplog: pytest.LogCaptureFixture) -> None:
    well, ill = Listing(answers=[LIST]), Listing(answers=[failed("auth"), failed("auth"), LIST])
    rounds = await watched(well, ill, rounds=4)
    assert [state for _, (state, _) in rounds] == [State.REFUSES_KEY, State.REFUSES_KEY, State.OK, State.OK]
    assert caplog.messages == ["1: key refused. It failed: auth. Setting to change: X_API_KEY."]


def ended(kind: str = "") -> Job:
    failure, state = (Failure(kind=kind, reason="It failed."), JobState.FAILED) if kind else (None, JobState.DONE)
    return Job(
        history_id=1, owner="anna", state=state, model="m", prompt="", created_at=0, upstream="service", failure=failure
    )


async def test_a_key_that_a_generation_showed_as_refused_is_good_again_once_the_list_comes() -> None:
    """Ours: a service that is not ready gets no calls, so that no generation could show it."""
    states = UpstreamStates({"service": Listing(answers=[LIST])})
    states.ended(ended("auth"))
    assert states.unwell == {"service"}
    asked = asyncio.Event()
    watching = asyncio.create_task(states.watch(lambda _: asked.set()))
    await asked.wait()
    watching.cancel()
    assert states.standings["service"].state is State.OK


async def test_a_failure_of_one_picture_says_nothing_of_the_next() -> None:
    states = UpstreamStates({"service": Listing()})
    for kind in ("policy", "timeout", "lost"):
        states.ended(ended(kind))
    assert states.standings["service"].state is State.NOT_ASKED
