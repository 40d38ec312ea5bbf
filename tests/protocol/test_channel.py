"""The channel to nobody; the others are tested with their transports and with tasks."""

import pytest

from service.protocol.channel import NULL_CHANNEL
from service.protocol.client_requests import UnaskableError, list_roots
from tests.protocol.samples import call


async def test_the_channel_to_nobody_drops_messages_and_asks_nobody() -> None:
    ended = call()
    NULL_CHANNEL.post(b"{}")
    NULL_CHANNEL.open()
    NULL_CHANNEL.hang_up(ended)
    NULL_CHANNEL.show_status("drawing")
    await NULL_CHANNEL.remember("1")
    NULL_CHANNEL.leave_running()
    assert not await NULL_CHANNEL.send(b"{}")
    with pytest.raises(UnaskableError):
        await NULL_CHANNEL.ask(ended, {"roots": list_roots()}, None)
