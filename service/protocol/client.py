"""What a client says of itself: name, release and capabilities. Self-reported, so never a ground for trust."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_KNOWN: Final = ("roots", "sampling", "elicitation", "extensions")
_MAX_NAME: Final = 64


@dataclass(frozen=True, kw_only=True)
class Client:
    """Name and release as sent, cut short, or empty; `capabilities` the names of what it declared.

    An extension is named `extensions/<identifier>`, a mode of eliciting `elicitation/<mode>`.
    """

    name: str = ""
    version: str = ""
    capabilities: frozenset[str] = frozenset()


def read_client(info: object, capabilities: object) -> Client:
    """Read `clientInfo` and the client's capabilities; whatever is not as the schema has it counts as not said."""
    named: Mapping[str, Any] = info if isinstance(info, dict) else {}
    return Client(
        name=_text(named.get("name")),
        version=_text(named.get("version")),
        capabilities=frozenset(_names(capabilities if isinstance(capabilities, dict) else {})),
    )


def _names(capabilities: Mapping[str, Any]) -> list[str]:
    names = []
    for name in _KNOWN:
        settings = capabilities.get(name)
        if isinstance(settings, dict):
            names.append(name)
            names += [f"{name}/{part[:_MAX_NAME]}" for part in list(settings)[:16]]
    return names


def _text(value: object) -> str:
    return value[:_MAX_NAME] if isinstance(value, str) else ""
