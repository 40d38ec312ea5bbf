"""Settings: read from a mapping, frozen, and each mistake names the setting as it was written."""

from dataclasses import replace
from pathlib import Path

import pytest

from service.hosts import Proxies
from service.settings import (
    TIMEOUTS,
    Endpoint,
    Limits,
    Settings,
    Timeouts,
)
from service.settings_reader import SettingsError


def test_with_nothing_set_it_listens_on_loopback_and_reaches_nothing() -> None:
    settings = Settings.from_env({})
    assert (settings.host, settings.port, settings.path) == ("127.0.0.1", 8866, "/mcp")
    assert settings.flow2api is None
    assert settings.data_dir == Path("data")
    assert settings.models_file.is_file()


def test_an_empty_value_counts_as_not_set() -> None:
    """Ours: compose files and `.env` templates leave names empty."""
    assert Settings.from_env({"EASEL_PORT": " ", "EASEL_TOKENS": ""}) == Settings.from_env({})


@pytest.mark.parametrize(
    ("env", "endpoint"),
    [
        pytest.param({"FLOW2API_API_KEY": "han1234"}, Endpoint(url="http://127.0.0.1:8000", key="han1234"), id="key"),
        pytest.param(
            {"FLOW2API_BASE_URL": "http://pod:8000/v1/"}, Endpoint(url="http://pod:8000/v1", key=""), id="URL"
        ),
    ],
)
def test_flow2api_is_on_with_a_key_or_a_url(env: dict[str, str], endpoint: Endpoint) -> None:
    assert Settings.from_env(env).flow2api == endpoint


@pytest.mark.parametrize(
    ("env", "endpoint"),
    [
        pytest.param({"OPENAI_API_KEY": "sk-1"}, Endpoint(url="https://api.openai.com/v1", key="sk-1"), id="key"),
        pytest.param(
            {"OPENAI_BASE_URL": "https://relay.example"}, Endpoint(url="https://relay.example", key=""), id="URL"
        ),
        pytest.param({}, None, id="neither"),
    ],
)
def test_the_images_api_is_on_with_a_key_or_a_url(env: dict[str, str], endpoint: Endpoint | None) -> None:
    assert Settings.from_env(env).openai == endpoint


@pytest.mark.parametrize(
    "name",
    [
        "EASEL_IMAGE_DIR",
        "FLOW2API_MCP_IMAGE_DIR",
        "FLOW2API_MCP_CHERRYSTUDIO_FILES_DIR",
        "FLOW2API_MCP_LOCAL_FILES_ROOT",
    ],
)
def test_the_image_folder_goes_by_every_name_that_it_ever_had(name: str) -> None:
    """Ours: a folder that is not there yet is no mistake, since Cherry Studio makes it with the first attachment."""
    assert Settings.from_env({name: "/nowhere/Data/Files"}).image_dir == Path("/nowhere/Data/Files")
    assert Settings.from_env({name: " "}).image_dir is None
    assert Settings.from_env({name: "~/Files"}).image_dir == Path.home() / "Files"


def test_every_wait_can_be_set() -> None:
    """Ours: some services take longer than any number that we could choose."""
    env = {
        "EASEL_CONNECT_TIMEOUT_S": "1",
        "EASEL_UPSTREAM_SILENCE_S": "2.5",
        "EASEL_UPSTREAM_TIMEOUT_S": "900",
        "EASEL_DOWNLOAD_TIMEOUT_S": "4",
    }
    assert Settings.from_env(env).timeouts == Timeouts(connect_s=1, silence_s=2.5, total_s=900, download_s=4)
    assert Settings.from_env({}).timeouts == TIMEOUTS


def test_how_much_is_kept_can_be_set() -> None:
    """Ours: 2,000 pictures of 5 MB take 10 GB; beyond either limit the oldest go, so that no disk fills unseen."""
    usual = Settings.from_env({})
    assert usual.limits == Limits(entries=2000, size=10_000_000_000, days=0)
    assert (usual.history_recent, usual.history_archive) == (50, 0)
    env = {
        "EASEL_HISTORY_RECENT": "20",
        "EASEL_HISTORY_ARCHIVE": "100",
        "EASEL_CACHE_MAX_ENTRIES": "0",
        "EASEL_CACHE_MAX_MB": "2",
        "EASEL_CACHE_MAX_DAYS": "30",
    }
    chosen = Settings.from_env(env)
    assert chosen.limits == Limits(entries=0, size=2_000_000, days=30)
    assert (chosen.history_recent, chosen.history_archive) == (20, 100)


@pytest.mark.parametrize(
    ("env", "name"),
    [
        pytest.param({"OPENAI_API_KEY": "Bearer sk-1"}, "OPENAI_API_KEY", id="OpenAI key with Bearer"),
        pytest.param({"EASEL_UPSTREAM_TIMEOUT_S": "0"}, "EASEL_UPSTREAM_TIMEOUT_S", id="no time at all"),
        pytest.param({"EASEL_UPSTREAM_SILENCE_S": "5m"}, "EASEL_UPSTREAM_SILENCE_S", id="minutes"),
        pytest.param({"EASEL_PORT": "http"}, "EASEL_PORT", id="port is a word"),
        pytest.param({"EASEL_PORT": "65536"}, "EASEL_PORT", id="port too large"),
        pytest.param({"EASEL_PORT": "-1"}, "EASEL_PORT", id="port below 0"),
        pytest.param({"EASEL_PORT": "٣"}, "EASEL_PORT", id="digits of another script"),
        pytest.param({"EASEL_PATH": "mcp"}, "EASEL_PATH", id="path without a slash"),
        pytest.param({"EASEL_PATH": "/mcp-cache/x"}, "EASEL_PATH", id="path of the pictures"),
        pytest.param({"EASEL_PATH": "/a/../b{c}"}, "EASEL_PATH", id="path that is a pattern"),
        pytest.param({"EASEL_PUBLIC_URL": "easel.example.com"}, "EASEL_PUBLIC_URL", id="URL without a scheme"),
        pytest.param({"EASEL_PUBLIC_URL": "https://e.example/?a=1"}, "EASEL_PUBLIC_URL", id="URL with a query"),
        pytest.param({"EASEL_PUBLIC_URL": "https://e.example:99999"}, "EASEL_PUBLIC_URL", id="URL with no port"),
        pytest.param(
            {"FLOW2API_MCP_EXTERNAL_URL_PREFIX": "ftp://e.example"}, "FLOW2API_MCP_EXTERNAL_URL_PREFIX", id="older name"
        ),
        pytest.param({"FLOW2API_BASE_URL": "file:///etc"}, "FLOW2API_BASE_URL", id="upstream with another scheme"),
        pytest.param({"FLOW2API_API_KEY": "Bearer abc"}, "FLOW2API_API_KEY", id="key with Bearer"),
        pytest.param({"EASEL_TOKENS": "justatoken"}, "EASEL_TOKENS", id="token without a name"),
        pytest.param({"EASEL_TOKENS": "a:"}, "EASEL_TOKENS", id="name without a token"),
        pytest.param({"EASEL_TOKENS": "a b:0123456789abcdef"}, "EASEL_TOKENS", id="space in a name"),
        pytest.param({"EASEL_TOKENS": "a:0123456789abcdef,a:fedcba9876543210"}, "EASEL_TOKENS", id="name twice"),
        pytest.param({"EASEL_TOKENS": "a:0123456789abcdef,b:0123456789abcdef"}, "EASEL_TOKENS", id="token twice"),
        pytest.param({"MODELSCOPE_SDK_TOKEN": "Bearer ms-1"}, "MODELSCOPE_SDK_TOKEN", id="token with Bearer"),
        pytest.param({"EASEL_MODELSCOPE_POLL_S": "0"}, "EASEL_MODELSCOPE_POLL_S", id="polls without a pause"),
        pytest.param({"EASEL_MODELSCOPE_TIMEOUT_S": "1e3"}, "EASEL_MODELSCOPE_TIMEOUT_S", id="seconds as a power"),
        pytest.param({"EASEL_RETRIES": "many"}, "EASEL_RETRIES", id="retries"),
        pytest.param({"FLOW2API_MCP_GENERATE_RETRY_COUNT": "x"}, "FLOW2API_MCP_GENERATE_RETRY_COUNT", id="older"),
        pytest.param({"EASEL_CACHE_MAX_FILE_MB": "0"}, "EASEL_CACHE_MAX_FILE_MB", id="file size"),
        pytest.param({"EASEL_HISTORY_RECENT": "0"}, "EASEL_HISTORY_RECENT", id="nothing is recent"),
        pytest.param({"FLOW2API_MCP_HISTORY_ARCHIVE_SIZE": "all"}, "FLOW2API_MCP_HISTORY_ARCHIVE_SIZE", id="archive"),
        pytest.param({"EASEL_CACHE_MAX_ENTRIES": "-1"}, "EASEL_CACHE_MAX_ENTRIES", id="fewer than no pictures"),
        pytest.param({"EASEL_CACHE_MAX_MB": "1.5"}, "EASEL_CACHE_MAX_MB", id="part of a megabyte"),
        pytest.param({"EASEL_CACHE_MAX_DAYS": "1 week"}, "EASEL_CACHE_MAX_DAYS", id="a week"),
        pytest.param({"EASEL_LOG": "loud"}, "EASEL_LOG", id="log level"),
        pytest.param({"EASEL_LOG_FORMAT": "xml"}, "EASEL_LOG_FORMAT", id="log format"),
        pytest.param({"EASEL_TOKENS": "a:0123456789abcde"}, "EASEL_TOKENS", id="a token of 15 characters"),
        pytest.param({"EASEL_TOKENS": "a:sha256:12ab"}, "EASEL_TOKENS", id="half a digest"),
        pytest.param({"EASEL_KEY_IN_URL": "yes"}, "EASEL_KEY_IN_URL", id="neither on nor off"),
        pytest.param({"EASEL_TOKENS_FILE": "~nobody-of-this-name"}, "EASEL_TOKENS_FILE", id="nobody's tokens"),
        pytest.param({"EASEL_ALLOWED_HOSTS": "https://e.example"}, "EASEL_ALLOWED_HOSTS", id="a URL as a host"),
        pytest.param({"EASEL_ALLOWED_HOSTS": "e.example:8866"}, "EASEL_ALLOWED_HOSTS", id="a host with a port"),
        pytest.param({"EASEL_ALLOWED_HOSTS": "*.e.example"}, "EASEL_ALLOWED_HOSTS", id="every host"),
        pytest.param({"EASEL_ALLOWED_ORIGINS": "localhost:6274"}, "EASEL_ALLOWED_ORIGINS", id="no origin"),
        pytest.param({"EASEL_ALLOWED_ORIGINS": "http://e.example/page"}, "EASEL_ALLOWED_ORIGINS", id="a page"),
        pytest.param({"EASEL_ALLOWED_ORIGINS": "https:"}, "EASEL_ALLOWED_ORIGINS", id="every page"),
        pytest.param({"EASEL_ALLOWED_ORIGINS": "*"}, "EASEL_ALLOWED_ORIGINS", id="every origin"),
        pytest.param({"EASEL_ALLOWED_ORIGINS": "null"}, "EASEL_ALLOWED_ORIGINS", id="every sandboxed frame"),
        pytest.param({"EASEL_TRUSTED_PROXIES": "nginx"}, "EASEL_TRUSTED_PROXIES", id="a proxy by its name"),
        pytest.param({"EASEL_TRUSTED_PROXIES": "10.0.0.0/33"}, "EASEL_TRUSTED_PROXIES", id="a network of 33 bits"),
        pytest.param({"EASEL_IMAGE_DIR": "~nobody-of-this-name/files"}, "EASEL_IMAGE_DIR", id="nobody's image folder"),
        pytest.param({"EASEL_DATA_DIR": "~nobody-of-this-name"}, "EASEL_DATA_DIR", id="nobody's data folder"),
        pytest.param({"EASEL_MODELS_FILE": "~nobody-of-this-name/m"}, "EASEL_MODELS_FILE", id="nobody's models"),
    ],
)
def test_a_value_that_cannot_be_used_stops_the_start_and_names_itself(env: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsError) as stopped:
        Settings.from_env(env)
    assert stopped.value.name == name
    assert str(stopped.value).startswith(f"{name}: ")
    assert "\n" not in str(stopped.value)


@pytest.mark.parametrize(
    "env",
    [
        {"EASEL_TOKENS": "anna:topsecret-0123456789,anna:topsecret-0123456789"},
        {"EASEL_PUBLIC_URL": "https://u:topsecret@e.example"},
    ],
)
def test_no_mistake_shows_a_secret(env: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as stopped:
        Settings.from_env(env)
    assert "topsecret" not in str(stopped.value)


def test_what_is_said_of_clients_is_kept_as_it_was_written() -> None:
    """Ours: `service/profiles.py` knows the clients and reads it."""
    assert Settings.from_env({}).profiles == ""
    assert Settings.from_env({"EASEL_PROFILES": " *:links=on "}).profiles == "*:links=on"


def test_the_settings_show_no_secret() -> None:
    settings = Settings.from_env({"EASEL_TOKENS": "anna:topsecret-0123456789", "FLOW2API_API_KEY": "topsecret"})
    assert "topsecret" not in repr(settings)


@pytest.mark.parametrize("name", ["MODELSCOPE_API_KEY", "MODELSCOPE_SDK_TOKEN"])
def test_modelscope_is_on_with_a_token_under_either_name(name: str) -> None:
    """Ours: older releases of ModelScope Image MCP read the second."""
    settings = Settings.from_env({name: "ms-1"})
    assert settings.modelscope == Endpoint(url="https://api-inference.modelscope.cn/v1", key="ms-1")
    assert (settings.modelscope_poll_s, settings.modelscope_timeout_s) == (5, 150)
    assert Settings.from_env({}).modelscope is None


def test_seconds_may_have_a_fraction() -> None:
    assert Settings.from_env({"EASEL_MODELSCOPE_POLL_S": "2.5"}).modelscope_poll_s == 2.5


def test_with_tokens_it_may_listen_anywhere() -> None:
    tokens = {"anna": "0123456789abcdef", "ben": "fedcba9876543210", "c.d-e_f": "z:0123456789abcdef"}
    written = "anna:0123456789abcdef, ben:fedcba9876543210\nc.d-e_f:z:0123456789abcdef"
    assert Settings.from_env({"EASEL_HOST": "0.0.0.0", "EASEL_TOKENS": written}).tokens == tokens
    assert Settings.from_env({"EASEL_HOST": "0.0.0.0", "EASEL_TOKENS_FILE": "tokens.txt"}).tokens == {}


@pytest.mark.parametrize(
    ("written", "path", "mended"),
    [
        ("https://easel.example.com/mcp", "/mcp", "https://easel.example.com"),
        ("https://easel.example.com/mcp/", "/mcp", "https://easel.example.com"),
        ("https://example.com/easel/mcp", "/mcp", "https://example.com/easel"),
        ("https://easel.example.com/tools", "/tools", "https://easel.example.com"),
        ("http://10.0.0.7:8866/mcp-cache/", "/mcp", "http://10.0.0.7:8866"),
    ],
)
def test_a_public_url_of_the_endpoint_is_mended_with_a_word(written: str, path: str, mended: str) -> None:
    """Bug: it is the address that people know, and with it no link to a picture opened."""
    settings = Settings.from_env({"EASEL_PUBLIC_URL": written, "EASEL_PATH": path})
    assert settings.public_url == mended
    [note] = settings.notes
    assert note.startswith("EASEL_PUBLIC_URL ")
    assert note.endswith(f"; {mended} is used.")


@pytest.mark.parametrize(
    ("env", "proxies"),
    [
        pytest.param({}, Proxies(), id="none"),
        pytest.param(
            {"HTTP_PROXY": "http://a:3128", "HTTPS_PROXY": "http://b:3128", "NO_PROXY": "lan, 10.0.0.0/8"},
            Proxies(http="http://a:3128", https="http://b:3128", exceptions=("lan", "10.0.0.0/8")),
            id="capitals",
        ),
        pytest.param(
            {"http_proxy": "a:3128", "https_proxy": "b:3128", "no_proxy": "*"},
            Proxies(http="http://a:3128", https="http://b:3128", exceptions=("*",)),
            id="small letters and no scheme",
        ),
    ],
)
def test_proxies_go_by_their_usual_names(env: dict[str, str], proxies: Proxies) -> None:
    settings = Settings.from_env(env)
    assert settings.proxies == proxies
    assert not settings.notes


def test_a_proxy_that_cannot_be_followed_is_told_and_stops_nothing() -> None:
    """Ours: it was set for other programs; a Flow2API on this machine needs none."""
    settings = Settings.from_env(
        {"https_proxy": "socks5://me:topsecret@127.0.0.1:7891", "HTTP_PROXY": "http://[nonsense"}
    )
    assert settings.proxies == Proxies()
    assert settings.notes == (
        "HTTP_PROXY is not followed: 'http://[nonsense' is no HTTP proxy. Set the address, such as "
        "http://127.0.0.1:7890.",
        "https_proxy is not followed: 'socks5://…@127.0.0.1:7891' is no HTTP proxy. Set the address of its HTTP side, "
        "such as http://127.0.0.1:7890.",
    )


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("0.0.0.0", id="beyond loopback"),
        pytest.param("::", id="beyond loopback, IPv6"),
        pytest.param("example.com", id="a name that may be anything"),
    ],
)
def test_only_tokens_open_a_service_beyond_this_machine(host: str) -> None:
    """Ours: also those that stand in the data folder alone, which the environment does not tell of."""
    settings = Settings.from_env({"EASEL_HOST": host})
    with pytest.raises(SettingsError, match=r"EASEL_TOKENS: must be set to listen on .*`token add NAME`"):
        settings.check_exposure()
    replace(settings, stored_tokens=True).check_exposure()
    with pytest.raises(SettingsError):
        replace(settings, stored_tokens=True).without_tokens().check_exposure()
