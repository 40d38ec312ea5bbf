"""README: short enough to be read, and what it and the architecture say of the project is so."""

import re
from fnmatch import fnmatch
from pathlib import Path

from tests.paths import ROOT, SERVICE

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
MOST_LINES = 160
MOST_IMAGE_BYTES = 150_000


def test_it_can_be_read_in_a_few_minutes() -> None:
    """Ours: it once had 509 lines, and nobody found the second command. Long parts belong into `docs/`."""
    assert len(TEXT.splitlines()) <= MOST_LINES


def test_its_first_commands_are_those_that_need_nothing() -> None:
    shown = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert shown[:2] == ["make demo\n", "make run\n"]


def test_its_pictures_are_described_and_small() -> None:
    """Ours: a description for those who cannot see it, and a page that a slow line can load."""
    pictures = re.findall(r"!\[([^]]*)\]\(([^)]+)\)", TEXT)
    assert len(pictures) == 3
    assert all(described and (ROOT / path).stat().st_size < MOST_IMAGE_BYTES for described, path in pictures)


def test_every_page_of_the_documents_is_reached_from_it() -> None:
    linked = set(re.findall(r"\]\((docs/[\w.]+\.md)", TEXT))
    assert linked == {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")}


def test_the_layout_names_every_file_of_the_service_and_none_that_is_gone() -> None:
    layout = TEXT.partition("## How the code is laid out")[2].partition("\n## ")[0]
    patterns = re.findall(r"`([\w*/.]+)`", "".join(line.split("|")[1] for line in layout.splitlines() if "|" in line))
    names = [str(path.relative_to(ROOT)) for path in SERVICE.rglob("*.py")]
    assert not [name for name in names if not any(matches(name, pattern) for pattern in patterns)]
    assert not [pattern for pattern in patterns if not list(ROOT.glob(pattern.rstrip("/")))]


def matches(name: str, pattern: str) -> bool:
    """True where a file is named by a pattern, or lies in a folder that is."""
    return name.startswith(pattern) if pattern.endswith("/") else fnmatch(name, pattern) and "/" not in name[8:]


def test_the_way_to_report_a_hole_is_where_the_security_page_sends_people() -> None:
    assert "README.md#security" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "Report a vulnerability" in TEXT.partition("\n## Security\n")[2].partition("\n## ")[0]


def test_the_architecture_names_what_there_is() -> None:
    """Ours: a page about the code that falls behind the code misleads whoever comes new."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    paths = re.findall(r"`([\w./]+(?:/|\.py|\.json))`", text)
    assert len(paths) > 30
    everywhere = {path.name for path in SERVICE.rglob("*.py")}
    assert not [
        path
        for path in paths
        if not (ROOT / path).exists() and not (SERVICE / path).exists() and not ("/" not in path and path in everywhere)
    ]


def test_the_second_language_has_the_pages_that_people_need_first() -> None:
    assert (ROOT / "README.zh.md").exists()
    for name in ("clients.md", "moving.md", "troubleshooting.md"):
        assert Path(ROOT / "docs" / "zh" / name).exists()
