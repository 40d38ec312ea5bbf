"""Orders from the page: the tool's own checks and payments, answered as soon as the job has its number."""

import asyncio

from service.gallery.drawing import MOST_ORDERED, Orders
from service.images import ImageRequest
from service.pipeline.running_jobs import Waiter
from tests.conftest import Serve
from tests.emulators import flow2api
from tests.gallery.visitor import visitor


async def test_an_order_is_answered_before_the_picture_is_there(serve: Serve) -> None:
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with serve(**env) as easel, visitor(easel) as anna:
            status, begun = await anna.post("generate", {"prompt": "a fox [slow]"})
            assert status == 200
            async with asyncio.timeout(60):
                await upstream.silent.wait()
            _, job = await anna.get(f"jobs/{begun['history_id']}")
            assert job["state"] == "working"
            again = await anna.post("generate", {"prompt": "a fox [slow]"})
            assert again == (200, begun), "the same order joins: it is paid for once"
            upstream.go_on.set()
            assert (await anna.ended(begun["history_id"]))["state"] == "done"
            assert len(upstream.charges) == 1


async def test_after_it_was_shown_the_same_order_draws_another(serve: Serve) -> None:
    """Ours: as after a delivered call; before that, the picture of a broken connection would be paid for twice."""
    async with serve() as easel, visitor(easel) as anna:
        first = await anna.draw("a fox")
        second = await anna.draw("a fox")
    assert (first["history_id"], second["history_id"]) == (1, 2)


async def test_orders_that_no_page_comes_back_for_are_forgotten_in_the_end(serve: Serve) -> None:
    """Bug: each page that was closed before its picture came left an entry for ever."""
    async with serve() as easel:
        orders = Orders(server=easel.endpoint.server, beside=easel.context.generation.jobs.run_in_background)
        first = await orders.order("anna", {"prompt": "a fox"})
        second = await orders.order("anna", {"prompt": "a boat"})
        assert [orders.note_shown("anna", second) for _ in range(2)] == [True, False]
        for number in range(100, 100 + MOST_ORDERED):
            orders.note("ben", number)
        assert not orders.note_shown("anna", first)
        assert orders.note_shown("ben", 100)


async def test_what_a_chat_waits_for_is_not_counted_as_delivered_by_a_look(serve: Serve) -> None:
    """Ours: its client may come again for it, and would pay twice."""
    async with serve() as easel, visitor(easel) as anna:
        request = ImageRequest(model="sketch", prompt="a fox")
        await easel.context.generation.generate("local", request, Waiter(), upstream="sketch")
        assert (await anna.get("jobs/1"))[1]["state"] == "done"
        job = await easel.context.store.job("local", 1)
        assert job is not None
        assert job.delivered_at is None


async def test_the_checks_are_those_of_the_tool_and_name_the_field(serve: Serve) -> None:
    async with serve() as easel, visitor(easel) as anna:
        for asked, said in (
            ({}, "`prompt`"),
            ({"prompt": " "}, "`prompt`"),
            ({"prompt": "p", "model": "nope"}, "`model`"),
            ({"prompt": "p", "history_id": 99}, "`history_id`"),
            ({"prompt": "p", "variation": 1000}, "`variation`"),
            ({"prompt": "p", "use_upload": True}, "`use_upload`"),
            ({"prompt": "p\0"}, "`prompt`"),
        ):
            status, answer = await anna.post("generate", asked)
            assert status == 400, asked
            assert said in answer["error"]["message"]
            assert "Nothing was done" not in answer["error"]["message"]
        assert (await anna.get("jobs"))[1]["total"] == 0
