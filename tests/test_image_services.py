"""The one tuple of image services: whatever settings can turn on is in it."""

import dataclasses
from collections.abc import Iterator

import aiohttp

from service.image_services import SKETCH, UPSTREAMS, connect, secrets_of, turned_off
from service.redaction import Redactor
from service.settings import Endpoint, Settings

KEYS = {
    "FLOW2API_API_KEY": "flow-key",
    "MODELSCOPE_API_KEY": "scope-key",
    "OPENAI_API_KEY": "open-key",
    "GEMINI_API_KEY": "gemini-key",
    "OPENROUTER_API_KEY": "router-key",
}


def endpoint_fields() -> Iterator[str]:
    """The fields of `Settings` that are the endpoint of an image service."""
    return (each.name for each in dataclasses.fields(Settings) if each.type == Endpoint | None)


def test_every_endpoint_of_the_settings_is_in_the_tuple() -> None:
    """Ours: one that is forgotten would leak its key into the log, and let `make demo` pay."""
    assert sorted(each.field for each in UPSTREAMS) == sorted(endpoint_fields())


async def test_a_service_is_on_when_its_endpoint_is_set() -> None:
    async with aiohttp.ClientSession() as session:
        for each in UPSTREAMS:
            name, key = f"{each.field.upper()}_API_KEY", KEYS[f"{each.field.upper()}_API_KEY"]
            assert list(connect(Settings.from_env({name: key}), session, Redactor())) == [each.field]
        assert list(connect(Settings.from_env(KEYS), session, Redactor())) == [each.field for each in UPSTREAMS]


async def test_the_sketch_stands_in_when_no_service_is_on() -> None:
    async with aiohttp.ClientSession() as session:
        assert list(connect(Settings.from_env({}), session, Redactor())) == [SKETCH]
        assert list(connect(turned_off(Settings.from_env(KEYS)), session, Redactor())) == [SKETCH]


def test_every_key_token_and_password_is_among_the_secrets() -> None:
    """Ours: all that settings hold and `repr` hides is never shown, stored or logged."""
    env = {"EASEL_TOKENS": "anna:secret-of-anna-0001,ben:secret-of-ben-00002", "HTTPS_PROXY": "http://me:passw0rd@h:1"}
    secrets = ["secret-of-anna-0001", "secret-of-ben-00002", *KEYS.values(), "passw0rd"]
    assert sorted(secrets_of(Settings.from_env(env | KEYS))) == sorted(secrets)
    assert secrets_of(Settings.from_env({"FLOW2API_BASE_URL": "http://127.0.0.1:1"})) == []
