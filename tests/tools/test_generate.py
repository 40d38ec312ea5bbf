"""`generate`, from the prompt to the picture behind the URL."""

import base64
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from service.app import Running
from service.image_services import UPSTREAMS
from service.references.arguments import ARGUMENTS, FOLDER
from tests.conftest import Serve
from tests.emulators import flow2api
from tests.emulators.pictures import png
from tests.wire import WireClient, wire_client


async def test_the_picture_is_behind_the_url_and_its_preview_in_the_result(client: WireClient) -> None:
    made = await client.call("generate", {"prompt": "a red fox in snow"})
    image = made["structuredContent"]["images"][0]
    async with client.session.get(image["url"]) as answer:
        data = await answer.read()
    assert (answer.status, answer.content_type, len(data)) == (200, image["media_type"], image["bytes"])
    assert Image.open(BytesIO(data)).size == (image["width"], image["height"])
    preview = base64.b64decode(made["content"][1]["data"])
    assert len(preview) <= 200_000
    assert max(Image.open(BytesIO(preview)).size) <= 768


async def test_the_whole_result_stays_small(client: WireClient) -> None:
    """Ours: clients drop or refuse results from about a megabyte on (fastmcp #1036)."""
    assert len(str(await client.call("generate", {"prompt": "x" * 32_000}))) < 800_000


async def test_without_an_upstream_the_sketch_draws_and_says_what_it_is(client: WireClient) -> None:
    text = (await client.call("generate", {"prompt": "a red fox"}))["content"][0]["text"]
    assert "sketch" in text
    assert all(f"{each.field.upper()}_API_KEY" in text for each in UPSTREAMS)


async def generate_schema(client: WireClient) -> dict[str, Any]:
    tools = (await client.modern("tools/list")).result["tools"]
    properties: dict[str, Any] = tools[0]["inputSchema"]["properties"]
    return properties


async def test_the_schema_lists_the_models_and_what_they_can_do(serve: Serve) -> None:
    """Ours: three names with two arguments, where a list of all full ids has 35 entries."""
    async with serve(FLOW2API_API_KEY="x") as easel, wire_client(easel.mcp_url) as client:
        schema = await generate_schema(client)
    plain = [name for name in schema if name not in ARGUMENTS]
    assert plain == ["prompt", "model", "aspect_ratio", "resolution", "variation", "count"]
    # Without EASEL_IMAGE_DIR there is no folder to take from.
    assert set(schema) - set(plain) == ARGUMENTS - FOLDER
    assert len(schema["model"]["enum"]) == 3
    assert schema["model"]["description"].endswith(" gemini-3.1-flash-image when left out.")
    assert "gemini-3.0-pro-image: takes longer" in schema["model"]["description"]
    assert schema["aspect_ratio"]["enum"] == ["16:9", "9:16", "1:1", "4:3", "3:4"]
    assert schema["resolution"]["enum"] == ["1K", "2K", "4K"]


async def test_the_sketch_has_no_arguments_that_it_would_ignore(client: WireClient) -> None:
    assert list(await generate_schema(client)) == ["prompt", "model", "variation", "count"]
    refused = await client.call("generate", {"prompt": "a fox", "aspect_ratio": "1:1"})
    assert refused["isError"]
    assert "sketch makes no use of it" in refused["content"][0]["text"]


@pytest.mark.parametrize(
    ("arguments", "pixels"),
    [
        pytest.param({"aspect_ratio": "1:1"}, (1024, 1024), id="shape"),
        pytest.param({"aspect_ratio": "3:4", "resolution": "2K"}, (1792, 2400), id="shape and resolution"),
        pytest.param({"model": "imagen-4.0-generate-preview", "aspect_ratio": "9:16"}, (768, 1376), id="imagen"),
        pytest.param({"model": "gemini-3.0-pro-image-square-2k"}, (2048, 2048), id="full id, which is not listed"),
        pytest.param({"model": "gemini-3.0-pro-image-square", "aspect_ratio": "1:1"}, (1024, 1024), id="said twice"),
    ],
)
async def test_the_picture_has_the_shape_that_was_asked_for(
    serve: Serve, arguments: dict[str, str], pixels: tuple[int, int]
) -> None:
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            made = await client.call("generate", {"prompt": "a fox", **arguments})
    image = made["structuredContent"]["images"][0]
    assert (image["width"], image["height"]) == pixels


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param({"aspect_ratio": "21:9"}, 'is "21:9", which gemini-3.1-flash-image cannot do', id="no model can"),
        pytest.param(
            {"model": "imagen-4.0-generate-preview", "resolution": "2K"},
            "leave it out, or use gemini-3.1-flash-image or gemini-3.0-pro-image",
            id="another model can",
        ),
        pytest.param({"model": "gemini-3.1-flash-image-square", "aspect_ratio": "4:3"}, "is always 1:1", id="conflict"),
        pytest.param({"seed": 5}, "`seed` is 5, but gemini-3.1-flash-image makes no use of it", id="nothing to it"),
        pytest.param({"model": "gemini-9"}, "Allowed: gemini-3.1-flash-image, gemini-3.0-pro-image", id="model"),
    ],
)
async def test_what_the_model_cannot_do_is_told_before_anything_is_sent(
    serve: Serve, arguments: dict[str, Any], words: str
) -> None:
    """Ours: Flow2API ignores what it does not know, and the person would pay for another picture."""
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            refused = await client.call("generate", {"prompt": "a fox", **arguments})
            assert (await client.call("history"))["structuredContent"]["entries"] == []
    assert refused["isError"]
    assert words in refused["content"][0]["text"]
    assert upstream.requests == []


async def test_what_the_upstream_thinks_reaches_progress_and_nothing_else(serve: Serve) -> None:
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            heard = await client.modern(
                "tools/call", {"name": "generate", "arguments": {"prompt": "a fox"}}, progressToken=1
            )
    said = [each["params"]["message"] for each in heard.notifications]
    assert any(message.startswith("The image service is ") for message in said)
    assert not any("打码" in message for message in said)
    assert "打码" not in str(heard.result)
    numbers = [each["params"]["progress"] for each in heard.notifications]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("scenario", ["error-policy", "error-tier", "error-string", "legacy-nonstream-text"])
async def test_a_failed_generation_says_why_and_is_in_the_history(serve: Serve, scenario: str) -> None:
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            made = await client.call("generate", {"prompt": f"a fox [{scenario}]"})
            kept = (await client.call("history"))["structuredContent"]["entries"][0]
    assert made["isError"]
    reason = made["structuredContent"]["failure"]["reason"]
    assert reason in made["content"][0]["text"]
    assert (kept["state"], kept["images"]) == ("failed", [])
    assert reason.startswith(kept["failure"]["reason"].partition("“")[0])
    assert kept | {"failure": None} == made["structuredContent"] | {"failure": None}


async def test_the_suffix_goes_upstream_and_not_into_the_history(serve: Serve) -> None:
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key, "EASEL_PROMPT_SUFFIX": "In blue."}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            made = await client.call("generate", {"prompt": "a fox"})
    assert made["structuredContent"]["prompt"] == "a fox"
    assert b"a fox\\nIn blue." in upstream.requests[0].body


async def test_a_picture_outlives_the_process(serve: Serve) -> None:
    async with serve() as easel, wire_client(easel.mcp_url) as client:
        made = await client.call("generate", {"prompt": "a fox"})
    name = made["structuredContent"]["images"][0]["url"].rpartition("/")[2]
    async with serve() as easel, wire_client(easel.mcp_url) as client:
        again = await client.call("history", {"history_id": made["structuredContent"]["history_id"]})
        async with client.session.get(url_of(easel, name)) as answer:
            assert answer.status == 200
    assert [block["type"] for block in again["content"]] == ["text", "image"]


def url_of(easel: Running, name: str) -> str:
    return f"{easel.origin}/mcp-cache/{name}"


async def test_a_picture_that_the_person_sends_is_what_the_new_one_starts_from(serve: Serve) -> None:
    """Ours: editing a photo of the phone on a server far away, with nothing of it in the chat."""
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            asked = {"prompt": "make it blue", "use_upload": True}
            told = await client.call("generate", asked)
            assert not upstream.requests
            assert "isError" not in told
            async with client.session.post(told["structuredContent"]["upload_url"], data=png(7)) as answer:
                assert answer.status == 200
            made = await client.call("generate", asked)
            again = await client.call("generate", asked)
    assert made["structuredContent"]["references"] == ["an upload"]
    content: Any = upstream.requests[0].json["messages"]
    [part] = [each for each in content[0]["content"] if each["type"] == "image_url"]
    assert part["image_url"]["url"].startswith("data:image/png;base64,")
    # It was used, and its picture arrived: the next one needs a link of its own.
    assert again["structuredContent"]["upload_url"] != told["structuredContent"]["upload_url"]
    assert len(upstream.requests) == 1


async def upload_link(client: WireClient, prompt: str) -> str:
    """The link by which the person is asked for a picture for this prompt."""
    asked = await client.call("generate", {"prompt": prompt, "use_upload": True})
    link: str = asked["structuredContent"]["upload_url"]
    return link


async def test_the_picture_that_was_sent_for_one_chat_is_not_drawn_into_that_of_another(serve: Serve) -> None:
    """Bug: two chats of one owner shared one link, and the cat of one came into the house of the other."""
    async with (
        flow2api.running() as upstream,
        serve(FLOW2API_BASE_URL=upstream.url, FLOW2API_API_KEY=upstream.key) as easel,
        wire_client(easel.mcp_url) as client,
    ):
        cat, house = await upload_link(client, "my cat as a king"), await upload_link(client, "a house")
        assert cat != house
        async with client.session.post(cat, data=png(1, (8, 8))) as answer:
            assert answer.status == 200
        asked = await client.call("generate", {"prompt": "a house", "use_upload": True})
        assert asked["structuredContent"]["upload_url"] == house
        assert "for another request, “my cat as a king”" in asked["content"][0]["text"]
        assert not upstream.requests
        made = await client.call("generate", {"use_upload": True, "prompt": "my cat as a king"})
    assert made["structuredContent"]["references"] == ["an upload"]
    assert len(upstream.requests) == 1
