"""The view of the MCP App in a real browser: in an opaque frame, under the policies of hosts, on a real Easel."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from service.gallery.app_page import APP_MODULES, read_app
from tests.app_host import LOADED, AppWorld, Host, app_host, app_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTILE = '<b>a red fox</b> in <script>document.body.append("in")</script> snow'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AppWorld]:
    async with app_world(tmp_path_factory.mktemp("app")) as opened:
        yield opened


async def test_the_view_asks_for_no_file_and_makes_no_html_of_text() -> None:
    """Ours: hosts let nothing in but pictures, and a prompt stays text."""
    page = read_app()
    own = page.partition("const WORDS")[2]
    assert APP_MODULES[-1] == "app"
    assert not any(word in own for word in ("innerHTML", "eval(", "Function(", "import("))
    assert not any(word in page.partition("<script>")[0] for word in ("<link", "src=", "@import", "url(", "{style}"))


async def test_a_picture_is_shown_whole_where_the_host_lets_it_in(world: AppWorld) -> None:
    async with world.open_tab() as tab, app_host(tab, world.client) as host:
        await host.tell("tool-input", {"arguments": {"prompt": HOSTILE}})
        assert HOSTILE in (await host.see("seen.text.includes('being drawn')"))["text"]
        await host.call("generate", prompt=HOSTILE, count=3)
        seen = await host.see(f"{LOADED} && seen.images[0].source.includes('/mcp-cache/') && !seen.scrolls")
        assert HOSTILE in seen["text"]
        assert seen["elements"] == 0
        assert (len(seen["images"]), seen["images"][0]["width"]) == (4, 1024)
        assert 200 < seen["height"] <= 500
        assert (seen["scrolls"], seen["wide"], seen["small"]) == (0, 0, [])
        assert tab.errors == []


async def test_a_copy_is_shown_where_the_host_lets_nothing_in(world: AppWorld) -> None:
    """Bug of a host: claude.ai drops the list of origins (claude-ai-mcp #40)."""
    async with world.open_tab() as tab, app_host(tab, world.client, Host(lets_pictures_in=False)) as host:
        await host.call("generate", prompt="a tall ship")
        [image] = (await host.see(LOADED))["images"]
        assert image["source"].startswith("data:image/webp;base64,")
        assert image["width"] == 640


async def test_the_text_alone_is_enough_to_find_the_picture(world: AppWorld) -> None:
    """Ours: some hosts hand a view neither `_meta` nor structured content."""
    async with world.open_tab() as tab, app_host(tab, world.client) as host:
        result = await world.client.call("generate", {"prompt": "a lighthouse"})
        await host.tell("tool-result", {"content": result["content"]})
        seen = await host.see(f"{LOADED} && seen.images[0].source.includes('/mcp-cache/')")
        assert "a lighthouse" in seen["text"]
        await host.tell("tool-result", {"content": [{"type": "text", "text": "Nothing was drawn: no prompt."}]})
        await host.see("seen.text.includes('Nothing was drawn')")


async def test_buttons_draw_through_the_host(world: AppWorld) -> None:
    """Ours: another one is a new picture, and a change starts from the one that is seen."""
    async with world.open_tab() as tab, app_host(tab, world.client) as host:
        first = await host.call("generate", prompt="a red fox")
        await host.press("Another one")
        await host.see(f"{LOADED} && seen.buttons.includes('Another one')")
        [again] = await host.asked("tools/call")
        assert again["name"] == "generate"
        assert again["arguments"]["prompt"] == "a red fox"
        await host.press("Open full size")
        [link] = await host.asked("ui/open-link")
        assert link["url"].startswith(f"{world.easel.origin}/mcp-cache/")
        await host.press("Change…")
        await host.see("seen.buttons.includes('Close')")
        await host.write("at night")
        await host.press("Draw")
        changed = (await host.asked("tools/call", 2))[1]["arguments"]
        assert (changed["prompt"], changed["picture"]) == ("at night", 1)
        assert changed["history_id"] > first["_meta"]["easel/history_id"]


async def test_the_history_is_a_grid_that_goes_on_by_pages(world: AppWorld) -> None:
    """Ours: also in Chinese and in the dark, by what the host says, and when that changes."""
    for number in range(4):
        await world.client.call("generate", {"prompt": f"fox number {number}"})
    chinese = Host(context={"locale": "zh-CN", "theme": "dark"})
    async with world.open_tab() as tab, app_host(tab, world.client, chinese) as host:
        await host.call("history", limit=2)
        seen = await host.see(LOADED)
        assert (len(seen["images"]), "更早" in seen["buttons"]) == (2, True)
        assert seen["ink"] == "rgb(239, 236, 230)"
        await host.press("更早")
        await host.see(f"seen.images.length > 2 && {LOADED}")
        await host.tell("host-context-changed", {"locale": "en-GB", "theme": "light"})
        seen = await host.see("seen.buttons.includes('Newest')")
        assert seen["ink"] == "rgb(29, 27, 24)"
        await host.press(seen["buttons"][0])
        await host.see(f"seen.buttons.includes('Pictures') && seen.images.length === 1 && {LOADED}")


async def test_a_call_that_was_cancelled_says_so(world: AppWorld) -> None:
    async with world.open_tab() as tab, app_host(tab, world.client) as host:
        await host.tell("tool-input", {"arguments": {"prompt": "a red fox"}})
        await host.tell("tool-cancelled", {"reason": "the person stopped it"})
        await host.see("seen.text.includes('cancelled')")
