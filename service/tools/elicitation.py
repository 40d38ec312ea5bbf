"""Questions to the person: the confirmation of an irreversible step, pictures from their own device, and masks.

A step is confirmed by `confirm: true`, or by the person's own yes where the client can ask for it. Pictures come by a
page that their client opens, or by a link in the chat.

A client that opens pages for its person (elicitation by URL) is asked to open it, and the call goes on as soon as
pictures were sent. For other clients the link is the result: the person sends, and the model calls again with the same
arguments. Nothing has begun until then, and nothing is charged. A link is for one request: pictures that were sent for
another are named, and never taken.
"""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from service.hosts import is_loopback
from service.protocol.call import Call
from service.protocol.client_requests import ELICIT_FORM, ELICIT_URL, elicit, elicit_url
from service.protocol.jsonrpc import Result
from service.references.collect import own_url
from service.references.uploads import PROMPT_LENGTH, Uploads, mask_request
from service.storage.upload_records import UploadRequest
from service.tools.base import Arguments
from service.tools.results import escape_markdown

LONGEST_S: Final = 300.0
"""Seconds a call waits at most for a person at the page; its client may wait less."""


@dataclass(frozen=True, kw_only=True)
class UploadQuestion:
    """The question to a person for up to `most` pictures for one request, or for a mask of one.

    `structured` says that the client gets `structuredContent`.
    """

    uploads: Uploads
    request: UploadRequest
    most: int
    structured: bool = True

    async def ask(self, call: Call, until: float) -> Result | None:
        """Wait for the pictures; return None when they are there, else the result that asks for them.

        `until` is the time of the loop up to which the client waits.
        """
        if await self.uploads.ready(call.owner, self.request) is not None:
            return None
        url = await self.uploads.link(call.owner, self.request, self.most, call.reached_at)
        if ELICIT_URL not in call.client.capabilities:
            return await self._link(call, url)
        id_ = secrets.token_hex(16)
        message = f"{self._wanted}, by a page of Easel, for: {self.request.prompt}"
        answer = await call.ask("mask" if self.request.picture else "upload", elicit_url(message, url, id_))
        if answer["action"] != "accept":
            text = f"The person did not open the page to {self._doing}. Ask them what they want instead."
            return self._result(text, url)
        if not await self._arrived(call, until):
            return await self._link(call, url, "Nothing was sent yet. ")
        await call.complete_elicitation(id_)
        return None

    @property
    def _wanted(self) -> str:
        """Say what the person is to do at the page."""
        if self.request.picture:
            return "Paint over the part of the picture that is to change"
        then = ", and paint over the part that is to change" if self.request.paints else ""
        return f"Send {'a picture' if self.most == 1 else f'up to {self.most} pictures'} from your device{then}"

    @property
    def _doing(self) -> str:
        if self.request.picture:
            return "paint over the part of the picture that is to change"
        return f"send {'the picture by, and to paint over it' if self.request.paints else 'the picture by'}"

    async def _arrived(self, call: Call, until: float) -> bool:
        call.report(f"Waiting for {'the mask' if self.request.picture else 'the picture'} that the person sends")
        deadline = min(LONGEST_S + asyncio.get_running_loop().time(), until)
        upload = await self.uploads.wait(call.owner, self.request, deadline - asyncio.get_running_loop().time())
        if upload is not None and self.request.paints:  # the page goes on to the mask, and no other is to be opened
            call.report("Waiting for the mask that the person paints")
            painting = mask_request(self.request, upload.names[0])
            await self.uploads.wait(call.owner, painting, deadline - asyncio.get_running_loop().time())
        return upload is not None

    async def _link(self, call: Call, url: str, before: str = "") -> Result:
        """Return the link and the next steps as a result. It is no failure."""
        lines = [
            f"{before}Give the person this link. It opens a page to {self._doing}, {_devices(url)}. It works once, "
            "within an hour, and for this request:",
            url,
            "When they say that it is sent, call `generate` again with the same arguments. Nothing is charged until "
            f"then.{self._by_shell(url)}",
        ]
        return self._result("\n\n".join([*lines, *await self._earlier(call)]), url)

    def _by_shell(self, url: str) -> str:
        if self.request.picture:
            return ""
        return f" Where you have a shell, you can send a file yourself: curl --data-binary @picture.png '{url}'"

    async def _earlier(self, call: Call) -> list[str]:
        """Name the picture that the person sent last; the model knows whether they mean it."""
        last = await self.uploads.latest(call.owner, self.request.picture)
        if last is None:
            return []
        if self.request.picture:
            return [f'To use the mask that they painted last over this picture: mask "{own_url(last.names[0])}".']
        instead = f'image_url "{own_url(last.names[0])}" instead of use_upload'
        if last.request == self.request:
            return [f"To start from what they sent last once more: {instead}."]
        prompt = escape_markdown(last.request.prompt, PROMPT_LENGTH)
        return [f"A picture was sent for another request, “{prompt}”. Only if the person means that one: {instead}."]

    def _result(self, text: str, url: str) -> Result:
        result: Result = {"content": [{"type": "text", "text": text}]}
        structured = {"upload_url": url, "images": [], "message": text}
        return result | {"structuredContent": structured} if self.structured else result


def _devices(url: str) -> str:
    """Say which devices can open a link. A loopback address leads a phone to itself."""
    return "on this machine only" if is_loopback(urlsplit(url).hostname or "") else "on a phone too"


FORM: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"confirm": {"type": "boolean", "title": "Yes, go ahead", "default": False}},
    "required": ["confirm"],
}

AFTER_NO: Final = (
    "The question came back without a yes. If the person wants it all the same, let them say so, then call again with "
    "confirm true."
)
"""The message after a no. The client may have answered by itself, so it does not say that the person refused."""


def can_be_asked(call: Call) -> bool:
    """Tell whether the client shows forms to its person."""
    return ELICIT_FORM in call.client.capabilities


async def unconfirmed(call: Call, arguments: Arguments, question: str) -> str | None:
    """Return None to go ahead, else what the model is to do after the no, or before a yes. Call it before any effect.

    A modern call runs again from its start with the person's answer. Where no person can be asked, the question is the
    answer: no failure, since nothing went wrong.
    """
    if arguments.get("confirm", False):
        return None
    if not can_be_asked(call):
        return f"{question} Ask the person; only if they agree, call again with confirm true."
    answer = await call.ask("confirm", elicit(question, FORM))
    agreed = answer["action"] == "accept" and answer.get("content", {}).get("confirm") is True
    return None if agreed else AFTER_NO
