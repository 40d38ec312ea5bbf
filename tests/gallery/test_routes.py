"""The data of the gallery, over HTTP: the history, changes, downloads, and what belongs to somebody else."""

import asyncio
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from service.storage.sqlite.store import SqliteStore
from tests.conftest import Serve
from tests.emulators.pictures import png
from tests.gallery.visitor import OURS, Visitor, visitor
from tests.seeded_history import SeededHistory, seeded_history
from tests.two_owners import TOKENS, two_owners

MADE = {"history_id", "state", "model", "prompt", "parameters", "created_at", "finished_at", "failure", "pictures"}


def name_of(number: int) -> str:
    return f"{number:032x}.png"


async def seeded(history: SeededHistory, count: int) -> None:
    for number in range(1, count + 1):
        await history.add(f"fox number {number}", name_of(number))


async def test_the_history_comes_page_by_page_newest_first(serve: Serve, tmp_path: Path) -> None:
    async with serve() as easel, visitor(easel) as anna:
        async with seeded_history(tmp_path / "data") as history:
            await seeded(history, 5)
        status, first = await anna.get("jobs?limit=2")
        assert status == 200
        assert [each["history_id"] for each in first["jobs"]] == [5, 4]
        assert (first["next"], first["total"]) == (4, 5)
        assert set(first["jobs"][0]) >= MADE
        rest = (await anna.get("jobs?limit=3&before=4"))[1]
        assert ([each["history_id"] for each in rest["jobs"]], rest["next"]) == ([3, 2, 1], None)


async def test_the_search_is_that_of_the_history_with_more_filters(serve: Serve) -> None:
    async with two_owners(serve) as both, visitor(both.easel, TOKENS["anna"]) as anna:
        fox = await anna.draw("a red fox")
        await anna.draw("a boat")
        await anna.draw("the fox by night", history_id=fox["history_id"])

        async def found(query: str) -> list[int]:
            return [each["history_id"] for each in (await anna.get(f"jobs?{query}"))[1]["jobs"]]

        assert await found("query=fox") == [3, 1]
        assert await found("parents=yes") == [3]
        assert await found("parents=no") == [2, 1]
        assert await found("query=fox&parents=no") == [1]
        assert await found("state=failed") == []
        assert await found("from=2000-01-01&to=2000-01-02") == []
        assert await found("from=2000-01-01") == [3, 2, 1]
        _, job = await anna.get("jobs/1")
        assert job["children"] == [{"history_id": 3, "picture": 1}]
        assert (await anna.get("jobs/3"))[1]["parents"] == [{"history_id": 1, "picture": 1}]


async def test_a_broken_query_is_answered_with_a_sentence(serve: Serve) -> None:
    async with serve() as easel, visitor(easel) as anna:
        status, answer = await anna.get("jobs?state=xyz")
    assert status == 400
    assert answer["error"]["kind"] == "bad_query"
    assert answer["error"]["field"] == "state"
    assert answer["error"]["message"].endswith("it can be working, done, failed.")


async def test_anothers_entry_is_the_same_404_as_one_that_never_was(serve: Serve) -> None:
    async with two_owners(serve) as both:
        async with visitor(both.easel, TOKENS["anna"]) as anna, visitor(both.easel, TOKENS["ben"]) as ben:
            await anna.draw("a fox")
            for path in ("jobs/{}", "download/{}/1"):
                assert (await anna.get(path.format(2)))[0] == 404
                assert await ben.get(path.format(1)) == await ben.get(path.format(2))
            for path, body in (
                ("jobs/{}/cancel", {}),
                ("jobs/{}/restore", {}),
                ("delete", {"history_ids": ["{}"]}),
                ("zip", {"pictures": [{"history_id": "{}", "picture": 1}]}),
            ):
                answers = [await ben.post(path.format(id_), _with(body, id_)) for id_ in (1, 2)]
                assert answers[0] == answers[1]
                assert answers[0][0] == 404
            status, refused = await ben.post("generate", {"prompt": "p", "history_id": 1})
            assert (status, "not in this history" in refused["error"]["message"]) == (400, True)
            assert (await ben.get("jobs"))[1]["total"] == 0
            assert (await anna.get("jobs"))[1]["total"] == 1


def _with(body: Any, id_: int) -> Any:
    return json.loads(json.dumps(body).replace('"{}"', str(id_)))


async def test_nothing_is_changed_for_another_page_or_without_a_session(serve: Serve) -> None:
    """Ours: a stolen link or a page of EASEL_ALLOWED_ORIGINS is not our page."""
    async with two_owners(serve, EASEL_ALLOWED_ORIGINS="https://friend.example") as both:
        async with visitor(both.easel, TOKENS["anna"]) as anna, visitor(both.easel) as stranger:
            await anna.draw("a fox")
            for headers in (
                {"Sec-Fetch-Site": "cross-site", "Origin": "https://friend.example"},
                {"Sec-Fetch-Site": "same-site"},
                {"Sec-Fetch-Site": "none"},
            ):
                status, answer = await anna.post("delete", {"history_ids": [1]}, **headers)
                assert (status, answer["error"]["kind"]) == (403, "foreign")
            status, answer = await anna.post("delete", {"history_ids": [1]}, **{"Content-Type": "text/plain"})
            assert status == 415
            assert (await stranger.post("delete", {"history_ids": [1]}))[0] == 401
            assert (await anna.get("jobs"))[1]["total"] == 1


async def test_entries_are_deleted_with_their_pictures_and_open_pages_hear_it(serve: Serve) -> None:
    async with serve() as easel, visitor(easel) as anna:
        made = await anna.draw("a fox")
        await anna.draw("a boat")
        async with anna.http.get(f"{easel.origin}/gallery/api/events") as stream:
            assert await anna.post("delete", {"history_ids": [1, 99]}) == (200, {"history_ids": [1]})
            heard = [line async for line in _lines(stream, until=b"event: deleted\n")]
        assert b'data: {"history_ids":[1]}\n' in heard
        assert (await anna.get("jobs/1"))[0] == 404
        async with anna.http.get(easel.origin + made["pictures"][0]["url"]) as answer:
            assert answer.status == 404


async def _lines(stream: Any, *, until: bytes) -> Any:
    last = b""
    async for line in stream.content:
        yield line
        if last == until:
            return
        last = line


@pytest.mark.parametrize("body", [{}, {"history_ids": "1"}, {"history_ids": ["1"]}, {"history_ids": [True]}, [1]])
async def test_a_list_to_delete_that_cannot_be_read_deletes_nothing(serve: Serve, body: object) -> None:
    async with serve() as easel, visitor(easel) as anna:
        await anna.draw("a fox")
        assert (await anna.post("delete", body))[0] == 400
        assert (await anna.get("jobs"))[1]["total"] == 1


async def test_the_original_is_downloaded_under_a_telling_name(serve: Serve) -> None:
    async with serve() as easel, visitor(easel) as anna:
        made = await anna.draw("水墨 fox <b>")
        async with anna.http.get(f"{easel.origin}/gallery/api/download/1/1") as answer:
            data = await answer.read()
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
        assert answer.headers["Content-Disposition"].endswith("%E6%B0%B4%E5%A2%A8%2Dfox%2Db%2D1%2Ejpg")
        assert len(data) == made["pictures"][0]["bytes"]
        assert Image.open(io.BytesIO(data)).size == (made["pictures"][0]["width"], made["pictures"][0]["height"])
        for path in ("download/1/2", "download/1/0", "download/x/1", "download/1/x"):
            assert (await anna.get(path))[0] == 404


async def test_several_are_downloaded_as_one_file(serve: Serve) -> None:
    async with serve() as easel, visitor(easel) as anna:
        await anna.draw("a fox")
        await anna.draw("a boat")
        asked = [{"history_id": 1, "picture": 1}, {"history_id": 2, "picture": 1}]
        url = f"{easel.origin}/gallery/api/zip"
        async with anna.http.post(url, data={"pictures": json.dumps(asked)}, headers=OURS) as answer:
            data = await answer.read()
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="easel.zip"')
        assert zipfile.ZipFile(io.BytesIO(data)).namelist() == ["a-fox-1.jpg", "a-boat-2.jpg"]
        async with anna.http.post(url, data={"pictures": "nonsense"}, headers=OURS) as answer:
            assert answer.status == 400


async def test_an_owner_has_so_many_archives_at_once_and_the_page_asks_before(serve: Serve, tmp_path: Path) -> None:
    """Ours: a form that is sent for a file shows no error, so the page asks first."""
    asked = {"pictures": [{"history_id": 1, "picture": 1}]}
    async with serve(EASEL_ARCHIVES="1") as easel, visitor(easel) as anna:
        async with seeded_history(tmp_path / "data") as history:
            await history.add("a fox", name_of(1))
            os.truncate(history.files / name_of(1)[:2] / name_of(1), 80_000_000)
        for _ in range(2):
            assert await anna.post("zip/check", asked) == (200, {"pictures": 1}), "a look takes no place"
        url = f"{easel.origin}/gallery/api/zip"
        async with anna.http.post(url, data={"pictures": json.dumps(asked["pictures"])}, headers=OURS) as unread:
            assert unread.status == 200
            for path in ("zip", "zip/check"):
                status, answer = await anna.post(path, asked)
                assert (status, answer["error"]["kind"]) == (429, "limit")
                assert "EASEL_ARCHIVES" in answer["error"]["message"]
            unread.close()
        async with asyncio.timeout(60):
            while (await anna.post("zip/check", asked))[0] != 200:  # noqa: ASYNC110 - its end announces nothing
                await asyncio.sleep(0.02)


async def test_a_picture_of_the_person_is_taken_and_can_be_started_from(serve: Serve) -> None:
    async with two_owners(serve) as both, visitor(both.easel, TOKENS["anna"]) as anna:
        taken = await _send(anna, png(3, (64, 64)))
        made = await anna.draw("in snow", image_url=[taken["url"]])
        assert made["state"] == "done"
        assert len(both.upstream.requests[-1].files) == 1
        async with visitor(both.easel, TOKENS["ben"]) as ben:
            status, _ = await ben.post("generate", {"prompt": "in snow", "image_url": [taken["url"]]})
            assert status == 400, "it is hers"


async def _send(person: Visitor, data: bytes, status: int = 200) -> Any:
    url = f"{person.origin}/gallery/api/references"
    async with person.http.post(url, data=data, headers={**OURS, "Content-Type": "image/png"}) as answer:
        assert answer.status == status
        return await answer.json()


async def test_what_is_no_picture_is_refused_and_leaves_nothing(serve: Serve) -> None:
    async with serve() as easel, visitor(easel) as anna:
        refused = await _send(anna, b"just words", 422)
        assert refused["error"]["message"].startswith("What came ")
        await _send(anna, b"", 413)
        assert isinstance(easel.context.store, SqliteStore)
        assert (await easel.context.store.files_total(None)).entries == 0


async def test_a_picture_that_is_gone_and_cannot_be_had_says_so(serve: Serve, tmp_path: Path) -> None:
    async with serve() as easel, visitor(easel) as anna:
        async with seeded_history(tmp_path / "data") as history:
            await history.add("a fox", name_of(1))
        await easel.context.store.forget_files([name_of(1)])
        (tmp_path / "data/files" / name_of(1)[:2] / name_of(1)).unlink()
        assert (await anna.get("jobs/1"))[1]["pictures"][0]["kept"] is False
        status, answer = await anna.post("jobs/1/restore")
        assert (status, answer["error"]["kind"]) == (410, "gone")


async def test_a_body_that_is_too_large_or_no_json_is_refused(serve: Serve) -> None:
    async with serve() as easel, visitor(easel) as anna:
        assert (await anna.post("generate", {"prompt": "x" * 300_000}))[0] == 413
        async with anna.http.post(
            f"{easel.origin}/gallery/api/generate", data=b"{", headers={**OURS, "Content-Type": "application/json"}
        ) as answer:
            assert answer.status == 400


async def test_no_more_pages_are_open_than_may_be(serve: Serve) -> None:
    async with serve() as easel, visitor(easel) as anna:
        streams = [await anna.http.get(f"{easel.origin}/gallery/api/events") for _ in range(8)]
        assert {each.status for each in streams} == {200}
        assert (await anna.get("events"))[0] == 429
        for each in streams:
            each.close()
