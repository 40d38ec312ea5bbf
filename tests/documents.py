"""The documents of the project: their pages, the blocks that they show to be copied, and their links."""

import re
from pathlib import Path
from typing import Final

from tests.paths import ROOT

DOCS: Final = ROOT / "docs"
GUIDES: Final = (
    *(ROOT / name for name in ("README.md", "README.zh.md", "CONTRIBUTING.md")),
    *sorted(DOCS.rglob("*.md")),
)
"""The pages for people who run, use or change Easel."""

PAGES: Final = (*GUIDES, *(ROOT / name for name in ("ARCHITECTURE.md", "SECURITY.md", "CHANGELOG.md")))
"""All pages whose links are checked."""

BLOCK: Final = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
HEADING: Final = re.compile(r"^#+ +(.+)$", re.MULTILINE)
LINK: Final = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")


def name_of(page: Path) -> str:
    """Return the path of a page within the project."""
    return page.relative_to(ROOT).as_posix()


def blocks(language: str, pages: tuple[Path, ...] = GUIDES) -> list[tuple[str, str]]:
    """Return all code blocks of a language, each with the name of its page."""
    return [
        (name_of(page), text)
        for page in pages
        for found, text in BLOCK.findall(page.read_text(encoding="utf-8"))
        if found == language
    ]


def inline(page: Path) -> list[str]:
    """Return the code that stands within the lines of a page."""
    return re.findall(r"`([^`\n]+)`", BLOCK.sub("", page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    prose = BLOCK.sub("", page.read_text(encoding="utf-8"))
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in HEADING.findall(prose)]
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in plain}


def dead_links(page: Path) -> list[str]:
    """Return the relative links of a page whose file or heading is not there."""
    dead = []
    for link in LINK.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    return dead
