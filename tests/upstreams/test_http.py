"""Tests of service/upstreams/http.py: what every image service over HTTP has to do, each against its emulator."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import HTTP
from typing import Any, Final

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from service.images import ImageRequest, Picture, Reference, WorkError
from service.settings import Endpoint
from service.upstreams.base import RemoteTask, Upstream
from service.upstreams.errors import ANY_SERVICE, request_to
from service.upstreams.flow2api import Flow2ApiUpstream
from service.upstreams.http import (
    LARGEST_LIST,
    PIECE,
    Body,
    HttpUpstream,
    api_base,
    ask_models,
    form_body,
    json_body,
    looks_like_images,
    read_model_list,
)
from service.upstreams.modelscope import ModelScopeUpstream
from service.upstreams.openai import OpenAiUpstream
from service.upstreams.openrouter import OpenRouterUpstream
from service.upstreams.tasks import Polling
from tests.emulators import chat, flow2api, modelscope, openai_images, openrouter
from tests.emulators.emulated import Emulated
from tests.emulators.loopback import serving

LIMIT: Final = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Service:
    """An emulator, the upstream that reaches it, a model of it, and the scenarios that matter here."""

    running: Callable[[], AbstractAsyncContextManager[Emulated]]
    upstream: Callable[[aiohttp.ClientSession, Endpoint], HttpUpstream]
    model: str
    held: str
    urls: Mapping[str, str]
    """Scenarios with a picture behind a URL, and what that ends with."""
    inline: str = ""


async def at_once(_: float) -> None:
    """A pause between polls that is none."""
    await asyncio.sleep(0)


def a_flow2api(session: aiohttp.ClientSession, endpoint: Endpoint) -> HttpUpstream:
    return Flow2ApiUpstream(session, endpoint, max_file_bytes=LIMIT)


def a_modelscope(session: aiohttp.ClientSession, endpoint: Endpoint) -> HttpUpstream:
    return ModelScopeUpstream(
        session, endpoint, max_file_bytes=LIMIT, polling=Polling(each_s=5, total_s=150, pause=at_once)
    )


def an_openai(session: aiohttp.ClientSession, endpoint: Endpoint) -> HttpUpstream:
    return OpenAiUpstream(session, endpoint, max_file_bytes=LIMIT, streams=True)


def an_openrouter(session: aiohttp.ClientSession, endpoint: Endpoint) -> HttpUpstream:
    return OpenRouterUpstream(session, endpoint, max_file_bytes=LIMIT)


FLOW2API: Final = Service(
    running=flow2api.running,
    upstream=a_flow2api,
    model="gemini-3.1-flash-image-square",
    held="slow",
    urls={
        "ok-1k-google-url": "/image/11111111-2222-4333-8444-000000000001"
        "?Expires=1795021600&KeyName=demo-key&Signature=a%2Bb%2F1%3D",
        "ok-1k-cache": ".png",
        "relative-url": "_2K.jpg",
        "wrong-base-url": "_2K.jpg",
    },
    inline="ok-inline-data-uri",
)
CHAT: Final = Service(
    running=chat.running,
    upstream=a_flow2api,
    model=FLOW2API.model,
    held="hangs",
    urls={"f1": "/files/1.png?sig=a%2Bb%3D"},
    inline="f5",
)
OPENAI: Final = Service(
    running=openai_images.running,
    upstream=an_openai,
    model="gpt-image-1.5",
    held="slow",
    urls={"url": "/files/1.png?sig=a%2Bb"},
    inline="done-added",
)
MODELSCOPE: Final = Service(
    running=modelscope.running,
    upstream=a_modelscope,
    model="Qwen/Qwen-Image",
    held="submit-silent",
    urls={"ok": ".png", "immediate": ".png"},
)
OPENROUTER: Final = Service(
    running=openrouter.running,
    upstream=an_openrouter,
    model="openrouter/openai/gpt-image-2",
    held="slow",
    urls={},
    inline="not-streaming",
)
SERVICES: Final = {
    "flow2api": FLOW2API,
    "chat": CHAT,
    "openai": OPENAI,
    "modelscope": MODELSCOPE,
    "openrouter": OPENROUTER,
}

each_service = pytest.mark.parametrize("service", list(SERVICES.values()), ids=list(SERVICES))
each_url = pytest.mark.parametrize(
    ("service", "scenario"),
    [pytest.param(each, word, id=f"{name}-{word}") for name, each in SERVICES.items() for word in each.urls],
)


async def silent(message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:
    """A progress that nobody hears."""


@asynccontextmanager
async def reached(service: Service) -> AsyncIterator[tuple[Any, HttpUpstream]]:
    async with service.running() as emulator, aiohttp.ClientSession() as session:
        yield emulator, service.upstream(session, Endpoint(url=emulator.url, key=emulator.key))


async def drawn(upstream: Upstream, service: Service, scenario: str) -> list[Picture]:
    """Ask, and follow what goes on without us."""
    made = await upstream.generate(ImageRequest(model=service.model, prompt=f"a boat [{scenario}]"), silent)
    return await upstream.follow(made, silent) if isinstance(made, RemoteTask) else made


def asked(emulator: Any) -> int:
    """Return the number of requests that may be charged."""
    return len(emulator.submissions if isinstance(emulator, modelscope.ModelScope) else emulator.requests)


@each_service
async def test_cancelling_closes_the_request_at_once(service: Service) -> None:
    """Spec MCP, Cancellation: the work stops; Flow2API stops it when the connection closes, and charges nothing."""
    async with reached(service) as (emulator, upstream):
        drawing = asyncio.create_task(drawn(upstream, service, service.held))
        await emulator.silent.wait()
        drawing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await drawing
        async with asyncio.timeout(60):
            await emulator.disconnected.wait()
        assert asked(emulator) == 1


@each_service
async def test_a_connection_that_breaks_after_the_request_may_have_cost_something(service: Service) -> None:
    """Ours: it is said, and the request is not sent again."""
    async with reached(service) as (emulator, upstream):
        with pytest.raises(WorkError, match="may have been charged") as raised:
            await drawn(upstream, service, "submit-dropped")
        assert (raised.value.kind, raised.value.retries, raised.value.may_be_charged) == ("lost", 0, True)
        assert asked(emulator) == 1
        assert emulator.charges == {"a boat [submit-dropped]": 1}


@each_service
async def test_a_service_that_nobody_reaches_has_charged_nothing(service: Service, unused_tcp_port: int) -> None:
    """Ours: this may be tried again, and says so."""
    async with aiohttp.ClientSession() as session:
        upstream = service.upstream(session, Endpoint(url=f"http://127.0.0.1:{unused_tcp_port}", key="k"))
        with pytest.raises(WorkError, match="nothing was charged") as raised:
            await drawn(upstream, service, "ok")
    assert (raised.value.kind, raised.value.retries, raised.value.may_be_charged) == ("unreachable", 2, False)


@each_url
async def test_a_picture_knows_the_url_it_was_given_by(service: Service, scenario: str) -> None:
    """Ours: byte for byte, so that the signature holds."""
    async with reached(service) as (_, upstream):
        (picture,) = await drawn(upstream, service, scenario)
        assert picture.source.startswith("http://")
        assert picture.source.endswith(service.urls[scenario])
        assert picture.source not in repr(picture)


@pytest.mark.parametrize("service", [FLOW2API, CHAT, OPENAI], ids=["flow2api", "chat", "openai"])
async def test_a_picture_inside_the_answer_has_no_source(service: Service) -> None:
    async with reached(service) as (_, upstream):
        (picture,) = await drawn(upstream, service, service.inline)
        assert picture.source == ""


@each_url
async def test_a_picture_can_be_had_again_and_costs_nothing_more(service: Service, scenario: str) -> None:
    """Ours: what was removed to make room is downloaded, never drawn again."""
    async with reached(service) as (emulator, upstream):
        (picture,) = await drawn(upstream, service, scenario)
        before = asked(emulator), dict(emulator.charges)
        assert await upstream.fetch_again(picture.source) == picture.data
        assert (asked(emulator), dict(emulator.charges)) == before == (1, {f"a boat [{scenario}]": 1})


@each_url
async def test_a_picture_that_is_not_there_any_more_is_gone(service: Service, scenario: str) -> None:
    """Ours: storage says 400, 403 or 404 for what has expired; none of them costs anything."""
    async with reached(service) as (emulator, upstream):
        (picture,) = await drawn(upstream, service, scenario)
        emulator.expired = True
        with pytest.raises(WorkError, match="does not have this picture any more") as raised:
            await upstream.fetch_again(picture.source)
        assert (raised.value.kind, raised.value.retries, raised.value.may_be_charged) == ("gone", 0, False)
        assert "?" not in str(raised.value)
        assert (asked(emulator), emulator.charges.total()) == (1, 1)


@pytest.mark.parametrize(
    ("service", "scenario", "keyed"),
    [
        pytest.param(FLOW2API, "ok-1k-google-url", False, id="flow2api-picture-host"),
        pytest.param(FLOW2API, "ok-1k-cache", True, id="flow2api-own-origin"),
        pytest.param(MODELSCOPE, "ok", False, id="modelscope-picture-host"),
    ],
)
async def test_the_key_goes_to_the_exact_origin_only(service: Service, scenario: str, keyed: bool) -> None:
    """Spec RFC 6454, origin: another port is another origin, the first time and again."""
    async with reached(service) as (emulator, upstream):
        (picture,) = await drawn(upstream, service, scenario)
        await upstream.fetch_again(picture.source)
        keys = {each.headers.get("Authorization") for each in emulator.downloads}
        assert (len(emulator.downloads), keys) == (2, {f"Bearer {emulator.key}" if keyed else None})
        assert emulator.leaks == []


@each_service
async def test_a_source_on_another_private_host_is_looked_for_on_the_services_own(service: Service) -> None:
    """Ours: whatever the record says, our own network is nobody's to read; but services name wrong addresses."""
    seen: list[str] = []

    async def file(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(body=b"secret")

    app = web.Application()
    app.router.add_get("/{name}", file)
    async with reached(service) as (_, upstream), serving(app) as private:
        with pytest.raises(WorkError, match="HTTP 404") as raised:
            await upstream.fetch_again(private.replace("127.0.0.1", "127.0.0.2") + "/1.png")
        assert (raised.value.kind, raised.value.may_be_charged, seen) == ("gone", False, [])


@pytest.mark.parametrize("source", ["", "file:///etc/passwd", "/tmp/1.png", "data:image/png;base64,AAAA"])
async def test_what_is_no_url_is_no_source(source: str) -> None:
    async with reached(FLOW2API) as (emulator, upstream):
        with pytest.raises(WorkError) as raised:
            await upstream.fetch_again(source)
        assert (raised.value.kind, emulator.downloads) == ("download", [])


@each_service
async def test_a_service_may_charge_and_its_description_holds_no_secret(service: Service) -> None:
    """Ours: the description is printed at start."""
    async with aiohttp.ClientSession() as session:
        upstream = service.upstream(session, Endpoint(url="https://me:pw@images.example/v1?key=k", key="secret-key"))
    assert upstream.charges
    assert upstream.describe() == f"{upstream.title} at https://images.example/v1"


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        (" http://127.0.0.1:8000/v1// ", "http://127.0.0.1:8000/v1"),
        ("https://relay.example/sub", "https://relay.example/sub/v1"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1"),
        ("https://relay.example/v1/chat/completions", "https://relay.example/v1"),
        ("https://relay.example/v1/images/generations/", "https://relay.example/v1"),
        ("https://relay.example/v1/images/edits/async", "https://relay.example/v1"),
        ("https://openrouter.ai/api/v1/images", "https://openrouter.ai/api/v1"),
        ("https://relay.example/images", "https://relay.example/images/v1"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "https://generativelanguage.googleapis.com/v1beta/openai"),
        ("https://open.bigmodel.cn/api/paas/v4", "https://open.bigmodel.cn/api/paas/v4"),
        ("https://relay.example/v1?key=k#x", "https://relay.example/v1"),
        ("https://me:pw@relay.example", "https://relay.example/v1"),
    ],
)  # fmt: skip
def test_a_base_url_may_be_written_in_many_ways(text: str, base: str) -> None:
    """Ours: manuals show the root, the version or a whole endpoint, and people copy what they see."""
    assert str(api_base(text)) == base


LARGE = Reference(data=bytes(range(256)) * 3000 + b"x", media_type="image/jpeg")
SMALL = Reference(data=b"\x89PNG")


def sent(body: Body) -> bytes:
    """All of it, as long as it says that it is."""
    data = b"".join(body)
    assert int(body.headers["Content-Length"]) == len(data)
    return data


def test_pictures_stand_in_json_as_data_uris_where_they_were() -> None:
    """Spec RFC 2397. A text that looks like the place of one is a text."""
    value = {"a": [LARGE, {"b": SMALL}], "prompt": "\0 \\u0000 好", "c": SMALL}
    read = json.loads(sent(json_body(value)))
    small = "data:image/png;base64,iVBORw=="
    large = f"data:image/jpeg;base64,{base64.b64encode(LARGE.data).decode()}"
    assert read == {"a": [large, {"b": small}], "prompt": value["prompt"], "c": small}


def test_a_type_that_is_no_type_does_not_break_out_of_its_text() -> None:
    read = json.loads(sent(json_body([Reference(data=b"x", media_type='x","evil":"')])))
    assert read == ['data:x","evil":";base64,eA==']


def test_only_pictures_are_taken_for_pictures() -> None:
    with pytest.raises(TypeError):
        json_body({"a": object()})


def test_a_form_holds_fields_and_files_in_order() -> None:
    """Spec RFC 7578."""
    body = form_body({"prompt": "好\r\n--x", "n": "2"}, "image[]", [LARGE, Reference(data=b"", media_type="image/png")])
    head = f"Content-Type: {body.headers['Content-Type']}\r\n\r\n".encode()
    parts = list(message_from_bytes(head + sent(body), policy=HTTP).iter_parts())
    named = [(part.get_param("name", header="Content-Disposition"), part.get_filename()) for part in parts]
    assert named == [("prompt", None), ("n", None), ("image[]", "reference-1.jpg"), ("image[]", "reference-2.png")]
    assert [part.get_payload(decode=True) for part in parts] == ["好\r\n--x".encode(), b"2", LARGE.data, b""]
    assert [part.get_content_type() for part in parts[2:]] == ["image/jpeg", "image/png"]


@pytest.mark.parametrize("body", [json_body([LARGE]), form_body({}, "image", [LARGE])], ids=["json", "form"])
async def test_a_large_picture_is_made_in_small_pieces_with_room_between_them(body: Body) -> None:
    """Ours: every other call waits for the one event loop, which a piece holds up for 0.1 ms."""
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(take_turns())
    pieces = [piece async for piece in body]
    others.cancel()
    assert len(pieces) <= turns + 1
    assert max(map(len, pieces)) <= PIECE // 3 * 4
    assert b"".join(pieces) == b"".join(body)


GOOD = {"object": "list", "data": [{"id": "a", "description": "x"}, {"id": "b", "created": 5}, {"id": ""}, "odd", {}]}


@pytest.fixture
async def server() -> AsyncIterator[str]:
    async def listed(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer k":
            return web.json_response({"detail": "Invalid API key"}, status=401)
        bodies = {"good": web.json_response(GOOD), "html": web.Response(text="<html>sign in</html>")}
        return bodies.get(request.match_info["kind"]) or web.Response(body=b" " * (LARGEST_LIST + 1))

    app = web.Application()
    app.router.add_get("/{kind}/models", listed)
    async with serving(app) as url:
        yield url


async def ask(server: str, kind: str, key: str = "k") -> dict[str, str]:
    async with aiohttp.ClientSession() as session:
        with request_to(ANY_SERVICE, paid=False):
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
