"""Data folders of the earlier server, as it writes them: newest, older, oldest, and the troubles they are in."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from tests.emulators.pictures import png

BEGIN = datetime(2026, 3, 5, 9, 30, tzinfo=UTC)
MODEL = "gemini-3.0-pro-image-square-2k"
PREFIX = "http://127.0.0.1:8866"

BMP = b"BM" + (70).to_bytes(4, "little") + bytes(64)
TIFF = b"II*\x00" + bytes(60)
MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + bytes(100)
WEBM = b"\x1a\x45\xdf\xa3" + bytes(100)


@dataclass
class OldServer:
    """The memory of the earlier server between a start and its end. `zone` is that of its machine."""

    zone: timezone = UTC
    numbered: bool = True
    root: str = "/home/ann/flow2api-mcp/data"
    entries: list[dict[str, Any]] = field(default_factory=list)
    index: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    now: datetime = BEGIN

    def add(self, prompt: str, urls: Sequence[str] = (), *, model: str = MODEL, error: str | None = None) -> int:
        """Append an entry, a minute after the last; its number."""
        self.now += timedelta(minutes=1)
        number = len(self.entries) + 1
        time = self.now.astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S")
        entry = {"id": number, "time": time, "model": model, "prompt": prompt, "urls": list(urls), "error": error}
        if not self.numbered:
            del entry["id"]
        self.entries.append(entry)
        return number

    def keep(self, url: str, data: bytes, extension: str = "png", mime: str = "image/png") -> str:
        """Download a picture, just before its entry is written; its file name."""
        key = url.split("?", 1)[0].split("#", 1)[0]
        return self._file(key, f"{md5(key.encode())}.{extension}", data, mime)

    def keep_local(self, data: bytes, extension: str = "png", mime: str = "image/png") -> str:
        """Keep a picture that has no URL; its file name."""
        name = f"{md5(data)}.{extension}"
        return self._file(f"local:{name}", name, data, mime)

    def generate(self, prompt: str, url: str, data: bytes, extension: str = "png") -> str:
        """One generation whose picture was kept; its file name."""
        name = self.keep(url, data, extension)
        self.add(prompt, [url])
        return name

    def _file(self, key: str, name: str, data: bytes, mime: str) -> str:
        path = f"{self.root}/url_cache/{name}"
        if "\\" in self.root:
            path = path.replace("/", "\\")
        written = (self.now + timedelta(minutes=1)).timestamp() - 0.8
        self.index[key] = {"path": path, "mime": mime, "size": len(data), "filename": name, "time": written}
        self.files[name] = data
        return name

    def write(self, folder: Path, *, index: bool = True, archive: bool = True) -> Path:
        """Write the data folder, which is made; return it."""
        (folder / "url_cache").mkdir(parents=True)
        (folder / "history.json").write_bytes(dumped(self.entries[-50:]))
        if archive:
            (folder / "history_archive.json").write_bytes(dumped(self.entries[-2000:]))
        if index:
            (folder / "url_cache.json").write_bytes(dumped(self.index))
        for name, data in self.files.items():
            (folder / "url_cache" / name).write_bytes(data)
        return folder


def dumped(value: object) -> bytes:
    """JSON as the earlier server writes it."""
    return json.dumps(value, ensure_ascii=False, indent=2).encode()


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def signed(number: int) -> str:
    """A URL as Google signs them: what follows the path changes from answer to answer."""
    return f"https://storage.example.com/images/{number:04d}?Expires=1770000000&Signature=abc%2B{number}"


def newest(zone: timezone = UTC) -> OldServer:
    """A folder of the newest version: pictures, failures, imports, two pictures in one entry, links without files."""
    server = OldServer(zone=zone)
    server.generate("a red fox\nin the “snow” 🦊", signed(1), png(1, (64, 32)))  # 1
    server.add("a refused one", error="HTTP 400: content policy")  # 2
    given = server.keep_local(png(3, (40, 40)), "jpeg", "image/jpeg")
    server.add("user_image: 照片.jpeg", [f"{PREFIX}/mcp-cache/{given}"], model="user_image")  # 3
    server.generate("the photo as a watercolour", "http://127.0.0.1:8000/tmp/4.jpg", png(4, (32, 32)), "jpg")  # 4
    server.add("its picture is gone", [signed(5)])  # 5
    server.keep(signed(6), png(6, (16, 16)))
    server.keep(signed(60), png(60, (16, 24)))
    server.add("two at once", [signed(6), signed(60)])  # 6
    server.add("answered in words only")  # 7
    server.keep_local(png(8, (20, 20)))
    server.add("came inline while the cache was off")  # 8
    fetched = server.keep_local(png(9, (24, 24)), "png")
    server.add("image_url: https://example.com/cat.png", [f"{PREFIX}/mcp-cache/{fetched}"], model="image_url_import")
    server.generate("一只猫戴着帽子", signed(10), png(10, (48, 48)), "webp")  # 10: the bytes are PNG
    return server


def oldest() -> OldServer:
    """A folder of the first versions: no numbers, films."""
    server = OldServer(numbered=False, root="D:\\flow2api\\mcp_server")
    server.generate("the first picture", signed(1), png(1, (64, 64)))
    server.keep("http://127.0.0.1:8000/tmp/wave.mp4", MP4, "mp4", "video/mp4")
    server.add("a wave", ["http://127.0.0.1:8000/tmp/wave.mp4"], model="veo_3_1_t2v_fast_landscape")
    server.keep("http://127.0.0.1:8000/tmp/cloud.webm", WEBM, "webm", "video/webm")
    server.add("a cloud", ["http://127.0.0.1:8000/tmp/cloud.webm"], model="veo_2_1_fast")
    server.add("a failure", error="timeout")
    return server


def many(entries: int, pictures: int) -> OldServer:
    """A long history, of which the newest entries have a file."""
    server = OldServer()
    for number in range(1, entries + 1):
        if number > entries - pictures:
            server.keep(signed(number), png(number, (64, 64)))
        server.add(f"picture number {number} of a long history", [signed(number)])
    return server


def contents(folder: Path) -> Iterator[tuple[str, int, bytes]]:
    """Every file below a folder with its time of change and its bytes, to see that nothing changed."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.stat().st_mtime_ns, path.read_bytes()
