"""The view of the MCP App as one HTML text, with the look, the words and the view library of the gallery in it.

A host shows it in a frame that may load nothing but pictures, so it names no file; and nothing has to be built.
"""

import re
from functools import cache
from typing import Final

from service.gallery.page import FOLDER, PLACE, bundle, read_words

APP_MODULES: Final = ("words", "server_texts", "values", "view", "host", "shown", "app_frame", "app")
"""The modules of the view, each after those that it imports."""

APP_STYLES: Final = ("look.css", "app.css")
COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)


@cache
def read_app() -> str:
    """Read the view, once for the process."""
    script = bundle(APP_MODULES, read_words())
    style = COMMENT.sub("", "".join((FOLDER / each).read_text(encoding="utf-8") for each in APP_STYLES))
    assert "</script" not in script  # noqa: S101 - our own files, which would end the element early
    values = {"script": script, "style": style}
    return PLACE.sub(lambda found: values.get(found[1], found[0]), (FOLDER / "app.html").read_text(encoding="utf-8"))
