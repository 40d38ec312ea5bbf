"""Folders of the checkout that tests read from."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
SERVICE: Final = ROOT / "service"
RECORDINGS: Final = ROOT / "tests" / "recordings"
