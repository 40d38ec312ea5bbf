"""The view of the MCP App in hosts of many habits, and for people of many: by keys, in the dark, on a phone."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from service.protocol.call import FROM_VIEW
from service.tools.app_view import VIEW
from tests.app_host import APP_CLIENT, LOADED, AppHost, AppWorld, Host, app_host, app_world
from tests.axe import faults_of
from tests.conftest import Serve
from tests.emulators import flow2api
from tests.seeded_history import slow_service
from tests.wire import wire_client

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHONE, WIDE = (360, 740), (800, 900)
WITH_SCREEN = Host(context={"availableDisplayModes": ["inline", "fullscreen"]})
SAVES: Final[dict[str, Any]] = {"serverTools": {}, "openLinks": {}, "downloadFile": {}}


@dataclass(frozen=True, kw_only=True)
class Drawn(AppWorld):
    """A world in which three pictures of one job are drawn."""

    result: dict[str, Any]

    @property
    def url(self) -> str:
        """The URL of the first picture."""
        url: str = self.result["_meta"]["easel/view"]["jobs"][0]["pictures"][0]["url"]
        return url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Drawn]:
    async with app_world(tmp_path_factory.mktemp("hosts")) as opened:
        result = await opened.client.call("generate", {"prompt": "a red fox", "count": 3}, **APP_CLIENT)
        yield Drawn(easel=opened.easel, client=opened.client, open_tab=opened.open_tab, result=result)


async def shown(world: Drawn, host: AppHost) -> dict[str, Any]:
    """Hand the pictures to the view, and return what is seen."""
    await host.tell("tool-result", world.result)
    return await host.see(LOADED)


async def test_full_screen_is_offered_where_the_host_has_it(world: Drawn) -> None:
    """Spec SEP-1865, Display Modes: the host says which it has, and in which the view is afterwards."""
    async with world.open_tab() as tab, app_host(tab, world.client, WITH_SCREEN) as host:
        await shown(world, host)
        await host.press("Full screen")
        await host.see("seen.mode === 'fullscreen' && seen.buttons.includes('Leave full screen')")
        await host.press("Leave full screen")
        await host.see("seen.mode === 'inline'")
        assert [each["mode"] for each in await host.asked("ui/request-display-mode", 2)] == ["fullscreen", "inline"]
    for host_ in (Host(), replace(WITH_SCREEN, answers={"ui/request-display-mode": {"mode": "inline"}})):
        async with world.open_tab() as tab, app_host(tab, world.client, host_) as host:
            seen = await shown(world, host)
            assert ("Full screen" in seen["buttons"]) == bool(host_.context)
            if host_.context:
                await host.press("Full screen")
                await host.asked("ui/request-display-mode")
                await host.see("seen.mode === 'inline' && seen.buttons.includes('Full screen')")


async def test_a_download_hands_the_original_to_the_host(world: Drawn) -> None:
    """Spec SEP-1865, ui/download-file: an embedded resource is saved by every host; some only open a link."""
    async with world.open_tab() as tab, app_host(tab, world.client, Host(can=SAVES)) as host:
        await shown(world, host)
        await host.press("Download")
        [[file]] = [each["contents"] for each in await host.asked("ui/download-file")]
        async with ClientSession() as http, http.get(world.url) as answer:
            original = await answer.read()
        assert base64.b64decode(file["resource"]["blob"]) == original
        assert file["resource"]["uri"] == f"file:///easel-1-1.{world.url.rpartition('.')[2]}"
        assert file["resource"]["mimeType"] == answer.content_type
        assert tab.errors == []


async def test_a_download_is_a_link_where_the_view_may_not_read_the_picture(world: Drawn) -> None:
    stripped = Host(can=SAVES, lets_pictures_in=False)
    async with world.open_tab() as tab, app_host(tab, world.client, stripped) as host:
        await shown(world, host)
        await host.press("Download")
        [[link]] = [each["contents"] for each in await host.asked("ui/download-file")]
        assert (link["type"], link["uri"], link["name"]) == ("resource_link", world.url, "easel-1-1")


async def test_a_download_that_a_person_refuses_opens_nothing(world: Drawn) -> None:
    """Spec SEP-1865, McpUiDownloadFileResult: `isError` is a person's no; other hosts open the picture."""
    refusing = Host(can=SAVES, answers={"ui/download-file": {"isError": True}})
    async with world.open_tab() as tab, app_host(tab, world.client, refusing) as host:
        await shown(world, host)
        await host.press("Download")
        assert world.url in (await host.see("seen.text.includes('It was not saved')"))["text"]
        assert await tab.run("all('ui/open-link')") == []
    closed = Host(answers={"ui/open-link": {"isError": True}})
    async with world.open_tab() as tab, app_host(tab, world.client, closed) as host:
        await shown(world, host)
        await host.press("Download")
        assert world.url in (await host.see("seen.text.includes('opens no links')"))["text"]
        assert await host.asked("ui/open-link") == [{"url": world.url}]


async def test_a_picture_that_outlasts_its_call_is_followed(world: Drawn, serve: Serve) -> None:
    """Ours: the prompt at once, as it is written, then the picture, by calls that its host does not give up."""
    async with slow_service(serve) as (client, upstream, drawing), world.open_tab() as tab:
        async with app_host(tab, client) as host:
            await host.tell("tool-input-partial", {"arguments": {"prompt": "a fo"}})
            await host.see("seen.text.includes('being drawn') && seen.text.includes('a fo')")
            await host.tell("tool-input", {"arguments": {"prompt": "a fox [slow]"}})
            await host.see("seen.text.includes('a fox [slow]')")
            await host.tell(
                "tool-result", await client.call("history", {"history_id": 1, "wait_seconds": 0}, **APP_CLIENT)
            )
            [asked] = await host.asked("tools/call")
            assert (asked["name"], asked["arguments"]["history_id"]) == ("history", 1)
            assert 0 < asked["arguments"]["wait_seconds"] < 60
            assert asked["_meta"] == {FROM_VIEW: True}
            await host.see("seen.text.includes('being drawn') && !seen.images.length")
            upstream.go_on.set()
            await asyncio.wait_for(drawing, 20)
            seen = await host.see(LOADED)
            assert "being drawn" not in seen["text"]
            assert len(await tab.run("all('tools/call')")) < 5
            await fails_in_chinese(host)


async def fails_in_chinese(host: AppHost) -> None:
    """Let a picture be refused: the sentence and the reason are in the language of the chat."""
    await host.tell("host-context-changed", {"locale": "zh-CN"})
    await host.call("generate", prompt="a boat [error-policy]")
    seen = await host.see("seen.text.includes('没有画出图片')")
    assert seen["lang"] == "zh-Hans"
    assert "内容规则" in await host.view.run("document.querySelector('.trouble [lang=zh-Hans]').innerText")


async def test_a_host_that_calls_no_tools_is_asked_in_words(world: Drawn, serve: Serve) -> None:
    """Ours: by a message of the person, which the model answers."""
    async with slow_service(serve) as (client, upstream, drawing), world.open_tab() as tab:
        async with app_host(tab, client, Host(can={"message": {}, "openLinks": {}})) as host:
            await host.tell(
                "tool-result", await client.call("history", {"history_id": 1, "wait_seconds": 0}, **APP_CLIENT)
            )
            await host.press("Ask for it")
            [message] = await host.asked("ui/message")
            assert message == {
                "role": "user",
                "content": [{"type": "text", "text": "Show the picture of history_id 1."}],
            }
            upstream.go_on.set()
            await asyncio.wait_for(drawing, 20)
            await host.call("history", history_id=1)
            seen = await host.see(LOADED)
            assert "All pictures" not in seen["buttons"]
            await host.press("Another one")
            assert (await host.asked("ui/message", 2))[1]["content"][0][
                "text"
            ] == "Draw another picture like history_id 1."
            await host.press("Change…")
            await host.see("seen.focus === 'change-to'")
            await host.write("at night")
            await host.press("Draw")
            texts = [each["content"][0]["text"] for each in await host.asked("ui/message", 3)]
            assert texts[2] == "Change the picture of history_id 1: at night"
            assert await tab.run("all('tools/call')") == []


async def test_a_host_that_can_nothing_shows_the_picture(world: Drawn) -> None:
    async with world.open_tab() as tab, app_host(tab, world.client, Host(can={})) as host:
        seen = await shown(world, host)
        assert not {"Another one", "Change…", "All pictures", "Full screen"} & set(seen["buttons"])
        assert tab.errors == []


async def test_the_height_stands_on_the_document_whatever_the_host_does_with_it(world: Drawn) -> None:
    """Ours: some hosts ignore what is told and measure (ext-apps #69), some say how much room there is."""
    for host_, most in ((Host(resizes=False), 500), (Host(context={"containerDimensions": {"maxHeight": 320}}), 320)):
        async with world.open_tab() as tab, app_host(tab, world.client, host_) as host:
            await tab.screen(*WIDE)
            seen = await shown(world, host)
            told = (await host.asked("ui/notifications/size-changed"))[-1]["height"]
            assert seen["height"] == told
            assert 200 < told <= most
            assert await host.view.run("document.documentElement.style.height") == f"{told}px"
            low = "document.documentElement.hasAttribute('data-low')"
            if not host_.resizes:  # what a low frame hides can be reached
                await host.view.until(f"{low} && (scrollTo(0, 999), scrollY > 0)")
            assert await host.view.run(low) == (not host_.resizes)


async def test_colours_are_those_of_the_host(world: Drawn) -> None:
    """Spec SEP-1865, Theming: variables may be of both schemes, of which the theme of the host chooses."""
    variables = {"--color-text-primary": "light-dark(#111111, #eeeeee)", "--color-background-primary": "#123456"}
    dark = Host(context={"theme": "dark", "styles": {"variables": variables}})
    async with world.open_tab() as tab, app_host(tab, world.client, dark) as host:
        await shown(world, host)
        await host.see("seen.ink === 'rgb(238, 238, 238)'")
        assert await host.view.run("getComputedStyle(document.documentElement).backgroundColor") == "rgba(0, 0, 0, 0)"
        button = "getComputedStyle(document.getElementById('change')).backgroundColor"
        assert await host.view.run(button) == "rgb(18, 52, 86)"
        await host.tell("host-context-changed", {"theme": "light"})
        await host.see("seen.ink === 'rgb(17, 17, 17)'")
        await host.tell("host-context-changed", {"styles": {}})
        await host.see("seen.ink === 'rgb(29, 27, 24)'")


async def test_what_goes_wrong_is_said_in_the_language_of_the_chat(world: Drawn) -> None:
    """Ours: the sentence is ours; the words of server and host stay English, and say so to screen readers."""
    refusing = Host(context={"locale": "zh-Hant-TW"}, refuses={"tools/call": "Denied by the person."})
    async with world.open_tab() as tab, app_host(tab, world.client, refusing) as host:
        await shown(world, host)
        await host.press("再來一張")
        seen = await host.see("seen.text.includes('這次沒有成功')")
        assert "Denied by the person." in seen["text"]
        assert (
            await host.view.run("document.querySelector('[role=alert] [lang=en]').innerText") == "Denied by the person."
        )
        assert "再來一張" in seen["buttons"]


async def test_a_refusal_of_the_server_is_said_in_the_language_of_the_chat(world: Drawn) -> None:
    """Ours: by its kind and its argument; what the server itself said stands below, for whoever reads English."""
    chinese = Host(context={"locale": "zh-CN"})
    async with world.open_tab() as tab, app_host(tab, world.client, chinese) as host:
        await host.call("generate", prompt="a red fox", count=900)
        seen = await host.see("seen.text.includes('“张数”不能这样填，没有收费')")
        assert "`count`" in seen["text"]
        await shown(world, host)
        await host.press("修改…")
        await host.write("at night")
        await host.press("开始画")
        seen = await host.see("seen.text.includes('参考图片不能使用')")  # the sketch starts from no picture
        assert "`history_id`" in seen["text"]
    async with world.open_tab() as tab, app_host(tab, world.client) as host:
        await host.call("generate", prompt="a red fox", count=900)
        await host.see("seen.text.includes('This did not work') && seen.text.includes('`count`')")


async def test_why_nothing_was_drawn_is_said_in_the_language_of_the_chat(world: Drawn, serve: Serve) -> None:
    """Ours: an older server names no kind; then its words are shown as they are."""
    chinese = Host(context={"locale": "zh-CN"})
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            result = await client.call("generate", {"prompt": "a fox [error-policy]"}, **APP_CLIENT)
    [job] = result["_meta"][VIEW]["jobs"]
    older = {key: value for key, value in job.items() if key != "failure_kind"}
    async with world.open_tab() as tab, app_host(tab, world.client, chinese) as host:
        await host.tell("tool-result", result)
        seen = await host.see("seen.text.includes('没有画出图片') && seen.text.includes('内容规则')")
        assert "请修改描述后再试。" in seen["text"]
        assert job["failure"] not in seen["text"]
        await host.tell("tool-result", {**result, "_meta": {VIEW: {"jobs": [older]}}})
        await host.see(f"seen.text.includes({job['failure']!r})")


async def test_a_picture_that_is_gone_is_fetched_again(world: Drawn, serve: Serve) -> None:
    """Ours: a chat is opened again long after its picture was removed to make room."""
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client, world.open_tab() as tab:
            async with app_host(tab, client) as host:
                result = await client.call("generate", {"prompt": "a fox"}, **APP_CLIENT)
                del result["_meta"][VIEW]["jobs"][0]["pictures"][0]["data"]
                await client.call("cache", {"action": "clear", "confirm": True})
                await host.tell("tool-result", result)
                await host.press("Fetch it again")
                seen = await host.see(LOADED)
                assert ("Fetch it again" in seen["buttons"], upstream.charges.total()) == (False, 1)
                tab.errors.clear()  # that the picture was not there is told by the browser, too


async def test_a_picture_that_is_gone_for_good_says_so(world: Drawn, serve: Serve) -> None:
    async with serve() as easel, wire_client(easel.mcp_url) as client, world.open_tab() as tab:
        async with app_host(tab, client) as host:
            await client.call("generate", {"prompt": "a fox"})
            await client.call("cache", {"action": "clear", "confirm": True})
            await host.call("history", history_id=1)
            await host.press("Fetch it again")
            seen = await host.see("seen.text.includes('does not have it any more')")
            assert {"Fetch it again", "Another one"} <= set(seen["buttons"])


async def test_a_link_in_what_is_said_opens_by_a_button(world: Drawn) -> None:
    """Ours: such as the address to which a person sends a photo."""
    async with world.open_tab() as tab, app_host(tab, world.client) as host:
        text = f"Open this link, and send a picture: {world.easel.origin}/upload/abc."
        await host.tell("tool-result", {"content": [{"type": "text", "text": text}]})
        await host.press("Open the link")
        assert await host.asked("ui/open-link") == [{"url": f"{world.easel.origin}/upload/abc"}]


@pytest.mark.parametrize(("theme", "size"), [("dark", PHONE), ("light", WIDE)], ids=["dark phone", "light wide"])
async def test_axe_finds_no_fault(world: Drawn, theme: str, size: tuple[int, int]) -> None:
    """Spec WCAG 2, levels A and AA, and the advice of axe: of waiting, a picture, the history, a failure."""
    context = {"theme": theme, "availableDisplayModes": ["fullscreen"], "locale": "zh-CN" if theme == "dark" else "en"}
    host_ = Host(context=context, refuses={"ui/open-link": "no"})
    async with world.open_tab() as tab, app_host(tab, world.client, host_) as host:
        await tab.screen(*size, phone=size == PHONE)
        ground = {"light": "#ffffff", "dark": "#262624"}[
            theme
        ]  # of a chat: the view has none of its own, and axe wants one
        await host.view.run(f"document.documentElement.style.background = {ground!r}")
        faults = await faults_of(host.view)
        seen = await shown(world, host)
        assert (seen["small"], seen["wide"]) == ([], 0)
        assert seen["height"] <= 500
        await host.view.run("document.getElementById('open').click()")
        await host.see("!!document.querySelector('.trouble')")
        await host.view.run("document.getElementById('change').click()")
        faults += await faults_of(host.view)
        await host.call("history")
        seen = await host.see(f"document.querySelector('.tile') && {LOADED}")
        assert (seen["small"], seen["wide"]) == ([], 0)
        assert faults + await faults_of(host.view) == []


async def test_keys_alone_are_enough(world: Drawn) -> None:
    """Ours: the focus stays where it was while the view draws, and goes back after a field is closed."""
    async with world.open_tab() as tab, app_host(tab, world.client) as host:
        await shown(world, host)
        await tab.press("Tab")
        while (await host.see("true"))["focus"] != "change":
            await tab.press("Tab")
        await tab.press("Enter")
        await host.see("seen.focus === 'change-to'")
        await tab.press("Escape")
        await host.see("seen.focus === 'change'")
        await tab.press("Tab", shift=True)
        await tab.press("Enter")
        await host.asked("tools/call")
        await host.see("seen.buttons.includes('All pictures') && seen.focus === 'another'")
        while (await host.see("true"))["focus"] != "all":
            await tab.press("Tab")
        await tab.press("Enter")
        await host.see("document.querySelectorAll('.tile').length === 2 && seen.focus.startsWith('job-')")
        await tab.press("Enter")
        await host.see("seen.focus === 'back'")


async def test_nothing_moves_for_those_who_do_not_want_it(world: Drawn) -> None:
    async with world.open_tab() as tab, app_host(tab, world.client) as host:
        await host.tell("tool-input", {"arguments": {"prompt": "a red fox"}})
        await host.see("seen.text.includes('being drawn')")
        moving = "document.getAnimations().filter((each) => each.playState === 'running').length"
        await host.view.until(f"{moving} === 1")
        reduced = {"name": "prefers-reduced-motion", "value": "reduce"}
        await host.view.send("Emulation.setEmulatedMedia", features=[reduced])
        await host.view.until(f"{moving} === 0")
