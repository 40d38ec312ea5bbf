"""The list of models in OpenAI's shape: read from a real server, and refused where it is none."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from service.images import WorkError
from service.upstreams.errors import Service, request_to
from service.upstreams.model_list import LARGEST, ask_models, looks_like_images, read_model_list
from tests.emulators.loopback import serving

GOOD = {"object": "list", "data": [{"id": "a", "description": "x"}, {"id": "b", "created": 5}, {"id": ""}, "odd", {}]}


@pytest.fixture
async def server() -> AsyncIterator[str]:
    async def listed(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer k":
            return web.json_response({"detail": "Invalid API key"}, status=401)
        bodies = {"good": web.json_response(GOOD), "html": web.Response(text="<html>sign in</html>")}
        return bodies.get(request.match_info["kind"]) or web.Response(body=b" " * (LARGEST + 1))

    app = web.Application()
    app.router.add_get("/{kind}/models", listed)
    async with serving(app) as url:
        yield url


async def ask(server: str, kind: str, key: str = "k") -> dict[str, str]:
    async with aiohttp.ClientSession() as session:
        with request_to(Service(), paid=False):
            return await ask_models(session, URL(server) / kind / "models", key)


async def test_ids_come_in_order_with_their_descriptions(server: str) -> None:
    assert await ask(server, "good") == {"a": "x", "b": ""}


@pytest.mark.parametrize(
    ("kind", "key", "found"),
    [("good", "wrong", "auth"), ("html", "k", "address"), ("large", "k", "transient")],
)
async def test_what_is_no_list_is_a_failure_of_its_kind(server: str, kind: str, key: str, found: str) -> None:
    with pytest.raises(WorkError) as raised:
        await ask(server, kind, key)
    assert raised.value.kind == found


@pytest.mark.parametrize("answer", [[], {"data": {}}, {"error": {"message": "no"}}, None])
def test_other_shapes_are_refused(answer: Any) -> None:
    with pytest.raises(WorkError):
        read_model_list(answer)


@pytest.mark.parametrize(
    ("id_", "images"),
    [
        ("gpt-image-2", True), ("dall-e-3", True), ("Qwen/Qwen-Image-Edit-2511", True), ("MAILAND/majicflus_v1", True),
        ("black-forest-labs/FLUX.2-dev", True), ("gpt-5.2", False), ("Qwen/Qwen3-VL-8B", False), ("whisper-1", False),
    ],
)  # fmt: skip
def test_image_models_are_guessed_by_name(id_: str, images: bool) -> None:
    """Spec ModelScope API-Inference, list of models: no field says it."""
    assert looks_like_images(id_) is images


async def test_a_list_may_begin_with_a_byte_order_mark() -> None:
    """Bug: superagent #1249, iisexpress-proxy #8: proxies put one before JSON."""

    async def models(_: web.Request) -> web.Response:
        return web.Response(body=b'\xef\xbb\xbf{"data": [{"id": "m"}]}', content_type="application/json")

    app = web.Application()
    app.router.add_get("/models", models)
    async with serving(app) as url, aiohttp.ClientSession() as session:
        assert await ask_models(session, URL(url) / "models", "k") == {"m": ""}
