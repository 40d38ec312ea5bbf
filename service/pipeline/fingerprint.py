"""The fingerprint of a request: two requests with the same one are the same, and only the first is paid for."""

import asyncio
import hashlib

import orjson

from service.images import ImageRequest, Reference


async def fingerprint_of(owner: str, upstream: str, request: ImageRequest) -> str:
    """Return 64 hexadecimal digits that are the same for two requests of which only the first is paid for.

    They stand for owner, image service, model, prompt, every parameter, and the references in their order: one that we
    keep is known by its name, which its bytes decide; one that the service reads itself by its URL; the bytes of any
    other are hashed in a thread. A mask is known in the same way.
    """
    references = [await _name_of(each) for each in request.references]
    mask = [] if request.mask is None else [await _name_of(request.mask)]
    parameters = {name: value for name, value in request.parameters.items() if name not in ("references", "mask")}
    parts = [owner, upstream, request.model, request.prompt, parameters, references, *mask]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


async def _name_of(reference: Reference) -> str:
    return reference.name or reference.url or await asyncio.to_thread(_digest, reference)


def _digest(reference: Reference) -> str:
    return hashlib.sha256(reference.data).hexdigest()
