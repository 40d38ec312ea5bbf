"""The request for pictures from the person's own device: by a page that their client opens, or by a link in the chat.

A client that opens pages for its person (elicitation by URL) is asked to open it, and the call goes on as soon as
pictures were sent. For other clients the link is the result: the person sends, and the model calls again with the same
arguments. Nothing has begun until then, and nothing is charged.
"""

import asyncio
import secrets
from typing import Final

from service.protocol.call import Call
from service.protocol.client_requests import ELICIT_URL, elicit_url
from service.protocol.jsonrpc import Result
from service.references.collect import own_url
from service.references.uploads import Uploads

LONGEST_S: Final = 300.0
"""Seconds a call waits at most for a person at the page; its client may wait less."""


async def ask_upload(
    uploads: Uploads, call: Call, most: int, until: float, *, structured: bool = True
) -> Result | None:
    """Wait for the upload of a call; return None when it is there, else the result that asks for it.

    `most` is the number of pictures the call has room for, `until` the time of the loop up to which its client waits.
    `structured` clients get `structuredContent`.
    """
    if await uploads.ready(call.owner) is not None:
        return None
    url = await uploads.link(call.owner, most)
    if ELICIT_URL not in call.client.capabilities:
        return await _give(uploads, call, url, structured=structured)
    id_ = secrets.token_hex(16)
    wanted = "a picture" if most == 1 else f"up to {most} pictures"
    answer = await call.ask("upload", elicit_url(f"Send {wanted} from your device, by a page of Easel.", url, id_))
    if answer["action"] != "accept":
        text = "The person did not open the page to send a picture. Ask them what they want instead."
        return _result(text, url, structured=structured)
    if not await _arrived(uploads, call, until):
        return await _give(uploads, call, url, "Nothing was sent yet. ", structured=structured)
    await call.complete_elicitation(id_)
    return None


async def _arrived(uploads: Uploads, call: Call, until: float) -> bool:
    call.report("Waiting for the picture that the person sends")
    left_s = min(LONGEST_S, until - asyncio.get_running_loop().time())
    return await uploads.wait(call.owner, left_s) is not None


async def _give(uploads: Uploads, call: Call, url: str, before: str = "", *, structured: bool) -> Result:
    """Return the link and the next steps as a result. It is no failure."""
    lines = [
        f"{before}Give the person this link. It opens a page to send the picture by, on a phone too. It works once, "
        "within an hour:",
        url,
        "When they say that it is sent, call `generate` again with the same arguments. Nothing is charged until then. "
        f"Where you have a shell, you can send a file yourself: curl --data-binary @picture.png '{url}'",
    ]
    used = await uploads.latest_used(call.owner)
    if used is not None:
        last = own_url(used.names[0])
        lines.append(f'To start from what they sent last once more: image_url "{last}" instead of use_upload.')
    return _result("\n\n".join(lines), url, structured=structured)


def _result(text: str, url: str, *, structured: bool) -> Result:
    result: Result = {"content": [{"type": "text", "text": text}]}
    return result | {"structuredContent": {"upload_url": url, "images": [], "message": text}} if structured else result
