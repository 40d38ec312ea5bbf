"""Google's Gemini API, and servers that speak it: Flow2API, new-api, gateways.

One request, `models/{model}:streamGenerateContent`, holds the prompt and the references inline, and has no task id: an
answer that is lost was paid for all the same. It is streamed, since the thoughts of the model are the only signs of
life while it draws. A server that cannot stream is asked without.

Thoughts come only where they are asked for, and a model that does not think refuses to be asked; it is asked again
without, which costs nothing. Pictures among the thoughts are drafts, the last of which is also the picture (Gemini API,
"Image generation", thinking process). Answers are known that hold it there alone (Lixpi/lixpi #135).
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ClassVar, Final

import aiohttp
from yarl import URL

from service.images import ImageRequest, Picture, Progress, Reference, Usage, WorkError
from service.pictures.sniffing import sniff
from service.settings import TIMEOUTS, Endpoint, Timeouts
from service.upstreams.answer import Event, listen
from service.upstreams.base import Offers
from service.upstreams.chat import ChatAnswer
from service.upstreams.error_body import find_error, parse_body, sanitize
from service.upstreams.errors import UpstreamError, read_start, request_to, upstream_error
from service.upstreams.http import (
    SUCCESSES,
    UNKNOWN_TYPE,
    Base64,
    Body,
    HttpUpstream,
    ask_list,
    json_body,
    looks_like_images,
    read_model_list,
)
from service.upstreams.image_sources import Inline, Source, in_field
from service.upstreams.kinds import Kind

OFFICIAL: Final = "generativelanguage.googleapis.com"
PREFIX: Final = "gemini/"
"""Begins our ids of its models: other services draw with models of the same names."""

MODELS: Final = "models/"
COLLECTIONS: Final = (MODELS, "tunedModels/")
"""Beginnings of a model's resource name."""

STREAMED: Final = "streamGenerateContent"
WHOLE: Final = "generateContent"

LARGEST_REQUEST: Final = 100 * 1024 * 1024
"""Bytes of one request with what it holds inline."""

TOO_LARGE: Final = (
    "With its reference pictures the request has {size:.0f} MB, and the Gemini API takes {most:.0f}: use fewer or "
    "smaller ones. Nothing was sent, and nothing charged."
)

MAYBE_DRAFT: Final = "The service sent this picture among the thoughts of its model alone: it may be a draft."
DRAFT: Final = "The model has drawn a draft"
THINKING: Final = "The model is thinking"
HEADING: Final = re.compile(r"\*\*([^*\n]{1,200})\*\*|^#+ +([^\n]{1,200})", re.MULTILINE)
LONGEST_THOUGHT: Final = 100

Json = dict[str, object]
Tell = Callable[[Sequence[str]], Awaitable[None]]


class GeminiAnswer(ChatAnswer):
    """One answer, a `GenerateContentResponse` or a stream of them. Its steps are thoughts, and drafts.

    `is_draft`: its picture stood among the thoughts alone.
    """

    def __init__(self) -> None:
        """Begin an answer."""
        super().__init__()
        self.is_draft = False
        self._drafts: list[Source] = []

    def _read(self, event: Event) -> list[str]:
        match event.value:
            case [*items]:  # a stream that is no SSE is one list
                return self._take([Event("", item) for item in items if isinstance(item, dict)])
            case {"usageMetadata": {**usage}}:
                self.usage = _usage(usage)
        return super()._read(event)

    def _draft(self, draft: Mapping[object, object]) -> list[str]:
        found = list(in_field(draft))
        if found:
            self._forget_drafts()
            self._drafts = found
        return [DRAFT] if found else []

    def _forget_drafts(self) -> None:
        """Make room: two drafts and a picture in 4K, all of them as PNG, are longer than an answer may be."""
        self._size -= sum(self.extracted.drop(each.digits) for each in self._drafts if isinstance(each, Inline))

    def _find_pictures(self) -> list[Source]:
        """Return the pictures; the last draft where the answer ended well with nothing else, not even words."""
        found = super()._find_pictures()
        ended_well = [reason.upper() for reason in self._finish.values()] == ["STOP"]
        self.is_draft = not found and ended_well and not self._words() and bool(self._drafts)
        return self._drafts[-1:] if self.is_draft else found

    def _explain_nothing(self) -> UpstreamError:
        """Return the error: one without any reason or words did not end, and what it thought may have been charged."""
        if not self._finish and not self._words() and not self.text:
            return UpstreamError(Kind.LOST, detail="(Its answer ended before the picture.)")
        return super()._explain_nothing()

    def _is_refused(self) -> bool:
        """Tell whether the prompt was blocked, for whatever reason, or the picture for one of policy."""
        return "blockReason" in self._finish or super()._is_refused()


def _usage(usage: Mapping[object, object]) -> Usage:
    """Return the tokens by the `usageMetadata`, which counts the whole answer up to here. Thoughts are output."""
    return Usage(
        input_tokens=_tokens(usage, "promptTokenCount", "toolUsePromptTokenCount"),
        output_tokens=_tokens(usage, "candidatesTokenCount", "thoughtsTokenCount"),
    )


def _tokens(usage: Mapping[object, object], *names: str) -> int:
    counts = (usage.get(name) for name in names)
    return sum(count for count in counts if isinstance(count, int) and count > 0)


VERSIONED: Final = re.compile(r"/v[0-9]+(?:alpha|beta)[0-9]*\Z|/publishers/[\w-]+\Z")
"""Ends of a path that is a root already; the second is that of Vertex AI."""

BELOW_ROOT: Final = re.compile(r"/(?:openai|models(?:/[^/]*)?)(?:/|\Z).*\Z")
PLAIN_VERSION: Final = re.compile(r"/v[0-9]+\Z")


def gemini_base(text: str) -> URL:
    """Return the root of the API from the URL that a person configured, with `/v1beta` at its end.

    People write the server's root, or copy it from the settings of another API of the same server: `/v1` of a relay,
    `/v1beta/openai` of Google. A version further to the left is that of a gateway.
    """
    url = URL(text.strip())
    root = BELOW_ROOT.sub("", url.path).rstrip("/")
    return url.with_user(None).with_path(root if VERSIONED.search(root) else f"{PLAIN_VERSION.sub('', root)}/v1beta")


PAGE: Final = 1000
MOST_PAGES: Final = 20
"""Pages of the list of models that are read: of Google's one is enough."""

REFUSED: Final = frozenset({400, 422})
NO_ROUTE: Final = frozenset({404, 405, 501})
THOUGHTS: Final = re.compile(r"(?i)thinking|thought")
"""Words of a refusal to think: "Thinking is not enabled for this model", or a relay's "Unknown name thinkingConfig"."""


def read_page(page: object) -> tuple[dict[str, bool], str]:
    """Read one page of the list of models: ids with whether each draws by our method, and the token of the next page.

    Relays answer in OpenAI's form, too. Some methods, such as Imagen's `predict`, are not ours.
    """
    match page:
        case {"models": [*models], **rest}:
            token = rest.get("nextPageToken")
            read = (_listed_model(model) for model in models)
            return {id_: draws for id_, draws in read if id_}, token if isinstance(token, str) else ""
        case {"nextPageToken": str(token)}:  # JSON of Protocol Buffers leaves out an empty list
            return {}, token
        case _:
            return {id_: looks_like_images(id_) for id_ in read_model_list(page)}, ""


def _listed_model(model: object) -> tuple[str, bool]:
    match model:
        case {"name": str(name), **rest}:
            methods = rest.get("supportedGenerationMethods")
            ours = WHOLE in methods if isinstance(methods, list) else True
            return name.removeprefix(MODELS), ours and looks_like_images(name)
        case _:
            return "", False


class GeminiUpstream(HttpUpstream):
    """One server."""

    name: ClassVar[str] = "gemini"
    title: ClassVar[str] = "Gemini API"

    def __init__(
        self, session: aiohttp.ClientSession, endpoint: Endpoint, *, max_file_bytes: int, timeouts: Timeouts = TIMEOUTS
    ) -> None:
        """Reach one server, as `HttpUpstream` does."""
        super().__init__(session, endpoint, max_file_bytes=max_file_bytes, timeouts=timeouts)
        self._streams = True
        self._thoughtless: set[str] = set()

    @staticmethod
    def root(url: str) -> URL:
        """Return the root of the API, `/v1beta` of a server."""
        return gemini_base(url)

    @staticmethod
    def authorize(key: str) -> dict[str, str]:
        """Return the header that carries the key, or none for an empty key. In the URL it would stand in logs."""
        return {"x-goog-api-key": key} if key else {}

    async def offers(self) -> Offers:
        """Return the models that draw by this method. Relays may have more than they list."""
        with request_to(self.service, paid=False):
            listed = await self._listed()
        images = [id_ for id_, draws in listed.items() if draws]
        others = {name for id_ in listed for name in (id_, MODELS + id_, PREFIX + id_)}
        ours = tuple(PREFIX + id_ for id_ in images)
        return Offers(images=ours, others=frozenset(others) - set(ours), complete=self._base.host == OFFICIAL)

    async def _listed(self) -> dict[str, bool]:
        """Return the ids of all pages, and whether each draws."""
        listed: dict[str, bool] = {}
        token = ""
        seen: set[str] = set()
        while token not in seen:
            seen.add(token)
            query = {"pageSize": str(PAGE)} | ({"pageToken": token} if token else {})
            url = (self._base / "models").with_query(query)
            page, token = read_page(await ask_list(self._session, url, self._authorization))
            listed |= page
            if not token or len(seen) == MOST_PAGES:
                break
        return listed

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        """Draw one picture, from references where there are any."""
        readable = await self._with_bytes(request)
        await progress(f"Asking {request.model} for a picture", 0)

        async def tell(steps: Sequence[str]) -> None:
            await progress(step_of(steps[-1]))

        answer = None
        while answer is None:  # a server has two forms to refuse, each once
            answer = await self._ask(readable, tell)
        return await self._pictures_of(answer, progress, MAYBE_DRAFT if answer.is_draft else "")

    async def _ask(self, request: ImageRequest, tell: Tell) -> GeminiAnswer | None:
        """Send the request and read the whole answer; None where a refusal says to ask in another form, as noted."""
        streams, thinks = self._streams, request.model not in self._thoughtless
        body = request_body(request, thinks=thinks)
        method = f"{resource_name(request.model)}:{STREAMED if streams else WHOLE}"
        silence_s = self._timeouts.silence_s * (2 if request.resolution == "4K" else 1)
        query = {"alt": "sse"} if streams else None
        async with self._post(method, body, silence_s=silence_s, query=query) as response:
            if response.status in SUCCESSES:
                answer = GeminiAnswer()
                await listen(response, answer, tell, self._timeouts.linger_s)
                return answer
            start = await read_start(response)
            error = upstream_error(response.status, start, response.headers)
            if thinks and response.status in REFUSED and THOUGHTS.search(find_error(parse_body(start)).message):
                self._thoughtless.add(request.model)
            elif streams and response.status in NO_ROUTE and error.kind == Kind.ADDRESS:
                self._streams = False
            else:
                raise error
        return None


def resource_name(model: str) -> str:
    """Return the name of a model in the API by our id, by the id there, or by that name itself."""
    name = model.removeprefix(PREFIX)
    return name if name.startswith(COLLECTIONS) else MODELS + name


def request_body(request: ImageRequest, *, thinks: bool) -> Body:
    """Encode the request. What was not asked for is left to the model. Raise `WorkError` for one that is too large.

    Words are asked for, too: a model that may not say why it does not draw says nothing.
    """
    shape = {"aspectRatio": request.aspect_ratio, "imageSize": request.resolution}
    config: Json = {
        "responseModalities": ["TEXT", "IMAGE"],
        "imageConfig": {name: value for name, value in shape.items() if value is not None} or None,
        "seed": request.seed,
        "thinkingConfig": {"includeThoughts": True} if thinks else None,
    }
    parts: list[Json] = [{"text": request.prompt}]
    parts += [{"inlineData": _inline(each)} for each in request.references]
    asked = {name: value for name, value in config.items() if value is not None}
    body = json_body({"contents": [{"role": "user", "parts": parts}], "generationConfig": asked})
    size = int(body.headers["Content-Length"])
    if size > LARGEST_REQUEST:
        raise WorkError(TOO_LARGE.format(size=size / 1e6, most=LARGEST_REQUEST / 1e6), kind=Kind.BAD_REQUEST)
    return body


def _inline(reference: Reference) -> Json:
    media_type = reference.media_type or sniff(reference.data) or UNKNOWN_TYPE
    return {"mimeType": media_type, "data": Base64(reference.data)}


def step_of(step: str) -> str:
    """Return one step in a few words: a thought by its heading, else by its beginning."""
    if step == DRAFT:
        return DRAFT
    heading = HEADING.search(step)
    words = sanitize((heading[1] or heading[2]) if heading else step, LONGEST_THOUGHT)
    return f"{THINKING}: {words}" if words else THINKING
