"""What is done once a result was delivered: in order, once, and not for what is no result."""

from collections.abc import Mapping
from typing import Any

import pytest

from service.protocol.call import Call
from service.protocol.dispatch import answer
from service.protocol.errors import INVALID_PARAMS, RpcError
from service.protocol.inquiry import InputRequiredError
from service.protocol.jsonrpc import Result
from service.protocol.receipts import Receipts
from tests.protocol.samples import call, said, server

Arguments = Mapping[str, Any]


def test_receipts_run_in_order_and_once() -> None:
    """Ours: two ways may hand over one result, as when a stream is replayed that had come through."""
    done: list[str] = []
    receipts = Receipts()
    receipts.add(lambda: done.append("first"))
    receipts.add(lambda: done.append("second"))
    receipts.run()
    receipts.run()
    assert done == ["first", "second"]


async def test_a_result_carries_the_receipts_of_its_call() -> None:
    done: list[str] = []

    async def draw(call: Call, arguments: Arguments) -> Result:
        call.on_delivered(lambda: done.append("delivered"))
        call.on_delivered(lambda: done.append("twice"))
        return said("Drawn.")

    given = await answer(server(draw), call(params={"name": "draw"}))
    assert done == []
    assert given.receipts is not None
    given.receipts.run()
    assert done == ["delivered", "twice"]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(RpcError(INVALID_PARAMS, "No."), id="an error"),
        pytest.param(ZeroDivisionError(), id="a bug"),
        pytest.param(InputRequiredError({"resultType": "input_required"}), id="a question"),
    ],
)
async def test_what_is_no_result_delivers_nothing(error: Exception) -> None:
    """Ours: a picture that the answer did not hold is not thought to have arrived."""

    async def draw(call: Call, arguments: Arguments) -> Result:
        call.on_delivered(lambda: None)
        raise error

    assert (await answer(server(draw), call(params={"name": "draw"}))).receipts is None


async def test_a_call_without_receipts_has_none() -> None:
    async def draw(call: Call, arguments: Arguments) -> Result:
        return said("Drawn.")

    assert (await answer(server(draw), call(params={"name": "draw"}))).receipts is None
