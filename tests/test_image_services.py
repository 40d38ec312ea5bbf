"""The one tuple of image services: whatever settings can turn on is in it."""

import dataclasses
from collections.abc import Iterator

import aiohttp

from service.image_services import UPSTREAMS, connect, keys, turned_off
from service.settings import Endpoint, Settings

KEYS = {"FLOW2API_API_KEY": "flow-key", "MODELSCOPE_API_KEY": "scope-key", "OPENAI_API_KEY": "open-key"}


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
            assert list(connect(Settings.from_env({name: key}), session)) == [each.field]
        assert list(connect(Settings.from_env(KEYS), session)) == [each.field for each in UPSTREAMS]


async def test_the_sketch_stands_in_when_no_service_is_on() -> None:
    async with aiohttp.ClientSession() as session:
        assert list(connect(Settings.from_env({}), session)) == ["sketch"]
        assert list(connect(turned_off(Settings.from_env(KEYS)), session)) == ["sketch"]


def test_every_key_is_among_the_secrets() -> None:
    assert sorted(keys(Settings.from_env(KEYS))) == sorted(KEYS.values())
    assert keys(Settings.from_env({"FLOW2API_BASE_URL": "http://127.0.0.1:1"})) == []
