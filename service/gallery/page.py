"""The shell of the gallery: its page, its script and style, and the two forms by which a person gets in.

1. The files lie in `web/gallery/`, where other pages find them, too. Nothing has to be built: `bundle` joins them at
   the start. The modules import each other as modules do; in the bundle these lines are gone, and all share one scope.
2. The name of a bundle holds a digest of it, so that browsers keep it for good and never mix two versions.
3. The page asks nothing of another origin, runs no script but its own files, and makes no HTML of text
   (`require-trusted-types-for`). All addresses in it are relative, so that it stands behind a path prefix too.
4. Its language is the first of `Accept-Language` that `words.json` has; a person may choose another in the
   page, which then keeps it.
"""

import gzip
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from service.routes import GALLERY, GALLERY_ASSETS
from service.web.pages import EXPORT, SAFE, language_of

FOLDER: Final = Path(__file__).parents[1] / "web" / "gallery"

VENDOR: Final = "vendor/htm-preact.js"
MODULES: Final = (
    *("words", "server_texts", "values", "view", "api", "store", "layout", "grid", "zoom", "tree", "picture"),
    *("compare", "references", "painter", "mask", "draw", "filters", "selection", "gallery"),
)
"""The modules of the gallery, each after those that it imports."""

STYLES: Final = ("look.css", "painter.css", "gallery.css")

FOREVER: Final = {
    hdrs.CACHE_CONTROL: "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    hdrs.VARY: hdrs.ACCEPT_ENCODING,
}
"""Headers of the files, whose names change with them."""

OWN_REFERRER: Final = {"Referrer-Policy": "same-origin"}
"""Under `no-referrer` browsers send forms with `Origin: null` (Fetch, "append a request `Origin` header")."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)

IMPORT: Final = re.compile(r"^import\s[^;]*;\n", re.MULTILINE)
PLACE: Final = re.compile(r"\{(\w+)\}")

FIELD: Final = (
    '<div class="field"><label for="token">{label}</label><input id="token" name="token" type="password" required '
    'autofocus autocomplete="current-password" spellcheck="false" maxlength="8192"></div>'
)
BUTTON: Final = '<button class="button primary" id="enter">{label}</button>'

Words = Mapping[str, Mapping[str, str]]


def bundle(modules: Sequence[str], words: Words) -> str:
    """Return one script of modules of the folder, with the view library and the words before them."""
    files = [(FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in modules]
    inner = "\n".join(EXPORT.sub("", IMPORT.sub("", text)) for text in files)
    said = json.dumps(words, ensure_ascii=False).replace("<", "\\u003c")
    texts = f"const SERVER_TEXTS = {_server_texts()};\n" if "server_texts" in modules else ""
    vendor = (FOLDER / VENDOR).read_text(encoding="utf-8")
    return f'{vendor}\n(() => {{\n"use strict";\nconst WORDS = {said};\n{texts}{inner}\n}})();\n'


def _server_texts() -> str:
    """Read what the server says, in the languages that it does not speak."""
    return (FOLDER / "server_texts.json").read_text(encoding="utf-8").strip()


def read_words() -> Words:
    """Read the words that people see, by language."""
    words: Words = json.loads((FOLDER / "words.json").read_text(encoding="utf-8"))
    return words


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A file that the page loads, under a name that tells its version."""

    name: str
    data: bytes
    packed: bytes
    media_type: str

    @classmethod
    def of(cls, text: str, ending: str) -> "Asset":
        """Return the file of a text; `ending` is js or css."""
        data = text.encode()
        return cls(
            name=f"easel-{hashlib.sha256(data).hexdigest()[:16]}.{ending}",
            data=data,
            packed=gzip.compress(data, mtime=0),
            media_type={"js": "text/javascript", "css": "text/css"}[ending],
        )

    def answer(self, request: web.Request) -> web.Response:
        """Return the file, packed for browsers that take it so: over a phone's network that is a second."""
        takes = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower()
        headers = FOREVER | {hdrs.CONTENT_ENCODING: "gzip"} if takes else FOREVER
        body = self.packed if takes else self.data
        return web.Response(body=body, content_type=self.media_type, charset="utf-8", headers=headers)


@dataclass(frozen=True, kw_only=True)
class GalleryPages:
    """The pages of the gallery, read once at the start."""

    words: Words
    script: Asset
    early: Asset
    style: Asset
    shell: str
    form: str

    @classmethod
    @cache  # packing it is a third of the work of a start, and the files are those of this version
    def read(cls) -> "GalleryPages":
        """Read the folder, once in a process."""
        words = read_words()
        return cls(
            words=words,
            script=Asset.of(bundle(MODULES, words), "js"),
            early=Asset.of(_read("early.js"), "js"),
            style=Asset.of("".join(map(_read, STYLES)), "css"),
            shell=_read("gallery.html"),
            form=_read("form.html"),
        )

    def add_routes(self, app: web.Application) -> None:
        """Serve the files, which tell nothing of anybody; the page itself is served where its reader is known."""
        app.router.add_get(GALLERY_ASSETS.path + "{name}", self.get_asset, allow_head=True)

    async def get_asset(self, request: web.Request) -> web.Response:
        """Answer with a file."""
        for asset in (self.script, self.early, self.style):
            if asset.name == request.match_info["name"]:
                return asset.answer(request)
        raise web.HTTPNotFound(headers=SAFE)

    def gallery(self, request: web.Request) -> web.Response:
        """Return the page of the gallery."""
        return self._answer(request, self.shell, {"assets": _below(GALLERY.path) + "assets"})

    def sign_in(self, request: web.Request, problem: str = "", status: int = 200) -> web.Response:
        """Return the form that takes a token. `problem` is "" or a key of the words, such as `token_unknown`."""
        return self._form(request, "sign_in", problem, status)

    def open_link(self, request: web.Request, *, works: bool) -> web.Response:
        """Return the page of a one-time link: a button that uses it, or the word that it is used up."""
        return self._form(request, "open" if works else "open_over", "", 200 if works else 410)

    def _form(self, request: web.Request, kind: str, problem: str, status: int) -> web.Response:
        words = self._words_of(request)
        up = "../" * (request.path.count("/") - GALLERY.path.count("/") - 1)
        values = {
            "assets": f"{up}assets",
            "kind": kind,
            "heading": escape(words[f"{kind}_title"]),
            "lead": escape(words[f"{kind}_lead"]),
            "problem": f'<p class="problem" id="problem" role="alert">{escape(words[problem])}</p>' if problem else "",
            "field": FIELD.format(label=escape(words["token"])) if kind == "sign_in" else "",
            "button": BUTTON.format(label=escape(words[f"{kind}_button"])) if f"{kind}_button" in words else "",
        }
        return self._answer(request, self.form, values, status)

    def _words_of(self, request: web.Request) -> Mapping[str, str]:
        return self.words[language_of(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))]

    def _answer(self, request: web.Request, html: str, values: Mapping[str, str], status: int = 200) -> web.Response:
        own = {
            "lang": language_of(request.headers.get(hdrs.ACCEPT_LANGUAGE, "")),
            "script": self.script.name,
            "early": self.early.name,
            "style": self.style.name,
            "needs_script": escape(self._words_of(request)["needs_script"]),
        }
        text = PLACE.sub(lambda found: {**own, **values}.get(found[1], found[0]), html)
        headers = {**SAFE, **OWN_REFERRER, "Content-Security-Policy": POLICY, hdrs.VARY: hdrs.ACCEPT_LANGUAGE}
        return web.Response(text=text, content_type="text/html", status=status, headers=headers)


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _below(path: str) -> str:
    """Return the relative address of what lies below a page at this path: of /gallery it is gallery/."""
    return path.rpartition("/")[2] + "/"
