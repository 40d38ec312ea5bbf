"""Every scenario of every emulator against its upstream, one row each: so many pictures, or the kind of failure.

What is special about a scenario is tested beside its upstream; here nothing may be forgotten, hang or give a secret
away.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import aiohttp
import pytest

from service.images import ImageRequest, WorkError
from service.pictures.messages import Examined
from service.pictures.previews import examine
from service.settings import Endpoint, Timeouts
from service.upstreams.base import RemoteTask, Upstream
from service.upstreams.flow2api import Flow2ApiUpstream
from service.upstreams.gemini import GeminiUpstream
from service.upstreams.openai import OpenAiUpstream
from tests.emulators import chat, chat_scenarios, flow2api, flow2api_scenarios, gemini, openai_images

IMPATIENT: Final = Timeouts(silence_s=0.3, total_s=1.0, appear_s=0.1, linger_s=0.05)
WITHOUT_END: Final = frozenset({"slow", "detect-disconnect", "hangs", "trickles", "stays-open"})
"""Scenarios in which only our own patience ends the wait."""


class Emulator(Protocol):
    url: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Service:
    """An emulator, the upstream that reaches it, a model of it, and the names of what it can do."""

    running: Callable[[], AbstractAsyncContextManager[Any]]
    upstream: Callable[[aiohttp.ClientSession, Endpoint, Timeouts], Upstream]
    model: str
    scenarios: Mapping[str, object]


SERVICES: Final[Mapping[str, Service]] = {
    "flow2api": Service(
        running=flow2api.running,
        upstream=lambda session, endpoint, waits: Flow2ApiUpstream(
            session, endpoint, max_file_bytes=10**7, timeouts=waits
        ),
        model="gemini-3.1-flash-image-square",
        scenarios=flow2api_scenarios.SCENARIOS,
    ),
    "chat": Service(
        running=chat.running,
        upstream=lambda session, endpoint, waits: Flow2ApiUpstream(
            session, endpoint, max_file_bytes=10**7, timeouts=waits
        ),
        model="gemini-3.1-flash-image-square",
        scenarios=chat_scenarios.SCENARIOS,
    ),
    "openai": Service(
        running=openai_images.running,
        upstream=lambda session, endpoint, waits: OpenAiUpstream(
            session, endpoint, max_file_bytes=10**7, timeouts=waits, streams=True
        ),
        model="gpt-image-1.5",
        scenarios=openai_images.SCENARIOS,
    ),
    "gemini": Service(
        running=gemini.running,
        upstream=lambda session, endpoint, waits: GeminiUpstream(
            session, endpoint, max_file_bytes=10**7, timeouts=waits
        ),
        model="gemini/gemini-3.1-flash-image",
        scenarios=gemini.SCENARIOS,
    ),
}

Outcome = int | str

FLOW2API: Final[Mapping[str, Outcome]] = {
    "ok-1k-google-url": 1,
    "ok-1k-cache": 1,
    "ok-2k-cache": 1,
    "ok-inline-data-uri": 1,
    "ok-bare-url": 1,
    "upscale-fallback": 1,
    "refs": 1,
    "error-policy": "policy",
    "error-reference": "reference",
    "error-captcha": "captcha",
    "error-captcha-service": "captcha",
    "error-quota": "quota",
    "error-rate": "rate",
    "error-unclear": "transient",
    "error-no-token": "unavailable",
    "error-tier": "tier",
    "error-unknown-model": "model",
    "error-empty": "transient",
    "error-string": "transient",
    "error-html": "transient",
    "legacy-nonstream-text": "no_image",
    "json-for-stream": 1,
    "relative-url": 1,
    "wrong-base-url": 1,
    "tmp-expired": "download",
    "download-flaky": 1,
    "download-html": "download",
    "slow": "lost",
    "detect-disconnect": "lost",
    "drop-mid-stream": "lost",
    "submit-dropped": "lost",
    "submit-dropped-once": "lost",
    "never-done": 1,
}

CHAT: Final[Mapping[str, Outcome]] = {
    **dict.fromkeys(chat_scenarios.PICTURES, 1),
    "two": 2,
    "two-fields": 2,
    "one-lost": 1,
    "lost": "download",
    "page": "download",
    "guess": "no_image",
    "refusal": "no_image",
    "refusal-url": "policy",
    "refusal-field": "policy",
    "content-filter": "policy",
    "native-safety": "policy",
    "empty": "no_image",
    "empty-choices": "no_image",
    "empty-data": "no_image",
    "think-only": "no_image",
    "gemini-blocked": "policy",
    "gemini-safety": "policy",
    "gemini-no-image": "no_image",
    "done-first": "no_image",
    "error-body": "transient",
    "error-finish": "transient",
    "error-both": "rate",
    "moderated": "policy",
    "moderated-200": "policy",
    "no-credits": "quota",
    "no-provider": "unavailable",
    "new-api": "model",
    "code-msg": "unavailable",
    "message": "auth",
    "string": "transient",
    "html-502": "transient",
    "html-524": "lost",
    "html-200": "address",
    "submit-dropped": "lost",
    "dropped": "lost",
    "dropped-within": "lost",
    "truncated-json": "lost",
    "bad-base64": "lost",
    "cut-picture": "bad_picture",
    "no-picture": "bad_picture",
    "hangs": "lost",
    "trickles": "lost",
    "endless": "lost",
    "endless-words": "lost",
}

OPENAI: Final[Mapping[str, Outcome]] = {
    "final-first": 1,
    "drop-after-partial": "lost",
    "end-after-partial": "lost",
    "error-mid-stream": "policy",
    "error-key-mid-stream": "policy",
    "done-added": 1,
    "no-event-line": 1,
    "event-line-only": 1,
    "json-for-stream": 1,
    "url-in-completed": 1,
    "url": 1,
    "data-uri": 1,
    "data-uri-b64": 1,
    "empty-b64": 1,
    "nothing-in-b64": "no_image",
    "empty-data": "no_image",
    "one-lost": 1,
    "moderation": "policy",
    "moderation-words": "policy",
    "verification": "account",
    "rate": "rate",
    "quota": "quota",
    "billing": "quota",
    "server-error-once": "transient",
    "gateway-timeout": "lost",
    "no-quality": 1,
    "no-transparency": 1,
    "no-stream": 1,
    "message-only": "transient",
    "slow": "lost",
    "submit-dropped": "lost",
    "submit-dropped-once": "lost",
    "relay-breaks": "lost",
    "truncated": "lost",
    "html": "address",
}

GEMINI: Final[Mapping[str, Outcome]] = {
    "list": 1,
    "json-for-stream": 1,
    "no-stream": 1,
    "no-thinking": 1,
    "snake": 1,
    "two": 2,
    "file": 1,
    "thoughts-only": 1,
    "words": "no_image",
    "words-after-draft": "no_image",
    "empty": "no_image",
    "blocked": "policy",
    "blocked-other": "policy",
    "safety": "policy",
    "image-safety": "policy",
    "prohibited": "policy",
    "recitation": "policy",
    "no-image": "no_image",
    "image-other": "no_image",
    "max-tokens": "no_image",
    "rate": "rate",
    "rate-once": "rate",
    "quota": "quota",
    "no-free-tier": "quota",
    "exhausted": "rate",
    "overloaded": "unavailable",
    "overloaded-once": "unavailable",
    "internal": "transient",
    "deadline": "lost",
    "leaked": "auth",
    "country": "blocked",
    "bad-picture": "bad_request",
    "error-mid-stream": "unavailable",
    "drop-mid-stream": "lost",
    "end-mid-stream": "lost",
    "submit-dropped": "lost",
    "submit-dropped-once": "lost",
    "refused-once": "policy",
    "echo": "no_image",
    "slow": "lost",
    "truncated": "lost",
    "html": "address",
}

TABLE: Final[Mapping[str, Mapping[str, Outcome]]] = {
    "flow2api": FLOW2API,
    "chat": CHAT,
    "openai": OPENAI,
    "gemini": GEMINI,
}


def rows() -> Iterator[Any]:
    for service, outcomes in TABLE.items():
        for scenario, outcome in outcomes.items():
            yield pytest.param(service, scenario, outcome, id=f"{service}-{scenario}")


async def silent(message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:
    """A progress that nobody hears."""


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize(("name", "scenario", "outcome"), list(rows()))
async def test_each_scenario_ends_as_the_table_says(
    session: aiohttp.ClientSession, name: str, scenario: str, outcome: Outcome
) -> None:
    """Ours: a picture, or the reason why there is none, and nobody waits for ever."""
    service = SERVICES[name]
    waits = IMPATIENT if scenario in WITHOUT_END else Timeouts(appear_s=0.1)
    async with service.running() as emulator:
        upstream = service.upstream(session, Endpoint(url=emulator.url, key=emulator.key), waits)
        model = "grok-imagine-image" if scenario == "preview-final" else service.model
        request = ImageRequest(model=model, prompt=f"a lighthouse [{scenario}]")
        if isinstance(outcome, int):
            assert len(await drawn(upstream, request)) == outcome
            return
        with pytest.raises(WorkError) as raised:
            await drawn(upstream, request)
    assert raised.value.kind == outcome
    words = str(raised.value)
    assert len(words) < 900
    assert not [secret for secret in (emulator.key, "Signature", "sig=", "base64,", "<html") if secret in words]


@pytest.mark.parametrize("scenario", sorted(chat_scenarios.PICTURES))
async def test_one_body_gives_what_a_stream_gives(session: aiohttp.ClientSession, scenario: str) -> None:
    """Ours: each place of a picture, streaming or not."""
    service = SERVICES["chat"]
    async with service.running() as emulator:
        upstream = service.upstream(session, Endpoint(url=emulator.url, key=emulator.key), IMPATIENT)
        assert len(await drawn(upstream, ImageRequest(model=service.model, prompt=f"a [{scenario}] [json]"))) == 1


@pytest.mark.parametrize("name", sorted(TABLE))
def test_the_table_has_every_scenario(name: str) -> None:
    """Ours: an emulator may not be able to do what nobody looks at."""
    assert TABLE[name].keys() == SERVICES[name].scenarios.keys()


async def drawn(upstream: Upstream, request: ImageRequest) -> list[Examined]:
    """Return the pictures as the pipeline examines them."""
    result = await upstream.generate(request, silent)
    pictures = await upstream.follow(result, silent) if isinstance(result, RemoteTask) else result
    return [examine(picture.data) for picture in pictures if picture.data]
