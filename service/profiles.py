"""The profiles of clients: what each shows and how long it waits, in PROFILES, the one table, and its overrides.

A client is known by the key in its URL (`?client=cursor`), else by the name it gives itself (`clientInfo`, in both
eras), else it is `unknown`. Clients change every few weeks: EASEL_PROFILES overrides any value of any row, and each row
is held by a golden file in `tests/profiles/`.

Where `structured` is off, `tools/list` must leave `outputSchema` out as well: the official SDKs refuse a result without
`structuredContent` from a tool that declared a schema for it.
"""

import logging
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final, Protocol, TypeAlias

logger = logging.getLogger(__name__)

PREVIEW_BYTES: Final = 150_000
"""Base64 makes 200 kB of it, a quarter of what a result may have."""

THUMBNAIL_BYTES: Final = 30_000
"""For clients that may hand base64 to the model as text: some 20,000 tokens at worst, which no chat breaks on."""

MAX_BYTES: Final = 800_000
"""Claude Desktop refuses a result of 1,048,576 bytes (fastmcp #1036), and others about there."""

SDK_S: Final = 45
"""The SDKs give a call up after 60 s, and the shortest measured limit of a chat is about 45 s."""


class ProfilesError(Exception):
    """EASEL_PROFILES cannot be read: what is wrong, and what would be right. One line."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One row: how results are shaped for a client, and how many seconds it waits for them.

    `name` is the key for `?client=`; `known_as` are patterns of the names that the client sends, in small letters.
    """

    name: str
    known_as: tuple[str, ...] = ()
    patience_s: float = SDK_S
    """Seconds within which a call is answered: with the picture, or with how to get it."""
    progress_extends: bool = False
    """True for a client that is known to wait on while progress comes, by itself and with nothing to switch on."""
    limit_s: float = 600
    """Seconds that no answer takes longer than, progress or not. An image service is given up after as long."""
    preview_bytes: int = PREVIEW_BYTES
    """Bytes of the largest preview in a result. 0: no image at all."""
    structured: bool = True
    """`structuredContent` in results, and `outputSchema` in `tools/list`."""
    links: bool = False
    """`resource_link` blocks."""
    max_bytes: int = MAX_BYTES
    """Bytes of the whole encoded answer."""
    costs: bool = True
    """The cost of a picture, in three words. EASEL_SHOW_COSTS turns it off for everybody."""
    notices: bool = True
    """`notifications/resources/list_changed` on the stream of a session, for each picture."""


PROFILES: Final = (
    # A client that we know nothing of. Of 27 hosts that were run, structured content took something away in 6, doubled
    # the text in 5, and helped no model; 4 hand base64 to the model as text. Links are printed as JSON by some.
    Profile(name="unknown", preview_bytes=THUMBNAIL_BYTES, structured=False),
    # 60 s by default (McpService.ts); progress resets that only with "long running" on, which nobody tells us, and the
    # agent mode ends at 60 s whatever is set (#20266, #14682). The model may get an image as text (#11836, #13209);
    # the person sees it in the tool panel, and the whole picture by the markdown line in the answer.
    Profile(name="cherry-studio", known_as=("cherry studio*",), preview_bytes=THUMBNAIL_BYTES),
    # By `?client=` alone: the same with "long running" on. Progress resets the timeout, to ten minutes in all
    # (McpService.ts, maxTotalTimeout); half a minute is left for the way.
    Profile(name="cherry-studio-long", progress_extends=True, limit_s=570, preview_bytes=THUMBNAIL_BYTES),
    # claude.ai sends Anthropic/ClaudeAI, the desktop claude-ai. Web: 45 s measured, which progress did not extend
    # (image-generation-mcp, client-compatibility.md); 60 s reported (claude-ai-mcp #115). Images reach the model one
    # turn late (#643, #731).
    Profile(
        name="claude",
        known_as=("claude-ai*", "anthropic/claudeai*", "claude-desktop*", "local-agent-mode-*"),
        patience_s=40,
    ),
    # Drops `content` where there is structuredContent, so that neither words nor images arrive (#54737, #79944).
    # 25,000 tokens per result (#9152), two bytes per token at worst; some releases count an image's base64 as text
    # (#31208), so the preview takes 16,000 tokens at most. Reports on waiting conflict: given up at 120 s despite
    # progress (agy-mcp #178), put into the background after 120 s (ha-mcp PR #2213), 300 s idle (dot-ai PR #708).
    Profile(
        name="claude-code",
        known_as=("claude-code*",),
        patience_s=100,
        preview_bytes=24_000,
        structured=False,
        max_bytes=50_000,
    ),
    # The connector of the Messages API, by `?client=` alone: nobody wrote down what name it sends. It replaces images
    # by a sentence (claude-ai-mcp #969).
    Profile(name="anthropic-api", preview_bytes=0, structured=False),
    # About 60 s (a third party's page). The image is shown in the tool result and seen by the model (#3365).
    Profile(name="cursor", known_as=("cursor*",)),
    # Never gives a call up (mcpServerRequestHandler.ts has no timeout) and always sends a progress token; the name is
    # that of the product. The model gets structuredContent in place of the text, and a linked image whole
    # (mcpLanguageModelToolContribution.ts); the image block is made smaller where needed.
    Profile(
        name="vscode",
        known_as=("visual studio code*", "visual-studio-code*", "code - oss*", "vscodium*"),
        progress_extends=True,
        structured=False,
    ),
    # 30 s by its documentation, 180 s by its source. Images are dropped (copilot-cli #4536).
    Profile(name="copilot-cli", known_as=("github-copilot-developer*",), patience_s=25, preview_bytes=0),
    # 60 s; it asks for no progress, so nothing resets that (MCPManager.ts, PR #10855). Providers that it does not know
    # get the image as text; text-only models break on any (#11413): `?client=text` for those. Links are printed.
    Profile(name="librechat", known_as=("@librechat/*", "librechat*"), preview_bytes=THUMBNAIL_BYTES),
    # The default name of the Python SDK, which a dozen hosts and any script send: Open WebUI, openai-agents (5 s, then
    # it asks again), llama-index and haystack (30 s; base64 as text), autogen, semantic-kernel, smolagents, strands,
    # langchain, crewai.
    Profile(name="mcp", known_as=("mcp",), patience_s=25, preview_bytes=THUMBNAIL_BYTES),
    # By `?client=` alone, since it sends the name of the SDK. It gave up on nothing in 400 s (0.12.4); images become
    # files of the chat; structured content is a second text.
    Profile(name="open-webui", patience_s=240, structured=False),
    # 300 s by default (PR #8295); that progress extends it is not known. Shows images, markdown, links (glif PR #20).
    Profile(name="goose", known_as=("goose*",), patience_s=240, links=True),
    # 300 s, which progress does not extend (0.171.0; releases of 2025 had 60 s). Takes structuredContent in place of
    # all else.
    Profile(name="codex", known_as=("codex*",), patience_s=240, structured=False),
    # Progress resets the timeout, and it asks for progress since 2026 (catalog.ts, resetTimeoutOnProgress). With
    # structured content the model gets its JSON, text and image (1.18.33); earlier ones dropped the image (PR #32868).
    Profile(name="opencode", known_as=("opencode*",), progress_extends=True, structured=False),
    # Ten minutes by default (mcp-client.ts, MCP_DEFAULT_TIMEOUT_MSEC). Qwen Code is made from it, and sends
    # qwen-cli-mcp-client-NAME. For each change of the list of resources it prints two lines and lists them anew.
    Profile(
        name="gemini-cli", known_as=("gemini-cli*", "qwen-cli-mcp-client*", "qwen-code*"), patience_s=540, notices=False
    ),
    # 60 s. The whole result goes to the model as text, base64 in it: 57,674 characters (1.5.47).
    Profile(name="continue", known_as=("continue-cli-client*", "continue-client*"), preview_bytes=0, structured=False),
    # 60 s. The result goes to the model as JSON, cut to 8,000 characters in the middle of the base64 (3.0.65).
    Profile(name="cline", known_as=("@cline/*", "cline*"), preview_bytes=0, structured=False),
    # 300 s. The result goes to the model as JSON, base64 in it: 58,266 characters (2.13.0).
    Profile(name="google-adk", known_as=("google-adk*",), patience_s=240, preview_bytes=0, structured=False),
    # Image and structured JSON reach the model, and the text is dropped (fast-agent 0.10.48; pydantic-ai 2.68.0 for a
    # result of text alone). agno, which sends fastmcp as well, gives up after 10 s.
    Profile(name="fast-agent", known_as=("fast-agent*",), structured=False),
    Profile(name="fastmcp", known_as=("fastmcp*",), structured=False),
    # 60 s; structured content wins (source of 2.41.1).
    Profile(name="n8n", known_as=("@n8n/*", "n8n*"), preview_bytes=0, structured=False),
    # 50 s is what others allow for (linkedapi-mcp). The model gets both the text and structuredContent.
    Profile(name="chatgpt", known_as=("openai-mcp*", "chatgpt*")),
    # Shows everything. No limit within 400 s (2.12.0); releases of 2025 gave up after 60 s in all, progress or not.
    Profile(name="inspector", known_as=("mcp-inspector*", "inspector-*"), patience_s=540, links=True),
    # 20 s by default (spring.ai.mcp.client.request-timeout).
    Profile(name="spring-ai", known_as=("spring-ai-mcp-client*",), patience_s=15),
    # By `?client=` alone: for models that take no images, whose chats break on one (LibreChat #11413,
    # cherry-studio #4668).
    Profile(name="text", preview_bytes=0, structured=False),
)
"""Every client that we know. `unknown` stands first; of the patterns the first that fits counts."""

UNKNOWN: Final = PROFILES[0]
KEYS: Final = tuple(profile.name for profile in PROFILES)

EVERYBODY: Final = "*"
"""The name of all clients together in EASEL_PROFILES. The changes of one client go before those of all."""

Changes: TypeAlias = Mapping[str, Any]
"""Fields of `Profile` and their values."""

Overrides: TypeAlias = Mapping[str, Changes]
"""Changes by the key of a client, or `*`."""


class Named(Protocol):
    """A client with the name that it gives itself."""

    @property
    def name(self) -> str:
        """The name in `clientInfo`, or empty."""


class ProfiledCall(Protocol):
    """The facts of a call on which its profile depends. `service.protocol.call.Call` has them."""

    @property
    def client(self) -> Named:
        """The calling client."""

    @property
    def client_hint(self) -> str:
        """`client` in the query of the URL, or empty."""

    @property
    def progress_token(self) -> object | None:
        """The token of progress notifications; None where the caller wants none."""

    @property
    def is_from_view(self) -> bool:
        """True for a call of the view of an MCP App."""

    @property
    def is_task(self) -> bool:
        """True once the call was answered with a task."""


class Profiles:
    """The table as this service was told to use it."""

    def __init__(self, overrides: Overrides | None = None, *, costs: bool = True) -> None:
        """Apply the overrides to the table. Without `costs` no client is told them but by an override of its own."""
        changes = overrides or {}
        if not costs:
            changes = {**changes, EVERYBODY: {"costs": False, **changes.get(EVERYBODY, {})}}
        self._by_key = {
            each.name: replace(each, **{**changes.get(EVERYBODY, {}), **changes.get(each.name, {})})
            for each in PROFILES
        }

    def of(self, call: ProfiledCall) -> Profile:
        """Return the profile of the calling client."""
        return self.named(call.client, call.client_hint)

    def named(self, client: Named, client_hint: str) -> Profile:
        """Return the profile of a client, by the hint of its URL or else by its name."""
        hint = client_hint.strip().lower()
        if hint in self._by_key:
            return self._by_key[hint]
        if hint:
            logger.debug("?client=%r names no profile", hint[:64])
        return self._by_key[key_of(client.name)]

    def patience_s(self, call: ProfiledCall) -> float:
        """Return the seconds within which a call must be answered; infinite for a task, which was answered already."""
        profile = self.of(call)
        if call.is_task:
            return math.inf
        if call.is_from_view:
            return min(profile.patience_s, profile.limit_s, SDK_S)
        if profile.progress_extends and call.progress_token is not None:
            return profile.limit_s
        return min(profile.patience_s, profile.limit_s)


@lru_cache(maxsize=256)
def key_of(name: str) -> str:
    """Return the key of the client of this name. mcp-remote adds "(via mcp-remote 0.1.37)", once for each of it."""
    own = name.lower().partition(" (via ")[0].strip()
    return next((each.name for each in PROFILES if any(fnmatchcase(own, known) for known in each.known_as)), KEYS[0])


@dataclass(frozen=True, kw_only=True)
class _Field:
    """A word of EASEL_PROFILES: the field of `Profile` that it sets, how it is read, and what it may be."""

    sets: str
    read: Callable[[str], Any]
    right: str


def _number(least: int, most: int, factor: int = 1) -> Callable[[str], int | None]:
    def read(text: str) -> int | None:
        number = int(text) if re.fullmatch(r"[0-9]{1,6}", text) else least - 1
        return number * factor if least <= number <= most else None

    return read


_SWITCH: Final = {"on": True, "off": False}
_PREVIEW: Final = {"on": PREVIEW_BYTES, "off": 0}
_SECONDS: Final = _number(1, 600)
_KILOBYTES: Final = _number(1, 200, 1000)

FIELDS: Final[Mapping[str, _Field]] = {
    "patience": _Field(sets="patience_s", read=_SECONDS, right="seconds from 1 to 600"),
    "progress": _Field(sets="progress_extends", read=_SWITCH.get, right="on or off"),
    "limit": _Field(sets="limit_s", read=_number(1, 3600), right="seconds from 1 to 3600"),
    "preview": _Field(
        sets="preview_bytes",
        read=lambda text: _PREVIEW[text] if text in _PREVIEW else _KILOBYTES(text),
        right="on, off or kilobytes from 1 to 200",
    ),
    "structured": _Field(sets="structured", read=_SWITCH.get, right="on or off"),
    "links": _Field(sets="links", read=_SWITCH.get, right="on or off"),
    "notices": _Field(sets="notices", read=_SWITCH.get, right="on or off"),
    "costs": _Field(sets="costs", read=_SWITCH.get, right="on or off"),
    "size": _Field(sets="max_bytes", read=_number(20, 800, 1000), right="kilobytes from 20 to 800"),
}
"""The words that EASEL_PROFILES may use."""


def read_overrides(text: str) -> Overrides:
    """Read EASEL_PROFILES, such as "cherry-studio:patience=120,preview=off; *:structured=off"."""
    overrides: dict[str, dict[str, Any]] = {}
    for entry in filter(None, map(str.strip, text.split(";"))):
        key, colon, changes = (part.strip() for part in entry.partition(":"))
        if not colon or not changes:
            raise ProfilesError(
                f"{entry[:60]!r} is not of the form client:field=value, such as cherry-studio:patience=120,preview=off"
            )
        if key.lower() not in (*KEYS, EVERYBODY):
            raise ProfilesError(f"{key[:60]!r} is no client; known are {', '.join(KEYS)}, and * for all")
        changed = overrides.setdefault(key.lower(), {})
        for change in changes.split(","):
            field, value = _read_change(key, change)
            if field in changed:
                raise ProfilesError(f"{key}: {change.strip()[:60]!r} sets again what was set before; say it once")
            changed[field] = value
    return overrides


def _read_change(key: str, change: str) -> tuple[str, Any]:
    name, _, text = (part.strip().lower() for part in change.partition("="))
    field = FIELDS.get(name)
    if field is None:
        raise ProfilesError(f"{key}: {name[:60]!r} is no field; known are {', '.join(FIELDS)}")
    value = field.read(text)
    if value is None:
        raise ProfilesError(f"{key}: {name} is {text[:60]!r}; it must be {field.right}")
    return field.sets, value
