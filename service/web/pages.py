"""The pages for people: `/`, which says how to add this server to a chat program, and the way there for browsers.

1. A page is one file, into which those that it shares with others are written. Its policy allows the scripts and styles
   in it by their hashes, and nothing from elsewhere.
2. `/` needs no token and tells nothing that whoever reaches it does not know: the address, and that tokens are needed.
3. Its language is that of `?lang=`, else the first of `Accept-Language` that it has. `home_page.json` holds the words.
4. A browser that opens the MCP endpoint is sent to `/`, by a relative address, which is right behind a path prefix too.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Final

from aiohttp import hdrs, web

from service.routes import HOME
from service.settings import Settings

SAFE: Final = {
    hdrs.CACHE_CONTROL: "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Headers of every page."""

TRADITIONAL: Final = re.compile(r"zh-(?:hant|tw|hk|mo)", re.IGNORECASE)
OWN_FILE: Final = re.compile(r'<script src="([\w/]+\.js)"></script>|<link rel="stylesheet" href="([\w/]+\.css)">')
"""A file that a page names, of those that several pages share."""

EXPORT: Final = re.compile(r"^export (?=(?:async )?function|class|const|let)", re.MULTILINE)
TOKEN: Final = "<token>"  # noqa: S105 - the place of one
NAMES: Final[Mapping[str, str]] = {
    "cherry-studio": "Cherry Studio",
    "claude-code": "Claude Code",
    "claude": "Claude Desktop, claude.ai",
    "cursor": "Cursor",
    "vscode": "VS Code",
    "librechat": "LibreChat",
    "open-webui": "Open WebUI",
}
"""The clients that have a section, in this order."""


@dataclass(frozen=True, kw_only=True)
class HtmlPage:
    """A page, and the Content-Security-Policy by which only its own script and style run."""

    html: str
    policy: str

    @classmethod
    def read(cls, name: str) -> "HtmlPage":
        """Read a file beside this module, and the scripts and styles of our own that it names into it."""
        html = OWN_FILE.sub(_written_in, Path(__file__).with_name(name).read_text(encoding="utf-8"))
        sources = "; ".join(f"{kind}-src {' '.join(_hashes(html, kind))}" for kind in ("script", "style"))
        return cls(
            html=html,
            policy=f"default-src 'none'; {sources}; img-src blob: data:; connect-src 'self'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
        )

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the page with the values, which are HTML, in their places. Script and style stay as they are."""
        place = re.compile(r"<(script|style)>.*?</\1>|\{(\w+)\}", re.DOTALL)
        return place.sub(lambda found: found[0] if found[1] else values.get(found[2], found[0]), self.html)

    def answer(self, text: str, status: int = 200) -> web.Response:
        """Return the response that shows the page, filled in."""
        headers = {**SAFE, "Content-Security-Policy": self.policy}
        return web.Response(text=text, content_type="text/html", status=status, headers=headers)


def _read_words() -> Mapping[str, Mapping[str, str]]:
    """Read the words of the page, by language."""
    text = Path(__file__).with_name("home_page.json").read_text(encoding="utf-8")
    words: Mapping[str, Mapping[str, str]] = json.loads(text)
    return words


@dataclass(frozen=True)
class HomePage:
    """The page at `/`, for a service with these settings. Its files are read once, at the start."""

    settings: Settings
    page: HtmlPage = field(default_factory=lambda: HtmlPage.read("home_page.html"))
    words: Mapping[str, Mapping[str, str]] = field(default_factory=_read_words)

    def add_routes(self, app: web.Application) -> None:
        """Serve the page."""
        app.router.add_get(HOME, self.get, allow_head=True)

    async def get(self, request: web.Request) -> web.Response:
        """Answer with the page in the language of the browser."""
        asked = request.query.get("lang", "")
        language = asked if asked in self.words else language_of(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))
        url = f"{self.settings.public_url or f'{request.scheme}://{request.host}'}{self.settings.path}"
        response = self.page.answer(self.page.fill(self._values(language, url)))
        response.headers[hdrs.VARY] = hdrs.ACCEPT_LANGUAGE
        return response

    def _values(self, language: str, url: str) -> dict[str, str]:
        words = {key: escape(text) for key, text in self.words[language].items()}
        button = f'class="button primary" type="button" hidden data-copied="{words["copied"]}"'
        copy = f"<button {button}>{words['copy']}</button>"
        pasted = {
            client: f'\n<div class="copy"><pre tabindex="0">{escape(snippet)}</pre>{copy}</div>'
            for client, snippet in snippets_of(url, needs_token=self.settings.needs_token).items()
        }
        sections = [
            f"<h2>{name}</h2>\n<p>{words[client]}</p>{pasted.get(client, '')}" for client, name in NAMES.items()
        ]
        here = {each: ' aria-current="page"' if each == language else "" for each in self.words}
        links = [
            f'<a href="?lang={each}" lang="{each}"{here[each]}>{own["name"]}</a>' for each, own in self.words.items()
        ]
        token = "sign_in" if self.settings.oauth else "token" if self.settings.needs_token else "no_token"
        return {
            **words,
            "lang": language,
            "switch": " ".join(links),
            "url": escape(url),
            "token": words[token],
            "clients": "\n".join(sections),
        }


def is_browser(accept: Sequence[str]) -> bool:
    """Tell that a page is asked for. A browser ends its list of types with `*/*`, which would stand for a stream."""
    listed = ",".join(accept).lower()
    return "text/html" in listed and "text/event-stream" not in listed


def to_home(path: str) -> web.Response:
    """Return the redirect from a path of the service to `/`."""
    return web.Response(status=303, headers={hdrs.LOCATION: "../" * (path.count("/") - 1) or "./", **SAFE})


def language_of(accepted: str) -> str:
    """Return the language of the page for an `Accept-Language` (RFC 9110, 12.5.4): the first that it has, else English.

    Browsers list languages in the order of preference, so their weights say nothing more.
    """
    for each in accepted.split(",")[:20]:
        tag = each.partition(";")[0].strip().lower()
        if tag.startswith("zh"):
            return "zh-Hant" if TRADITIONAL.match(tag) else "zh-Hans"
        if tag.startswith("en"):
            return "en"
    return "en"


def snippets_of(url: str, *, needs_token: bool) -> dict[str, str]:
    """Return the text to paste into each client that takes one."""
    bearer = f"Bearer {TOKEN}"
    headers: dict[str, Any] = {"headers": {"Authorization": bearer}} if needs_token else {}
    cherry = {"type": "streamableHttp", "url": f"{url}?client=cherry-studio-long", **headers}
    option = f' --header "Authorization: {bearer}"' if needs_token else ""
    yaml = f'\n    headers:\n      Authorization: "{bearer}"' if needs_token else ""
    return {
        "cherry-studio": _json({"mcpServers": {"easel": {**cherry, "timeout": 600, "longRunning": True}}}),
        "claude-code": f"claude mcp add --transport http easel {url}{option}",
        "cursor": _json({"mcpServers": {"easel": {"url": url, **headers}}}),
        "vscode": _json({"servers": {"easel": {"type": "http", "url": url, **headers}}}),
        "librechat": f"mcpServers:\n  easel:\n    type: streamable-http\n    url: {url}\n    timeout: 600000{yaml}",
    }


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _written_in(named: re.Match[str]) -> str:
    """Return the element that holds the file; what a module exports is there for the scripts behind it."""
    kind = "script" if named[1] else "style"
    text = (Path(__file__).parent / (named[1] or named[2])).read_text(encoding="utf-8")
    return f"<{kind}>\n{EXPORT.sub('', text)}</{kind}>"


def _hashes(html: str, kind: str) -> list[str]:
    """Return the sources of one kind in the page, as a policy names them (CSP Level 3, 2.3.1)."""
    inside = re.findall(rf"<{kind}>(.*?)</{kind}>", html, re.DOTALL)
    digests = [hashlib.sha256(each.encode()).digest() for each in inside]
    return [f"'sha256-{base64.b64encode(each).decode()}'" for each in digests]
