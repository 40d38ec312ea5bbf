"""The shapes in which services, proxies and libraries were seen to echo a key, each as a function of the key."""

import base64
import html
import json
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

SHAPES: Final[Mapping[str, Callable[[str], str]]] = {
    "as it is": lambda key: key,
    "within a word": lambda key: f"x{key}y",
    "in capitals": str.upper,
    "in small letters": str.lower,
    "cut short": lambda key: f"{key[:20]}…",
    "Base64": lambda key: base64.b64encode(key.encode()).decode(),
    "Base64 after a byte": lambda key: base64.b64encode(f"a{key}".encode()).decode(),
    "Base64 after two bytes": lambda key: base64.b64encode(f"ab{key}".encode()).decode(),
    "Base64 for URLs": lambda key: base64.urlsafe_b64encode(f"Bearer {key}".encode()).decode().rstrip("="),
    "Base64 of basic authentication": lambda key: base64.b64encode(f"user:{key}".encode()).decode(),
    "Base64 in lines": lambda key: base64.encodebytes(f"{'-' * 40}{key}".encode()).decode(),
    "hex": lambda key: key.encode().hex(),
    "hex in capitals": lambda key: key.encode().hex().upper(),
    "URL escapes": lambda key: quote(key, safe=""),
    "URL escapes twice": lambda key: quote(quote(key, safe=""), safe=""),
    "URL escapes of all": lambda key: "".join(f"%{ord(each):02x}" for each in key),
    "JSON": lambda key: json.dumps({"key": key}).replace("/", "\\/"),
    "JSON in JSON": lambda key: json.dumps(json.dumps({"key": key}).replace("/", "\\/")),
    "JSON escapes of all": lambda key: "".join(f"\\u{ord(each):04x}" for each in key),
    "HTML": html.escape,
    "HTML escapes of all": lambda key: "".join(f"&#{ord(each)};" for each in key),
    "repr": lambda key: repr({"Authorization": key}),
}

UNSEEN: Final[Mapping[str, str]] = {
    "zero-width space": "\u200b",
    "soft hyphen": "\xad",
    "Arabic letter mark": "\u061c",
    "word joiner": "\u2060",
}
"""Characters that break a key into pieces, and that nobody sees."""


def traces(secret: str) -> list[bytes]:
    """Return the bytes of which none may be found where the secret was echoed: ten characters of it in each form."""
    forms = [secret, secret.encode().hex()]
    for before in range(3):
        digits = base64.b64encode(bytes(before) + secret.encode()).decode()
        forms += [digits[4 * (before > 0) : -4], digits[4 * (before > 0) : -4].translate(str.maketrans("+/", "-_"))]
    return [part.encode() for form in forms for part in (form[:13], form[4:17], form[-13:])]
