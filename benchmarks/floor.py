"""The floor of a generation: what no service can save, in a plain process. `python -m benchmarks.floor "1.1 MB"`.

The bytes are decoded once, drawn as JPEG once, hashed once, written and brought to the disk once. Prints the processor
time of one picture in milliseconds.
"""

import hashlib
import io
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from PIL import Image

from benchmarks.drawings import copy

TIMES: Final = 10


def keep(data: bytes, folder: Path) -> None:
    """Do it for one picture."""
    picture = Image.open(io.BytesIO(data))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    with (folder / f"{hashlib.sha256(data).hexdigest()}.png").open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def main(size: str) -> float:
    """The time of one picture, once the libraries are loaded."""
    pictures = [copy(size, number) for number in range(TIMES + 1)]
    with tempfile.TemporaryDirectory() as folder:
        keep(pictures.pop(), Path(folder))
        began = time.process_time()
        for data in pictures:
            keep(data, Path(folder))
        return (time.process_time() - began) / TIMES * 1000


if __name__ == "__main__":
    print(main(sys.argv[1]))
