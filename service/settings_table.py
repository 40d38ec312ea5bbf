"""The table of settings: names, defaults, meanings, older names, and how the values of older names are read.

`--help` and `docs/settings.md` show it; `service/settings.py` reads an environment by it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import partial
from typing import Final

from service.bounds.limits import LIMITS


@dataclass(frozen=True)
class Setting:
    """One row of the table. `older` are names of earlier programs, which count where the newer one is not set."""

    name: str
    default: str
    meaning: str
    older: tuple[str, ...] = ()
    example: str = ""
    """A value that is right, for the complaint about one that is not."""


SETTINGS: Final = (
    Setting("FLOW2API_BASE_URL", "", "root of Flow2API, with or without /v1; http://127.0.0.1:8000 with a key",
            example="http://127.0.0.1:8000"),
    Setting("FLOW2API_API_KEY", "", "its key, without Bearer"),
    Setting("OPENAI_API_KEY", "", "key of the OpenAI Images API, or of a service that speaks it; turns it on"),
    Setting("OPENAI_BASE_URL", "", "root of such a service, with or without /v1; https://api.openai.com with a key",
            example="https://api.openai.com"),
    Setting("OPENAI_ASYNC", "off", "async: ask for tasks by its routes …/async, as sub2api has; tasks: by images/tasks",
            example="async"),
    Setting("GEMINI_API_KEY", "", "key of Google's Gemini API, or of a server that speaks it; turns it on"),
    Setting("GEMINI_BASE_URL", "", "root of it, with or without /v1beta; https://generativelanguage.googleapis.com "
            "with a key",
            example="https://generativelanguage.googleapis.com"),
    Setting("OPENROUTER_API_KEY", "", "key of OpenRouter; turns it on"),
    Setting("OPENROUTER_BASE_URL", "", "root of OpenRouter; https://openrouter.ai/api/v1 with a key",
            example="https://openrouter.ai/api/v1"),
    Setting("MODELSCOPE_API_KEY", "", "token of ModelScope API-Inference; turns it and `generate_image` on",
            ("MODELSCOPE_SDK_TOKEN",)),
    Setting("MODELSCOPE_BASE_URL", "", "root of ModelScope; https://api-inference.modelscope.cn with a token",
            example="https://api-inference.modelscope.cn"),
    Setting("EASEL_MODELSCOPE_POLL_S", "5", "seconds between two questions whether ModelScope has drawn the picture",
            ("MODELSCOPE_POLL_INTERVAL_SECONDS",)),
    Setting("EASEL_MODELSCOPE_TIMEOUT_S", "150", "seconds to wait for a ModelScope picture; `history` waits on"),
    Setting("EASEL_UPSTREAM_TIMEOUT_S", "600", "seconds that an image service may take for one request in all"),
    Setting("EASEL_UPSTREAM_SILENCE_S", "300", "seconds that it may send nothing meanwhile; twice that for 4K"),
    Setting("EASEL_CONNECT_TIMEOUT_S", "10", "seconds to reach an image service"),
    Setting("EASEL_DOWNLOAD_TIMEOUT_S", "120", "seconds to download one picture from where a service put it"),
    Setting("EASEL_HOST", "127.0.0.1", "address to listen on; beyond loopback EASEL_TOKENS is needed",
            ("FLOW2API_MCP_SERVER_HOST",)),
    Setting("EASEL_PORT", "8866", "port to listen on; 0 takes a free one", ("FLOW2API_MCP_SERVER_PORT",)),
    Setting("EASEL_PATH", "/mcp", "path of the MCP endpoint", ("FLOW2API_MCP_SERVER_PATH",)),
    Setting("EASEL_PUBLIC_URL", "", "what links begin with, before /mcp-cache/ and /upload/; host and port when empty",
            ("FLOW2API_MCP_EXTERNAL_URL_PREFIX",), example="https://pictures.example.com"),
    Setting("EASEL_TOKENS", "", "who may call: name:token pairs with commas, each with its own history; or auto"),
    Setting("EASEL_OAUTH_ISSUER", "", "authorization server whose access tokens are taken; needs EASEL_PUBLIC_URL",
            example="https://auth.example.com"),
    Setting("EASEL_OAUTH_AUDIENCE", "", "`aud` of those tokens; public URL and EASEL_PATH when empty"),
    Setting("EASEL_OAUTH_JWKS_URL", "", "URL of its keys; read from its metadata when empty",
            example="https://auth.example.com/jwks"),
    Setting("EASEL_OAUTH_TOKEN_TYPE", "at+jwt", "`typ` of those tokens; jwt takes plain JWT as well, as of Keycloak"),
    Setting("EASEL_TOKENS_FILE", "", "file of more tokens, one `name token [expires]` a line; changes count at once"),
    Setting("EASEL_KEY_IN_URL", "off", "on: a token may also stand in the address, as ?key=; it ends up in many logs"),
    Setting("EASEL_ALLOWED_HOSTS", "", "other host names by which people reach it, besides that of EASEL_PUBLIC_URL"),
    Setting("EASEL_ALLOWED_ORIGINS", "", "pages that may call it, such as http://localhost:6274; schemes such as "
            "vscode-webview:"),
    Setting("EASEL_TRUSTED_PROXIES", "", "proxies whose X-Forwarded-For or Forwarded is believed, such as 127.0.0.1"),
    Setting("EASEL_DATA_DIR", "data", "folder of the history and the pictures"),
    Setting("EASEL_SECRET", "", "text of 32 bytes or more that sessions and links are signed with, the same on all "
            "replicas; the file `secret` of the data folder when empty"),
    Setting("EASEL_SECRET_FILE", "", "file that holds it instead"),
    Setting("EASEL_DATABASE_URL", "", "PostgreSQL database of the history, instead of the data folder: several "
            "replicas share it",
            example="postgresql://easel:password@db.example.com:5432/easel"),
    Setting("EASEL_DATABASE_LISTEN_URL", "", "the same database past a pooler such as PgBouncer, for replicas to hear "
            "of each other; EASEL_DATABASE_URL when empty",
            example="postgresql://easel:password@db.example.com:5432/easel"),
    Setting("EASEL_FILES_URL", "", "bucket and folder that keep the pictures, instead of the data folder: at S3, or a "
            "server of its API",
            example="s3://bucket/easel"),
    Setting("EASEL_FILES_PUBLIC_URL", "", "what links to pictures begin with where a CDN serves that folder of the "
            "bucket; Easel's own address when empty",
            example="https://cdn.example.com/easel"),
    Setting("EASEL_S3_ENDPOINT", "", "URL of a server of S3's API, such as SeaweedFS; Amazon's when empty",
            ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), example="http://127.0.0.1:8333"),
    Setting("EASEL_S3_REGION", "us-east-1", "region of the bucket", ("AWS_REGION", "AWS_DEFAULT_REGION")),
    Setting("EASEL_S3_KEY_ID", "", "id of the key to the bucket", ("AWS_ACCESS_KEY_ID",)),
    Setting("EASEL_S3_SECRET_KEY", "", "its secret", ("AWS_SECRET_ACCESS_KEY",)),
    Setting("EASEL_IMAGE_DIR", "", "folder where the chat program keeps what is attached, for `use_latest_user_image`",
            ("FLOW2API_MCP_IMAGE_DIR", "FLOW2API_MCP_CHERRYSTUDIO_FILES_DIR", "FLOW2API_MCP_LOCAL_FILES_ROOT")),
    Setting("EASEL_MODELS_FILE", "service/models.json", "which models are offered"),
    Setting("EASEL_DRAIN_S", "20", "seconds that a stop waits for pictures that are still being drawn"),
    Setting("EASEL_RETRIES", "2", "how often a failed generation is tried again, where that costs nothing twice",
            ("FLOW2API_MCP_GENERATE_RETRY_COUNT",)),
    Setting("EASEL_PROMPT_SUFFIX", "", "text added to each prompt, on a line of its own, for the image service only",
            ("FLOW2API_MCP_PROMPT_SUFFIX",)),
    Setting("EASEL_HISTORY_RECENT", "50", "how many of the newest generations `history` calls recent",
            ("FLOW2API_MCP_HISTORY_RECENT_SIZE",)),
    Setting("EASEL_HISTORY_ARCHIVE", "0", "how many before those it calls the archive; 0: all. Older ones stay, too",
            ("FLOW2API_MCP_HISTORY_ARCHIVE_SIZE",)),
    Setting("EASEL_CACHE", "1", "1 keeps pictures; 0 hands out the image service's own links, and keeps none that has "
            "one",
            ("FLOW2API_MCP_URL_CACHE",)),
    Setting("EASEL_CACHE_MAX_ENTRIES", "2000", "how many pictures are kept, of everybody; the oldest of whoever keeps "
            "most go first; 0: all",
            ("FLOW2API_MCP_URL_CACHE_MAX_ENTRIES",)),
    Setting("EASEL_CACHE_MAX_MB", "10000", "megabytes that they may take together; 0: no limit"),
    Setting("EASEL_CACHE_OWNER_MAX_ENTRIES", "0", "how many of them one owner may have; 0: no limit"),
    Setting("EASEL_CACHE_OWNER_MAX_MB", "0", "megabytes that those of one owner may take; 0: no limit"),
    Setting("EASEL_CACHE_MAX_DAYS", "0", "days after which a picture is removed; 0: never"),
    Setting("EASEL_CACHE_MAX_FILE_MB", "100", "largest picture taken, in megabytes",
            ("FLOW2API_MCP_URL_CACHE_MAX_FILE_BYTES",)),
    Setting("EASEL_IN_FLIGHT_MB", "64", "megabytes of memory for pictures on their way to the disk; others wait"),
    Setting("EASEL_HOT_PICTURES_MB", "64", "megabytes of memory for pictures that are asked for again; 0: none"),
    *(Setting(limit.setting, limit.default, limit.meaning) for limit in LIMITS),
    Setting("EASEL_DISK_FREE_MB", "200", "megabytes of the disk below which no picture or upload is begun; 0: none"),
    Setting("EASEL_LIMITS", "", "limits of single owners, such as alice.pictures_per_day=50, bob.spend_per_day=2"),
    Setting("EASEL_DECODE_MEMORY_MB", "800", "megabytes of memory to decode one picture; three are decoded at once"),
    Setting("EASEL_DECODE_S", "20", "seconds of processor time that decoding one picture may take"),
    Setting("EASEL_PROFILES", "", "how a client is answered, such as "
            "cherry-studio:patience=120,preview=off; *:structured=off"),
    Setting("EASEL_SHOW_COSTS", "on", "off: results, `history` and the gallery do not say what pictures cost"),
    Setting("HTTPS_PROXY", "", "proxy for https addresses of image services and pictures", ("https_proxy",),
            example="http://127.0.0.1:7890"),
    Setting("HTTP_PROXY", "", "proxy for http addresses of image services; this machine never needs one",
            ("http_proxy",), example="http://127.0.0.1:7890"),
    Setting("NO_PROXY", "", "hosts that are reached without a proxy, such as example.com,10.0.0.0/8", ("no_proxy",)),
    Setting("EASEL_LOG", "info", "how much is logged: debug, info, warning, error",
            ("FLOW2API_MCP_DEBUG", "MODELSCOPE_LOG_LEVEL")),
    Setting("EASEL_LOG_FORMAT", "text", "text, or json for machines"),
)  # fmt: skip
"""Every setting, in the order of `--help` and `docs/settings.md`."""

USUAL_ROOTS: Final[Mapping[str, str]] = {
    "FLOW2API": "http://127.0.0.1:8000",
    "OPENAI": "https://api.openai.com/v1",
    "GEMINI": "https://generativelanguage.googleapis.com/v1beta",
    "OPENROUTER": "https://openrouter.ai/api/v1",
    "MODELSCOPE": "https://api-inference.modelscope.cn/v1",
}
"""The base URL of a service whose key alone is set, by what its settings begin with."""

MOST_RETRIES: Final = 10
LARGEST_FILE_MB: Final = 1000


def _switch(value: str) -> str:
    return "info" if value == "0" else "debug"


def _log_level(value: str) -> str:
    """Python's names and numbers of levels: the ModelScope Image MCP had the names, ModelScope's library has both."""
    level = {"10": "debug", "20": "info", "30": "warning", "warn": "warning", "notset": "debug"}.get(value.lower())
    return level or (value.lower() if value.lower() in ("debug", "info", "warning") else "error")


def _capped(value: str) -> str:
    return str(min(max(int(value), 0), MOST_RETRIES)) if re.fullmatch(r"-?[0-9]{1,9}", value) else value


def _megabytes(value: str) -> str:
    """Early releases counted bytes, later ones megabytes, under the same name."""
    if not re.fullmatch(r"[0-9]{1,15}", value):
        return value
    size = int(value)
    return str(min(-(-size // 1_000_000) if size > 1_000_000 else size, LARGEST_FILE_MB))


OLDER_VALUES: Final[Mapping[str, Callable[[str], str]]] = {
    "FLOW2API_MCP_URL_CACHE": lambda value: "0" if value == "0" else "1",
    "FLOW2API_MCP_DEBUG": _switch,
    "MODELSCOPE_LOG_LEVEL": _log_level,
    "FLOW2API_MCP_GENERATE_RETRY_COUNT": _capped,
    "FLOW2API_MCP_URL_CACHE_MAX_FILE_BYTES": _megabytes,
}
"""The value of an older name, as the older program read it, in the words of the newer setting. Others mean the same."""


WITHOUT_EFFECT: Final[Mapping[str, str]] = {
    "MODELSCOPE_MAX_POLL_ATTEMPTS": "the wait is counted in seconds: set EASEL_MODELSCOPE_TIMEOUT_S",
    "MODELSCOPE_POLL_BACKOFF": "the pace is even: set EASEL_MODELSCOPE_POLL_S",
    "MODELSCOPE_MAX_POLL_INTERVAL_SECONDS": "the pace is even: set EASEL_MODELSCOPE_POLL_S",
    "MODELSCOPE_MODEL": "the default model is the default_model of EASEL_MODELS_FILE",
    "FLOW2API_MCP_CACHE_HTTP_PORT": "pictures come from the port of the calls: set EASEL_PORT, and to the same number "
    "if old links shall go on",
    "FLOW2API_MCP_HOST": "pictures come from the address of the calls: set EASEL_HOST",
}
"""Names of earlier programs that have no setting here, and what to set instead."""


def names_without_effect(env: Mapping[str, str]) -> list[str]:
    """Name each variable of an earlier program that has no effect here, with what to set instead."""
    return [f"{name} has no effect: {advice}." for name, advice in WITHOUT_EFFECT.items() if env.get(name)]


def unknown_names(env: Mapping[str, str]) -> list[str]:
    """Name each variable that looks like a setting of ours and is none, a slip of the pen, with the nearest setting."""
    known = [name for setting in SETTINGS for name in (setting.name, *setting.older)]
    strangers = sorted(name for name in env if name.startswith("EASEL_") and name not in known)
    return [f"{name} is no setting; did you mean {min(known, key=partial(_distance, name))}?" for name in strangers]


def _distance(name: str, known: str) -> float:
    return 1 - SequenceMatcher(None, name, known).ratio()
