"""The ends of tasks."""

import asyncio
import logging

import pytest

from service.protocol.client_requests import UnaskableError
from service.protocol.errors import INVALID_PARAMS, RpcError
from service.protocol.jsonrpc import Result
from service.protocol.task_endings import BROKEN, CANCELLED_ENDING, ending_of
from service.protocol.task_records import COMPLETED, FAILED


async def ended(how: BaseException | Result) -> "asyncio.Future[Result]":
    async def work() -> Result:
        if isinstance(how, BaseException):
            raise how
        return how

    task: asyncio.Future[Result] = asyncio.ensure_future(work())
    await asyncio.wait({task})
    return task


async def test_each_end_has_its_status() -> None:
    """SEP-2663: `failed` is for JSON-RPC errors; a tool that cannot ask its person has a result that says so."""
    assert ending_of(await ended({"content": []})) == {"status": COMPLETED, "message": "", "result": {"content": []}}
    assert ending_of(await ended(asyncio.CancelledError())) == CANCELLED_ENDING
    assert ending_of(await ended(UnaskableError("It cannot be asked.")))["result"]["isError"]
    refused = ending_of(await ended(RpcError(INVALID_PARAMS, "x" * 900)))
    assert (refused["status"], refused["error"]["code"], refused["message"]) == (FAILED, INVALID_PARAMS, "x" * 200)


async def test_a_bug_ends_it_without_details(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert ending_of(await ended(ZeroDivisionError("secret"))) == BROKEN
    assert "ZeroDivisionError" in caplog.text
    assert "secret" not in str(BROKEN)
