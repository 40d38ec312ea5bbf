"""The clock of a process that a test sets, by libfaketime: monotonic time stays as it is."""

import importlib.util
from pathlib import Path
from typing import Final

SPEC: Final = importlib.util.find_spec("libfaketime")
LIBRARY: Final = (
    Path((SPEC.submodule_search_locations or [""])[0] if SPEC else "") / "vendor/libfaketime/src/libfaketime.so.1"
)


def clock_of(file: Path) -> dict[str, str]:
    """The environment of a process whose clock stands as a file says, such as `+2d`."""
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
