"""The gallery as part of the whole service: its streams end with it, and it has the models of the moment."""

import asyncio
import json
from pathlib import Path

import pytest

from service import app
from tests.conftest import Serve
from tests.emulators import flow2api
from tests.gallery.visitor import visitor


async def test_an_open_page_does_not_hold_up_a_stop(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "GRACE_S", 600.0)
    async with asyncio.timeout(60), serve() as easel, visitor(easel) as anna:
        stream = await anna.http.get(f"{easel.origin}/gallery/api/events")
        assert await stream.content.readline() == b": .\n"
    stream.close()


async def test_models_are_those_of_the_file_as_it_is_now(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    file.write_text(json.dumps({"models": [{"id": "one", "about": "quick"}]}))
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key, "EASEL_MODELS_FILE": str(file)}
        async with serve(**env) as easel, visitor(easel) as anna:
            _, options = await anna.get("options")
            assert [(each["id"], each["about"]) for each in options["models"]] == [("one", "quick")]
            file.write_text(json.dumps({"models": [{"id": "one"}, {"id": "two"}]}))
            async with asyncio.timeout(60):
                while len((await anna.get("options"))[1]["models"]) < 2:  # noqa: ASYNC110 - the file is watched
                    await asyncio.sleep(0.05)
