"""The settings of one process, read from its environment and frozen at start.

`Settings.from_env` is pure: it takes a mapping and reads nothing else. `settings_reader.py` reads the single values.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from service.authorization import ISSUER, JWKS_URL, OAuth, OAuthError, read_oauth
from service.bounds.limits import LIMITS, Allowances, LimitsError, read_exceptions, read_pair
from service.hosts import Network, Origins, Proxies, is_loopback, read_hosts, read_networks
from service.routes import PICTURES, RESERVED, UPLOADS
from service.settings_reader import BY_NAME, SettingsError, SettingsReader, shown
from service.settings_table import LARGEST_FILE_MB, MOST_RETRIES, USUAL_ROOTS
from service.storage_urls import S3, DatabaseUrl, StorageUrlError, read_database, read_listen, read_s3
from service.tokens import read_pairs


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """The address of an image service, as the person wrote it, and the key that goes to its origin and nowhere else."""

    url: str
    key: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Limits of waiting for an image service, in seconds, so that one that hangs ends as a failure."""

    connect_s: float = 10.0
    silence_s: float = 300.0
    """Between two signs of life. Flow2API sends nothing while Google draws and enlarges, for minutes."""
    total_s: float = 600.0
    download_s: float = 120.0
    appear_s: float = 12.0
    """Until a picture must have appeared at the URL that the service has just given."""
    linger_s: float = 10.0
    """After an answer that holds a picture and says that it is finished, but whose connection stays open."""


TIMEOUTS: Final = Timeouts()


class Limits(NamedTuple):
    """Limits of the picture store: files and bytes of all owners and of each, and days of age; 0 is no limit."""

    entries: int = 0
    size: int = 0
    owner_entries: int = 0
    owner_size: int = 0
    days: int = 0


AUTO: Final = "auto"
"""As EASEL_TOKENS: one token, derived from the secret of the data folder and shown at the start."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one process. An upstream is on when its endpoint is set."""

    host: str
    port: int
    path: str
    public_url: str
    allowed_hosts: tuple[str, ...]
    allowed_origins: Origins
    trusted_proxies: tuple[Network, ...]
    tokens: Mapping[str, str] = field(repr=False)
    auto_token: bool
    tokens_file: Path | None
    show_costs: bool
    key_in_url: bool
    oauth: OAuth | None
    data_dir: Path
    secret: str = field(repr=False)
    secret_file: Path | None
    database: DatabaseUrl | None
    listen: DatabaseUrl | None
    s3: S3 | None
    image_dir: Path | None
    models_file: Path
    flow2api: Endpoint | None
    openai: Endpoint | None
    openai_async: str
    gemini: Endpoint | None
    openrouter: Endpoint | None
    modelscope: Endpoint | None
    modelscope_poll_s: float
    modelscope_timeout_s: float
    timeouts: Timeouts
    decode_memory_bytes: int
    decode_s: float
    drain_s: float
    retries: int
    prompt_suffix: str
    cache: bool
    max_file_bytes: int
    hot_bytes: int
    in_flight_bytes: int
    profiles: str
    limits: Limits
    allowances: Allowances
    history_recent: int
    history_archive: int
    log_level: str
    log_format: str
    proxies: Proxies
    notes: tuple[str, ...]
    """Sentences for the person who starts the service: values that were mended, or that cannot be followed."""

    stored_tokens: bool = False
    """True where the data folder has tokens of `token add`; nothing of the environment says so."""

    is_own_use: bool = False
    """True for a service that only the process which started it uses: no token of the data folder counts."""

    @property
    def origin(self) -> str:
        """The URL under which a service with these settings is reached on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared with, not listened on
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def reached_at(self) -> str:
        """The URL by which people reach the service, without a slash at its end."""
        return self.public_url or self.origin

    @property
    def cdn_url(self) -> str:
        """The beginning of links to pictures at a CDN, with a slash at its end; empty where none is set."""
        return f"{self.s3.public_url}/" if self.s3 is not None and self.s3.public_url else ""

    def without_tokens(self) -> "Settings":
        """Return the settings of a service that only this process uses: requests need no token."""
        return replace(
            self, tokens={}, auto_token=False, tokens_file=None, oauth=None, stored_tokens=False, is_own_use=True
        )

    @property
    def needs_token(self) -> bool:
        """True where requests must bring a token."""
        return bool(self.tokens or self.auto_token or self.tokens_file or self.oauth or self.stored_tokens)

    @property
    def several_owners(self) -> bool:
        """True where several people may have a history here."""
        return bool(len(self.tokens) > 1 or self.tokens_file or self.oauth)

    def check_exposure(self) -> None:
        """Raise `SettingsError` where others than this machine's programs could call without a token."""
        if not self.needs_token and not is_loopback(self.host):
            raise SettingsError(
                "EASEL_TOKENS",
                f"must be set to listen on {self.host}, beyond this machine: write name:token pairs such as "
                "alice:<a long random word>, or auto for one made here, or run `token add NAME`, or leave EASEL_HOST "
                "at 127.0.0.1",
            )

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Read a mapping of names to values. Raise `SettingsError` for a value that cannot be used."""
        read = _Reader(env)
        host, path = read.text("EASEL_HOST").strip("[]"), read.text("EASEL_PATH")
        if not re.fullmatch(r"(/[A-Za-z0-9_.~-]+)+", path) or path.startswith(RESERVED):
            raise read.error("EASEL_PATH", f"{path!r} cannot be a path; write one such as /mcp")
        auto_token = read.text("EASEL_TOKENS").lower() == AUTO
        public_url = read.public_url(path)
        return cls(
            host=host,
            port=read.number("EASEL_PORT", 0, 65535),
            path=path,
            public_url=public_url,
            allowed_hosts=read.words("EASEL_ALLOWED_HOSTS", read_hosts),
            allowed_origins=read.words("EASEL_ALLOWED_ORIGINS", Origins.read),
            trusted_proxies=read.words("EASEL_TRUSTED_PROXIES", read_networks),
            tokens={} if auto_token else read.words("EASEL_TOKENS", read_pairs),
            auto_token=auto_token,
            tokens_file=read.path("EASEL_TOKENS_FILE") if read.text("EASEL_TOKENS_FILE") else None,
            show_costs=read.choice("EASEL_SHOW_COSTS", ("off", "on")) == "on",
            key_in_url=read.choice("EASEL_KEY_IN_URL", ("off", "on")) == "on",
            oauth=read.oauth(public_url),
            data_dir=read.path("EASEL_DATA_DIR"),
            secret=read.text("EASEL_SECRET"),
            secret_file=read.secret_file(),
            database=read.database(read_database),
            listen=read.database(read_listen),
            s3=read.s3(),
            image_dir=read.path("EASEL_IMAGE_DIR") if read.text("EASEL_IMAGE_DIR") else None,
            models_file=read.models_file(),
            flow2api=read.endpoint("FLOW2API"),
            openai=read.endpoint("OPENAI"),
            openrouter=read.endpoint("OPENROUTER"),
            openai_async=read.choice("OPENAI_ASYNC", ("off", "async", "tasks")),
            gemini=read.endpoint("GEMINI"),
            modelscope=read.endpoint("MODELSCOPE"),
            modelscope_poll_s=read.seconds("EASEL_MODELSCOPE_POLL_S", 0.01, 60),
            modelscope_timeout_s=read.seconds("EASEL_MODELSCOPE_TIMEOUT_S", 0.01, 3600),
            timeouts=read.timeouts(),
            decode_memory_bytes=read.number("EASEL_DECODE_MEMORY_MB", 256, 16_000) * 1_000_000,
            decode_s=read.seconds("EASEL_DECODE_S", 1, 600),
            drain_s=read.seconds("EASEL_DRAIN_S", 0, 3600),
            retries=read.number("EASEL_RETRIES", 0, MOST_RETRIES),
            prompt_suffix=read.text("EASEL_PROMPT_SUFFIX"),
            cache=read.choice("EASEL_CACHE", ("0", "1")) == "1",
            max_file_bytes=read.number("EASEL_CACHE_MAX_FILE_MB", 1, LARGEST_FILE_MB) * 1_000_000,
            in_flight_bytes=read.number("EASEL_IN_FLIGHT_MB", 1, 1_000_000) * 1_000_000,
            hot_bytes=read.number("EASEL_HOT_PICTURES_MB", 0, 100_000) * 1_000_000,
            profiles=read.text("EASEL_PROFILES"),
            limits=read.limits(),
            allowances=read.allowances(),
            history_recent=read.number("EASEL_HISTORY_RECENT", 1, 1_000_000),
            history_archive=read.number("EASEL_HISTORY_ARCHIVE", 0, 999_999_999),
            log_level=read.choice("EASEL_LOG", ("debug", "info", "warning", "error")),
            log_format=read.choice("EASEL_LOG_FORMAT", ("text", "json")),
            proxies=read.proxies(),
            notes=tuple(read.notes),
        )


class _Reader(SettingsReader):
    """Reads the settings that have a form of their own."""

    def public_url(self, path: str) -> str:
        """Return the public URL; one of the endpoint or of the pictures is mended, with a note."""
        url = self.url("EASEL_PUBLIC_URL")
        for end in (path, "/mcp", PICTURES.path.rstrip("/"), UPLOADS.path.rstrip("/")):
            if url.endswith(end):
                mended = url.removesuffix(end).rstrip("/")
                self.notes.append(f"{self.written('EASEL_PUBLIC_URL')} should end before {end}; {mended} is used.")
                return mended
        return url

    def oauth(self, public_url: str) -> OAuth | None:
        """Return the authorization server whose access tokens are taken; None where none is set."""
        for name in (ISSUER, JWKS_URL):
            self.url(name)  # its form alone: an issuer is compared as it was written, with a slash at its end
        try:
            return read_oauth(self.text, public_url)
        except OAuthError as error:
            raise self.error(error.setting, str(error)) from error

    def proxies(self) -> Proxies:
        """Return the proxies; one that cannot be followed is left out, with a note."""
        exceptions = self.words("NO_PROXY", tuple)
        return Proxies(http=self._proxy("HTTP_PROXY"), https=self._proxy("HTTPS_PROXY"), exceptions=exceptions)

    def _proxy(self, name: str) -> str:
        text = self.text(name)
        url = text if "://" in text or not text else f"http://{text}"
        try:
            parts = urlsplit(url)
            sound = not url or (parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1))
        except ValueError:
            sound = False
        if sound:
            return url
        socks = " of its HTTP side" if url.lower().startswith("socks") else ""
        self.notes.append(
            f"{self.written(name)} is not followed: {shown(url)!r} is no HTTP proxy. Set the address{socks}, "
            f"such as {BY_NAME[name].example}."
        )
        return ""

    def endpoint(self, service: str) -> Endpoint | None:
        """Return an image service by what the names of its base URL and its key begin with; either turns it on."""
        base, key = f"{service}_BASE_URL", f"{service}_API_KEY"
        url, secret = self.url(base), self.text(key)
        if not url and not secret:
            return None
        if not secret.isascii() or any(character.isspace() for character in secret):
            raise self.error(key, "must be one word of plain characters, without Bearer before it")
        return Endpoint(url=url or USUAL_ROOTS[service], key=secret)

    def secret_file(self) -> Path | None:
        """Return the file that holds the secret; None where the secret itself is set, or comes from the data folder."""
        if not self.text("EASEL_SECRET_FILE"):
            return None
        if self.text("EASEL_SECRET"):
            raise self.error("EASEL_SECRET_FILE", "names a second secret beside EASEL_SECRET: set one of the two")
        return self.path("EASEL_SECRET_FILE")

    def database(self, read: Callable[[Callable[[str], str]], DatabaseUrl | None]) -> DatabaseUrl | None:
        """Return the database of the records, or the other way to it; None where it is not set."""
        try:
            return read(self.text)
        except StorageUrlError as error:
            raise self.error(error.setting, str(error)) from error

    def s3(self) -> S3 | None:
        """Return the folder of a bucket where pictures are kept; None for the data folder."""
        try:
            return read_s3(self.text, self.url)
        except StorageUrlError as error:
            raise self.error(error.setting, str(error)) from error

    def timeouts(self) -> Timeouts:
        return Timeouts(
            connect_s=self.seconds("EASEL_CONNECT_TIMEOUT_S", 0.01, 600),
            silence_s=self.seconds("EASEL_UPSTREAM_SILENCE_S", 0.01, 3600),
            total_s=self.seconds("EASEL_UPSTREAM_TIMEOUT_S", 0.01, 3600),
            download_s=self.seconds("EASEL_DOWNLOAD_TIMEOUT_S", 0.01, 3600),
        )

    def limits(self) -> Limits:
        return Limits(
            entries=self.number("EASEL_CACHE_MAX_ENTRIES", 0, 999_999_999),
            size=self.number("EASEL_CACHE_MAX_MB", 0, 999_999_999) * 1_000_000,
            owner_entries=self.number("EASEL_CACHE_OWNER_MAX_ENTRIES", 0, 999_999_999),
            owner_size=self.number("EASEL_CACHE_OWNER_MAX_MB", 0, 999_999_999) * 1_000_000,
            days=self.number("EASEL_CACHE_MAX_DAYS", 0, 36_500),
        )

    def allowances(self) -> Allowances:
        """Return the limits of work and of connections; each part is as it was set, or at its default."""
        name = ""
        try:
            pairs = {limit.name: read_pair(limit, self.text(name := limit.setting)) for limit in LIMITS}
            exceptions = read_exceptions(self.text(name := "EASEL_LIMITS"))
        except LimitsError as error:
            raise self.error(name, str(error)) from error
        free = self.number("EASEL_DISK_FREE_MB", 0, 999_999_999) * 1_000_000
        return Allowances(pairs=pairs, exceptions=exceptions, free_bytes=free)

    def models_file(self) -> Path:
        """Return the named file, else the one beside this module, wherever the process was started."""
        if self._env.get("EASEL_MODELS_FILE"):
            return self.path("EASEL_MODELS_FILE")
        return Path(__file__).parent / "models.json"
