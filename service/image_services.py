"""The image services that can be configured: UPSTREAMS, the one tuple.

A new service is added here and to the table of settings. The start, the secrets of the log, the demo (which must not
pay) and the commands all iterate this.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import aiohttp

from service.image_models.models import Model, Models
from service.pipeline.asking import RedactedUpstream
from service.redaction import Redactor
from service.settings import Endpoint, Settings
from service.upstreams.base import Upstream
from service.upstreams.flow2api import Flow2ApiUpstream
from service.upstreams.gemini import GeminiUpstream
from service.upstreams.modelscope import ModelScopeUpstream
from service.upstreams.openai import OpenAiUpstream
from service.upstreams.openrouter import OpenRouterUpstream
from service.upstreams.tasks import Polling

Connect: TypeAlias = Callable[[aiohttp.ClientSession, Endpoint, Settings], Upstream]


@dataclass(frozen=True)
class Configurable:
    """One image service. `field` names its `Endpoint` in `Settings`, `connect` makes the upstream of it."""

    field: str
    connect: Connect

    def endpoint(self, settings: Settings) -> Endpoint | None:
        """Return the service's endpoint, or None when it is off."""
        endpoint: Endpoint | None = getattr(settings, self.field)
        return endpoint


def _flow2api(session: aiohttp.ClientSession, endpoint: Endpoint, settings: Settings) -> Upstream:
    return Flow2ApiUpstream(session, endpoint, max_file_bytes=settings.max_file_bytes, timeouts=settings.timeouts)


def _modelscope(session: aiohttp.ClientSession, endpoint: Endpoint, settings: Settings) -> Upstream:
    polling = Polling(each_s=settings.modelscope_poll_s, total_s=settings.modelscope_timeout_s)
    return ModelScopeUpstream(
        session, endpoint, max_file_bytes=settings.max_file_bytes, polling=polling, timeouts=settings.timeouts
    )


def _openai(session: aiohttp.ClientSession, endpoint: Endpoint, settings: Settings) -> Upstream:
    return OpenAiUpstream(
        session,
        endpoint,
        max_file_bytes=settings.max_file_bytes,
        timeouts=settings.timeouts,
        task_routes=settings.openai_async,
    )


def _gemini(session: aiohttp.ClientSession, endpoint: Endpoint, settings: Settings) -> Upstream:
    return GeminiUpstream(session, endpoint, max_file_bytes=settings.max_file_bytes, timeouts=settings.timeouts)


def _openrouter(session: aiohttp.ClientSession, endpoint: Endpoint, settings: Settings) -> Upstream:
    return OpenRouterUpstream(session, endpoint, max_file_bytes=settings.max_file_bytes, timeouts=settings.timeouts)


SKETCH: Final = "sketch"
"""The name of the upstream that is built in."""

SKETCHED: Final = Models(listed=(Model(id=SKETCH, upstream=SKETCH, references=0),), default=SKETCH)
"""The models on offer when no image service is configured."""


def _sketch() -> Upstream:
    from service.upstreams.sketch import SketchUpstream  # noqa: PLC0415 - brings Pillow, which no other part needs

    return SketchUpstream()


UPSTREAMS: Final = (
    Configurable("flow2api", _flow2api),
    Configurable("modelscope", _modelscope),
    Configurable("openai", _openai),
    Configurable("gemini", _gemini),
    Configurable("openrouter", _openrouter),
)
"""Every image service that settings can turn on, in the order in which the start names them."""


def connect(settings: Settings, session: aiohttp.ClientSession, redactor: Redactor) -> dict[str, Upstream]:
    """Return the upstreams that are on, by name; the built-in sketch alone when none is.

    None of their words holds a secret that `redactor` knows; the sketch has no words but ours.
    """
    configured: list[Upstream] = [
        RedactedUpstream(each.connect(session, endpoint, settings), redactor)
        for each in UPSTREAMS
        if (endpoint := each.endpoint(settings)) is not None
    ]
    return {upstream.name: upstream for upstream in configured or [_sketch()]}


def secrets_of(settings: Settings) -> list[str]:
    """Return the keys, tokens and passwords that must never be shown, stored or logged."""
    endpoints = [endpoint for each in UPSTREAMS if (endpoint := each.endpoint(settings)) is not None]
    keys = [*settings.tokens.values(), *(each.key for each in endpoints if each.key), *settings.proxies.secrets]
    keys += [settings.s3.secret_key] if settings.s3 else []
    keys += [each.password for each in (settings.database, settings.listen) if each is not None and each.password]
    return [*filter(None, [*keys, settings.secret])]


def turned_off(settings: Settings) -> Settings:
    """Return the settings with every image service off, so that nothing can cost anything."""
    off: dict[str, Any] = {each.field: None for each in UPSTREAMS}
    return replace(settings, **off)
