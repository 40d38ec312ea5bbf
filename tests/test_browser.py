"""The browser of the tests: one for all of a process, in which nobody finds anything of those before."""

from aiohttp import web

from tests.browser import browser
from tests.emulators.loopback import serving

KEEP = """Promise.resolve(localStorage.a = sessionStorage.a = window.name = "1", document.cookie = "a=1; max-age=99")
    .then(() => caches.open("a")).then(() => history.pushState(1, "", "third"))"""
FOUND = """(async () => [
    localStorage.a, sessionStorage.a, document.cookie, window.name, await caches.keys(), history.length,
    innerWidth, navigator.language, matchMedia("(prefers-color-scheme: dark)").matches, navigator.onLine,
])()"""
OFFLINE = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}


async def test_a_tab_has_nothing_of_the_one_before() -> None:
    """Ours: one page serves test after test, as a new one of a new profile would."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<p>a page", content_type="text/html")

    app = web.Application()
    app.router.add_get("/{any}", page)
    async with serving(app) as url, browser() as open_tab:
        async with open_tab() as tab:
            await tab.open(f"{url}/first")
            fresh = await tab.run(FOUND)
        async with open_tab() as tab:
            await tab.open(f"{url}/second")
            await tab.run(KEEP)
            await tab.screen(360, 640, phone=True, dark=True)
            await tab.speak("zh-TW")
            await tab.send("Network.enable")
            await tab.send("Network.emulateNetworkConditions", **OFFLINE)
            kept, place = await tab.run(FOUND), tab.context
            assert all(one != other for one, other in zip(kept, fresh, strict=True))
        async with open_tab() as tab:
            assert tab.context == place, "it is the same page"
            await tab.open(f"{url}/first")
            assert await tab.run(FOUND) == fresh
