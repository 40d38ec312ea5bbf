"""The words of a start to a person. How the process ends is in `test_main.py`, where it is one."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.commands.serve import greeting
from service.image_models.models import Model, Models
from service.settings import Settings
from service.upstreams.sketch import SketchUpstream
from tests.wire import TWO_TOKENS

MODELS = Models(listed=(Model(id="sketch", upstream="sketch"),), default="sketch")


def greeted(**env: str) -> str:
    settings = Settings.from_env({"EASEL_DATA_DIR": "pictures", **env})
    return greeting(settings, {"sketch": SketchUpstream()}, MODELS)


def entry_of(text: str) -> dict[str, Any]:
    """The entry that is pasted into a client, as the client reads it."""
    line = text.partition("Paste into your client:\n")[2].splitlines()[0]
    entry: dict[str, Any] = json.loads(line)["mcpServers"]["easel"]
    return entry


def test_it_says_all_that_a_newcomer_needs() -> None:
    text = greeted()
    for said in (
        "http://127.0.0.1:8866/mcp",
        "http://127.0.0.1:8866/mcp-cache/",
        "pictures",
        "sketch: built in",
        "1, default sketch",
        "Ctrl-C",
    ):
        assert said in text
    assert entry_of(text) == {"type": "streamableHttp", "url": "http://127.0.0.1:8866/mcp"}
    assert "claude mcp add --transport http easel http://127.0.0.1:8866/mcp\n" in text


def test_it_names_the_database_and_the_bucket_of_replicas_without_their_passwords() -> None:
    text = greeted(
        EASEL_DATABASE_URL="postgresql://easel:topsecret@db.example.com/easel",
        EASEL_FILES_URL="s3://pictures/easel",
        EASEL_S3_KEY_ID="key",
        EASEL_S3_SECRET_KEY="topsecret",
        EASEL_SECRET="topsecret" * 8,
    )
    assert "  Database      postgresql://db.example.com/easel\n  Bucket        s3://pictures/easel/\n" in text
    assert "topsecret" not in text


def test_clients_are_given_the_public_url() -> None:
    """Ours: behind a reverse proxy the address that we listen on is of no use to anybody else."""
    text = greeted(EASEL_PUBLIC_URL="https://easel.example.com/art/", EASEL_TOKENS="anna:topsecret-0123456789")
    assert entry_of(text)["url"] == "https://easel.example.com/art/mcp"
    assert "easel https://easel.example.com/art/mcp --header" in text
    assert "https://easel.example.com/art/mcp-cache/" in text
    assert "MCP endpoint  http://127.0.0.1:8866/mcp" in text


def test_tokens_that_were_chosen_are_never_shown() -> None:
    """Ours: the start of a service is in logs that more people read than may use it."""
    text = greeted(EASEL_TOKENS="anna:topsecret-0123456789,ben:topsecret2-0123456789", FLOW2API_API_KEY="topsecret3")
    assert "topsecret" not in text
    assert entry_of(text)["headers"] == {"Authorization": "Bearer <token>"}
    assert '--header "Authorization: Bearer <token>"' in text


def test_a_token_that_was_made_here_is_shown() -> None:
    """Ours: nobody could use it otherwise. `app.running` puts it into the settings."""
    settings = Settings.from_env({"EASEL_TOKENS": "auto"})
    settings = replace(settings, tokens={"local": "made-here"}, auto_token=True)
    text = greeting(settings, {}, MODELS)
    assert entry_of(text)["headers"] == {"Authorization": "Bearer made-here"}
    assert '--header "Authorization: Bearer made-here"' in text


@pytest.mark.parametrize(
    ("env", "noted"),
    [
        pytest.param({}, False, id="this machine only"),
        pytest.param({"EASEL_HOST": "::1"}, False, id="this machine only, IPv6"),
        pytest.param({"EASEL_HOST": "0.0.0.0", "EASEL_TOKENS": TWO_TOKENS}, True, id="the network"),
        pytest.param(
            {"EASEL_HOST": "0.0.0.0", "EASEL_TOKENS": TWO_TOKENS, "EASEL_PUBLIC_URL": "https://e.example"},
            False,
            id="the network, with a public URL",
        ),
    ],
)
def test_links_that_others_cannot_open_are_noted(env: dict[str, str], noted: bool) -> None:
    """Ours: the picture that is made and not shown is the first thing people ask about."""
    assert ("set EASEL_PUBLIC_URL" in greeted(**env)) is noted


@pytest.mark.parametrize(
    ("env", "noted"),
    [
        pytest.param({"EASEL_PUBLIC_URL": "https://e.example"}, True, id="open to all"),
        pytest.param({"EASEL_PUBLIC_URL": "https://e.example", "EASEL_TOKENS": TWO_TOKENS}, False, id="with tokens"),
        pytest.param({"EASEL_PUBLIC_URL": "http://localhost:9000"}, False, id="this machine's own URL"),
        pytest.param({}, False, id="no public URL"),
    ],
)
def test_a_proxy_that_lets_everybody_in_is_noted(env: dict[str, str], noted: bool) -> None:
    """Ours: behind a proxy on this machine we listen on loopback, and need no token to start."""
    assert ("set EASEL_TOKENS" in greeted(**env)) is noted


def test_the_image_folder_is_named_and_what_is_amiss_with_it(tmp_path: Path) -> None:
    """Ours: a wrong folder is found at the start, and not when somebody says "my photo"."""
    there, gone = str(tmp_path), str(tmp_path / "gone")
    assert "Image folder" not in greeted()
    assert f"Image folder  {there}\n" in greeted(EASEL_IMAGE_DIR=there)
    assert f"Image folder  {gone}, which is not there\n" in greeted(EASEL_IMAGE_DIR=gone)
    shared = greeted(EASEL_IMAGE_DIR=there, EASEL_TOKENS=TWO_TOKENS)
    assert f"Image folder  {there}, not used: it is one person's, and several have tokens\n" in shared
