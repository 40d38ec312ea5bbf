"""Single settings: quotes, numbers, URLs, and mistakes that are told with a value that is right."""

import pytest

from service.settings import Endpoint, Settings
from service.settings_reader import SettingsError


@pytest.mark.parametrize(
    ("written", "read"),
    [
        pytest.param('"sk-abc"', "sk-abc", id="double"),
        pytest.param("'sk-abc'", "sk-abc", id="single"),
        pytest.param(' "sk-abc " ', "sk-abc", id="and space"),
        pytest.param("\"'sk-abc'\"", "'sk-abc'", id="one pair alone"),
        pytest.param('"sk-abc', '"sk-abc', id="no pair"),
    ],
)
def test_one_pair_of_quotes_round_a_value_is_taken_off(written: str, read: str) -> None:
    """Bug: `--env-file` passes on the quotes of a file, so the key went out with them and was refused."""
    endpoint = Settings.from_env({"OPENAI_API_KEY": written, "OPENAI_BASE_URL": '"https://relay.example/v1"'}).openai
    assert endpoint == Endpoint(url="https://relay.example/v1", key=read)


def test_quotes_round_nothing_are_nothing() -> None:
    assert Settings.from_env({"EASEL_PORT": '""', "EASEL_PUBLIC_URL": "''", "EASEL_MODELS_FILE": '""'}) == (
        Settings.from_env({})
    )


@pytest.mark.parametrize(
    ("name", "written", "advice"),
    [
        ("EASEL_PUBLIC_URL", "easel.example.com", "write https://easel.example.com"),
        ("EASEL_PUBLIC_URL", "easel.example.com:8443/mcp", "write https://easel.example.com:8443/mcp"),
        ("FLOW2API_BASE_URL", "127.0.0.1:8000", "write http://127.0.0.1:8000"),
        ("FLOW2API_BASE_URL", "localhost:8000/v1", "write http://localhost:8000/v1"),
        ("FLOW2API_BASE_URL", "flow2api:8000", "write http://flow2api:8000"),
        ("FLOW2API_BASE_URL", "[::1]:8000", "write http://[::1]:8000"),
        ("OPENAI_BASE_URL", "api.openai.com/v1", "write https://api.openai.com/v1"),
        ("FLOW2API_BASE_URL", "file:///etc", "is not a URL such as http://127.0.0.1:8000"),
        ("OPENAI_BASE_URL", "https:/api.openai.com", "is not a URL such as https://api.openai.com"),
        ("MODELSCOPE_BASE_URL", "https://", "is not a URL such as https://api-inference.modelscope.cn"),
        ("EASEL_PUBLIC_URL", "https://a b.example", "is not a URL such as https://pictures.example.com"),
        (
            "OPENAI_BASE_URL",
            "https://me.openai.azure.com/openai/deployments/image?api-version=2025-04-01-preview",
            "for Azure OpenAI write https://me.openai.azure.com/openai/v1, which needs no api-version",
        ),
        ("OPENAI_BASE_URL", "https://relay.example/v1?key=topsecret", "write https://relay.example/v1"),
        ("EASEL_PUBLIC_URL", "https://pictures.example.com/#top", "write https://pictures.example.com/"),
    ],
)
def test_a_url_that_cannot_be_used_is_told_with_one_that_can(name: str, written: str, advice: str) -> None:
    """Bug: every one of them was answered with "is not a URL such as https://pictures.example.com"."""
    with pytest.raises(SettingsError) as stopped:
        Settings.from_env({name: written})
    assert str(stopped.value).endswith(advice)
    assert "topsecret" not in str(stopped.value)
