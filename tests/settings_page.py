"""The table in `docs/settings.md`: `python -m tests.settings_page` writes it anew from that of the service."""

from typing import Final

from service.settings_table import SETTINGS, Setting
from tests.paths import ROOT

PAGE: Final = ROOT / "docs" / "settings.md"
MARK: Final = "<!-- settings -->\n"
"""Stands before the table and after it."""


def table() -> str:
    """One row for each setting, in the order of `--help`."""
    return "\n".join(["| name (older names) | default | meaning |", "| --- | --- | --- |", *map(row, SETTINGS), ""])


def row(setting: Setting) -> str:
    """A setting as the page shows it."""
    older = f" ({', '.join(f'`{name}`' for name in setting.older)})" if setting.older else ""
    default = f"`{setting.default}`" if setting.default else "–"
    return f"| `{setting.name}`{older} | {default} | {setting.meaning} |"


def written(page: str) -> str:
    """The table as it stands in a page."""
    return page.split(MARK)[1]


def main() -> None:
    """Bring the page up to date."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, after = page.split(MARK)
    PAGE.write_text(f"{before}{MARK}{table()}{MARK}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
