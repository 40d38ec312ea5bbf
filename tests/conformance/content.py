"""The contents of the fixture's tools, prompts and resources: small, real pictures and sounds, and words."""

import base64
import io
import struct
import wave
import zlib
from typing import Any, Final

TEXT: Final = "This is a simple text response for testing."


def png() -> str:
    """A red pixel, as Base64 of PNG."""
    pixel = zlib.compress(b"\x00\xff\x00\x00")
    chunks = [(b"IHDR", struct.pack(">2I5B", 1, 1, 8, 2, 0, 0, 0)), (b"IDAT", pixel), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()


def wav() -> str:
    """A hundredth of a second of silence, as Base64 of WAV."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\x00\x00" * 80)
    return base64.b64encode(buffer.getvalue()).decode()


def text(words: str) -> dict[str, Any]:
    """A text block."""
    return {"type": "text", "text": words}


def image() -> dict[str, Any]:
    """An image block."""
    return {"type": "image", "data": png(), "mimeType": "image/png"}


def audio() -> dict[str, Any]:
    """An audio block."""
    return {"type": "audio", "data": wav(), "mimeType": "audio/wav"}


def embedded(uri: str = "test://embedded-resource") -> dict[str, Any]:
    """A resource block."""
    return {"type": "resource", "resource": {"uri": uri, "mimeType": "text/plain", "text": "An embedded resource."}}


def result(*blocks: dict[str, Any]) -> dict[str, Any]:
    """A tool result."""
    return {"content": list(blocks)}


def said(words: str) -> dict[str, Any]:
    """A tool result of one text."""
    return result(text(words))
