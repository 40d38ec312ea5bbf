"""A connection of aiohttp that handles its requests in the one task that it has.

aiohttp begins a task for each request, so that context variables which one request sets are not seen by the next. That
takes a tenth of the time of a cheap call. Here `telemetry.request_began` sets the two variables of the service anew;
all others are set back by whoever sets them.
"""

import asyncio
from contextlib import suppress

from aiohttp import web
from aiohttp.http import RawRequestMessage, StreamWriter
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import ERROR

from service.telemetry import TRACEPARENT, request_began


class OneTask(web.RequestHandler):
    """A connection whose requests are handled in turn, in its own task."""

    __slots__ = ()

    async def start(self) -> None:
        """Handle one request after the other until the connection ends, and close it."""
        goes_on = True
        while goes_on and not self._force_close:
            if not self._messages:
                self._waiter = self._loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            goes_on = await self._handle_next()
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    async def _handle_next(self) -> bool:
        """Handle the request that came first; return whether the connection stays for another one."""
        message, body = self._messages.popleft()
        self._make_room()
        handler, factory, task = self._request_handler, self._request_factory, self._task_handler
        assert handler is not None, "it lasts as long as the connection"  # noqa: S101 - for aiohttp's types
        assert factory is not None, "it lasts as long as the connection"  # noqa: S101
        assert task is not None, "this is it"  # noqa: S101
        if not isinstance(message, RawRequestMessage):
            handler, message = self._make_error_handler(message), ERROR
        request = factory(message, body, self, StreamWriter(self, self._loop), task)
        request_began(request.headers.get(TRACEPARENT, ""))
        try:
            response, is_lost = await self._handle_request(request, None, handler)
            self._keepalive = not is_lost and bool(response.keep_alive)
            if not is_lost and not body.is_eof():
                await self._drop_rest(body)
        except ConnectionError:  # the client is gone
            return False
        except asyncio.CancelledError:
            self.force_close()
            raise
        except Exception as error:  # noqa: BLE001 - the task of the connection ends here
            self.log_exception("A connection failed", exc_info=error)
            self.force_close()
        finally:
            request._task = None  # type: ignore[assignment]  # the two would hold each other
        if not self._keepalive or self._close or self._force_close:
            return False
        self._wait_from_now()
        return True

    def _make_room(self) -> None:
        """Have the parser go on, where it stopped because too many requests waited for their answers."""
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()

    async def _drop_rest(self, body: StreamReader) -> None:
        """Read what is left of a body: closed at once, the client would lose the answer to a reset."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._lingering_time):
                while not body.is_eof():
                    await body.readany()
        if not body.is_eof():
            self.close()

    def _wait_from_now(self) -> None:
        """Begin the time within which another request must come."""
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)
